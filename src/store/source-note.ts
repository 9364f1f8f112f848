import { createEventId } from '../event/event-id.js';
import { isSameLog } from '../ledger/checkpoint.js';
import { LedgerFormatError } from '../ledger/format-error.js';
import { openStatement, signStatement } from '../ledger/statement.js';
import { toAscii } from './ascii.js';
import type { NOTE } from './audit.entities.js';
import { toInteger } from './column-value.js';
import type { RecordOf } from './columns.js';
import { SOURCE_NOTE_KINDS } from './source-summary.js';
import type { SourceNoteKind } from './source-summary.js';
import type { StatementAuthority, StatementTrust } from './statement-signer.js';

/** What a process says of a source: one row of `audit_sources`. Whoever may insert can write the same, but not sign it. */
export interface SourceNote extends RecordOf<typeof NOTE> {
  readonly kind: SourceNoteKind;
}

/** @param record `process`: JSON, at most 1,024 characters once it is written in ASCII */
export function newNote(record: Pick<SourceNote, 'source' | 'kind' | 'sequence' | 'process'>): SourceNote {
  const timestamp = Date.now();
  const process = toAscii(record.process);
  return { ...record, id: createEventId(timestamp), timestamp, process, statement: null };
}

/** The note with its signature. @throws what the signer throws */
export async function signSourceNote(
  note: SourceNote,
  { signer, origin }: StatementAuthority,
): Promise<SourceNote> {
  const statement = await signStatement({ kind: 'source', origin, lines: linesOf(note) }, signer);
  return { ...note, statement };
}

/** The row as a note; `undefined` where a column holds what no process writes. */
export function readNote(row: Readonly<Record<string, unknown>>): SourceNote | undefined {
  const { id, source, process, statement = null } = row;
  const kind = SOURCE_NOTE_KINDS.find((known) => known === row['kind']);
  const [sequence, timestamp] = [toInteger(row['sequence']), toInteger(row['timestamp'])];
  if (typeof id !== 'string' || typeof source !== 'string' || typeof process !== 'string') return undefined;
  if (kind === undefined || !isCount(sequence) || !isCount(timestamp)) return undefined;
  if (statement !== null && typeof statement !== 'string') return undefined;
  return { id, source, kind, sequence, timestamp, process, statement };
}

/** Whether a key that is trusted has signed exactly this note. */
export function isTrusted(note: SourceNote, { verifiers, origin }: StatementTrust): boolean {
  const lines = linesOf(note).join('\n');
  // Looked at first: a signature takes far longer to check, and anybody can write many of them.
  if (verifiers.length === 0 || note.statement === null || !note.statement.includes(lines)) return false;
  try {
    const opened = openStatement('source', note.statement, verifiers);
    const isOfLog = origin === undefined || isSameLog(opened.origin, origin);
    return opened.isTrusted && isOfLog && opened.lines.join('\n') === lines;
  } catch (error) {
    if (error instanceof LedgerFormatError) return false;
    throw error;
  }
}

/** Whether the note says that the source has ended. */
export function isEnd({ kind }: Pick<SourceNote, 'kind'>): boolean {
  return kind === 'closed' || kind === 'abandoned';
}

/**
 * Where the note stands among those of its source: by its id, so by the clock of its process. A clock may be set back, so what tells
 * of no end, and is as true of a source that has ended since, comes before all others.
 */
export function placeOf({ id, kind }: Pick<SourceNote, 'id' | 'kind'>): string {
  return kind === 'started' || kind === 'reached' ? '' : id;
}

/** What a signature binds: the whole row, with its id, so that no other row can carry it. */
function linesOf({ id, source, kind, sequence, timestamp, process }: SourceNote): string[] {
  return [id, source, kind, String(sequence), String(timestamp), process];
}

function isCount(number: number): boolean {
  return Number.isSafeInteger(number) && number >= 0;
}
