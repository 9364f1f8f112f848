import { AuditError } from '../event/audit-error.js';
import { parseCheckpoint } from '../ledger/checkpoint.js';
import type { Checkpoint } from '../ledger/checkpoint.js';
import { LedgerFormatError } from '../ledger/format-error.js';
import type { NoteVerifier } from '../ledger/keys.js';
import { openNote } from '../ledger/note.js';
import type { StoredCheckpoint } from '../store/ledger-records.js';

/** A checkpoint, and whether it is to be believed. */
export interface OpenedCheckpoint extends Checkpoint {
  readonly isSigned: boolean;
  /** One of the verifiers has signed it. */
  readonly isTrusted: boolean;
}

/**
 * What a stored checkpoint says.
 *
 * @param verifiers whose signature it needs, if it has any and there are any
 * @throws AuditError `AUDIT_LEDGER_BROKEN` where it is none, is not what its row says, or is signed by nobody trusted
 */
export function readCheckpoint(
  { note, treeSize, rootHash }: Pick<StoredCheckpoint, 'note' | 'treeSize' | 'rootHash'>,
  verifiers: readonly NoteVerifier[],
): OpenedCheckpoint {
  const broken = (what: string) =>
    new AuditError('AUDIT_LEDGER_BROKEN', `The checkpoint of ${treeSize} leaves ${what}`);
  try {
    const checkpoint = openCheckpoint(note, verifiers);
    if (checkpoint.treeSize !== treeSize || checkpoint.rootHash.toString('base64') !== rootHash) {
      throw broken('is not what its note says');
    }
    if (checkpoint.isSigned && verifiers.length > 0 && !checkpoint.isTrusted) {
      throw broken(
        'is signed by nobody who is known here. After a change of keys, list the former verifier key in ledger.verifierKeys',
      );
    }
    return checkpoint;
  } catch (error) {
    if (error instanceof LedgerFormatError) throw broken(`can't be read: ${error.message}`);
    throw error;
  }
}

/**
 * What a note says that is a checkpoint, signed or not.
 *
 * @throws LedgerFormatError where it is none, or has a wrong signature by one of the verifiers
 */
export function openCheckpoint(note: string, verifiers: readonly NoteVerifier[]): OpenedCheckpoint {
  // Its text and an empty line: it was not signed.
  if (typeof note === 'string' && note.endsWith('\n\n')) {
    return { ...parseCheckpoint(note.slice(0, -1)), isSigned: false, isTrusted: false };
  }
  const { text, verifiedBy } = openNote(note, verifiers);
  return { ...parseCheckpoint(text), isSigned: true, isTrusted: verifiedBy.length > 0 };
}
