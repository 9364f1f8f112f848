import { AuditError } from '../event/audit-error.js';
import { parseCheckpoint } from '../ledger/checkpoint.js';
import type { Checkpoint } from '../ledger/checkpoint.js';
import { LedgerFormatError } from '../ledger/format-error.js';
import type { NoteVerifier } from '../ledger/keys.js';
import { openStoredNote } from '../ledger/note.js';
import type { StoredNote } from '../ledger/note.js';
import type { StoredCheckpoint } from '../store/audit.entities.js';

/** A checkpoint, and whether it is to be believed. */
export type OpenedCheckpoint = Checkpoint & Omit<StoredNote, 'text'>;

/**
 * What a note says that is a checkpoint, signed or not.
 *
 * @throws LedgerFormatError where it is none, or has a wrong signature by one of the verifiers
 */
export function openCheckpoint(note: string, verifiers: readonly NoteVerifier[]): OpenedCheckpoint {
  const { text, ...opened } = openStoredNote(note, verifiers);
  return { ...parseCheckpoint(text), ...opened };
}

/** As {@link openCheckpoint}, of a row; `undefined` where the row says something else than its note. */
export function openStored(
  { note, treeSize, rootHash }: StoredCheckpoint,
  verifiers: readonly NoteVerifier[],
): OpenedCheckpoint | undefined {
  const checkpoint = openCheckpoint(note, verifiers);
  const isSame = checkpoint.treeSize === treeSize && checkpoint.rootHash.toString('base64') === rootHash;
  return isSame ? checkpoint : undefined;
}

/**
 * What a stored checkpoint says.
 *
 * @param verifiers whose signature it needs, if it has any and there are any
 * @throws AuditError `AUDIT_LEDGER_BROKEN` where it is none, is not what its row says, or is signed by nobody trusted
 */
export function readCheckpoint(
  stored: StoredCheckpoint,
  verifiers: readonly NoteVerifier[],
): OpenedCheckpoint {
  const broken = (what: string) =>
    new AuditError('AUDIT_LEDGER_BROKEN', `The checkpoint of ${stored.treeSize} leaves ${what}`);
  try {
    const checkpoint = openStored(stored, verifiers);
    if (!checkpoint) throw broken('is not what its note says');
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
