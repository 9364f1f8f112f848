import { decodeBase64 } from './base64.js';
import { LedgerFormatError } from './format-error.js';
import { checkName } from './keys.js';
import type { NoteSigner, NoteVerifier } from './keys.js';

/** A note that was opened. */
export interface OpenedNote {
  /** Ends with a newline. Not to be trusted unless {@link verifiedBy} has whom you trust. */
  readonly text: string;
  /** The keys whose signatures are good, of those that were asked for. */
  readonly verifiedBy: readonly NoteVerifier[];
  /** Every signature line, whether its key is known or not. */
  readonly signatures: readonly { readonly name: string; readonly keyId: Buffer }[];
}

/** Characters of a note that is still read. */
const MAX_NOTE = 1_000_000;
const MAX_SIGNATURES = 100;
const KEY_ID_SIZE = 4;

/**
 * The text with one signature line of each signer (C2SP signed-note).
 *
 * @param text ends with a newline
 * @throws LedgerFormatError where no note may have that text
 */
export async function signNote(text: string, signers: readonly NoteSigner[]): Promise<string> {
  if (!isNoteText(text) || !text.endsWith('\n')) {
    throw new LedgerFormatError(
      'The text of a note ends with a newline, and has no other control characters and no lone surrogates.',
    );
  }
  const lines: string[] = [];
  for (const signer of signers) {
    checkName(signer.name);
    const signature = await signer.sign(Buffer.from(text));
    lines.push(`\u2014 ${signer.name} ${Buffer.concat([signer.keyId, signature]).toString('base64')}\n`);
  }
  return `${text}\n${lines.join('')}`;
}

/**
 * Takes a note apart and checks the signatures of the verifiers' keys. Signatures of unknown keys are passed over, as
 * C2SP signed-note asks.
 *
 * @throws LedgerFormatError where it is no note, or a signature of a known key is wrong
 */
export function openNote(note: string, verifiers: readonly NoteVerifier[]): OpenedNote {
  if (typeof note !== 'string' || note.length > MAX_NOTE || !isNoteText(note)) {
    throw new LedgerFormatError('The note is too large, or has characters that no note may have.');
  }
  const split = note.lastIndexOf('\n\n');
  if (split < 0 || !note.endsWith('\n')) {
    throw new LedgerFormatError(
      'The note has no empty line before its signatures, or no newline at its end.',
    );
  }
  const text = note.slice(0, split + 1);
  const lines = note
    .slice(split + 2)
    .split('\n')
    .slice(0, -1);
  if (lines.length === 0) throw new LedgerFormatError('The note has no signature.');
  if (lines.length > MAX_SIGNATURES) throw new LedgerFormatError(`The note has ${lines.length} signatures.`);
  const bytes = Buffer.from(text);
  const verifiedBy = new Set<NoteVerifier>();
  const signatures = lines.map((line) => {
    const { name, keyId, signature } = signatureOf(line);
    for (const verifier of verifiers) {
      if (verifier.name !== name || !verifier.keyId.equals(keyId)) continue;
      if (!verifier.verify(bytes, signature)) {
        throw new LedgerFormatError(`The note's signature by ${verifier.verifierKey} is wrong.`);
      }
      verifiedBy.add(verifier);
    }
    return { name, keyId };
  });
  return { text, verifiedBy: [...verifiedBy], signatures };
}

/** What a stored note says, which may be unsigned. */
export interface StoredNote {
  readonly text: string;
  /** Whether it has any signature, even one by a key that is not known. */
  readonly isSigned: boolean;
  /** Whether one of the verifiers' keys has signed it. */
  readonly isTrusted: boolean;
}

/** As {@link openNote}, of a note that has an empty line in place of signatures where nobody has signed it. */
export function openStoredNote(note: string, verifiers: readonly NoteVerifier[]): StoredNote {
  if (typeof note === 'string' && note.endsWith('\n\n')) {
    return { text: note.slice(0, -1), isSigned: false, isTrusted: false };
  }
  const { text, verifiedBy } = openNote(note, verifiers);
  return { text, isSigned: true, isTrusted: verifiedBy.length > 0 };
}

function signatureOf(line: string): { name: string; keyId: Buffer; signature: Buffer } {
  // Any name that the specification allows, which is more than our own keys may have: a stranger's line is passed over.
  const [, name, encoded] = /^\u2014 ([^\p{White_Space}+]+) (.+)$/u.exec(line) ?? [];
  const bytes = decodeBase64(encoded);
  if (name === undefined || bytes === undefined || bytes.length <= KEY_ID_SIZE) {
    throw new LedgerFormatError('Among the signatures of the note is a line that is no signature.');
  }
  return { name, keyId: bytes.subarray(0, KEY_ID_SIZE), signature: bytes.subarray(KEY_ID_SIZE) };
}

function isNoteText(text: string): boolean {
  // eslint-disable-next-line no-control-regex -- the control characters are what is refused
  return !/[\u0000-\u0009\u000b-\u001f]/.test(text) && text.isWellFormed();
}
