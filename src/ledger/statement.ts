import { LedgerFormatError } from './format-error.js';
import type { NoteSigner, NoteVerifier } from './keys.js';
import { openStoredNote, signNote } from './note.js';
import type { StoredNote } from './note.js';

/**
 * What a process can say of the tables besides checkpoints: events were removed, a legal hold was placed or lifted, a
 * source began or ended, an event could not be stored.
 */
export type StatementKind = 'removal' | 'hold' | 'hold-release' | 'source' | 'dead-letter';

/** A statement by a process of this library. Whoever may insert a row can write the same row, but not its signature. */
export interface Statement {
  readonly kind: StatementKind;
  /** The log that it belongs to. */
  readonly origin: string;
  /** What is said, at least one line, each without line breaks and not empty. */
  readonly lines: readonly string[];
}

/** A statement that was read from a row, and whether to believe it. */
export type OpenedStatement = Statement & Omit<StoredNote, 'text'>;

const PREFIX = 'nest-audit-trail/';
const VERSION = 'v1';

/**
 * The statement as a signed note (C2SP signed-note); its text and an empty line where there is no signer.
 *
 * @throws LedgerFormatError where a note can't hold a line
 */
export async function signStatement(
  { kind, origin, lines }: Statement,
  signer: NoteSigner | undefined,
): Promise<string> {
  const text = [`${PREFIX}${kind}/${VERSION}`, origin, ...lines];
  if (lines.length === 0 || text.some((line) => line === '' || line.includes('\n'))) {
    throw new LedgerFormatError('A line of the statement is empty or has a line break.');
  }
  const note = `${text.join('\n')}\n`;
  return signer ? signNote(note, [signer]) : `${note}\n`;
}

/**
 * Reads a statement from a row, which may hold anything.
 *
 * @throws LedgerFormatError where it is no statement of this kind, or the signature of a verifier's key is wrong
 */
export function openStatement(
  kind: StatementKind,
  note: unknown,
  verifiers: readonly NoteVerifier[],
): OpenedStatement {
  if (typeof note !== 'string') throw new LedgerFormatError('The statement is no text.');
  const { text, ...opened } = openStoredNote(note, verifiers);
  const [header, origin, ...lines] = text.split('\n');
  const end = lines.pop();
  const isWhole = end === '' && lines.length > 0 && origin !== undefined && ![origin, ...lines].includes('');
  if (header !== `${PREFIX}${kind}/${VERSION}` || !isWhole) {
    throw new LedgerFormatError(`The note is no statement of the kind ${kind}.`);
  }
  return { kind, origin, lines, ...opened };
}
