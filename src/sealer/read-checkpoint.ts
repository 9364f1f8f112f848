import { AuditError } from '../event/audit-error.js';
import { parseCheckpoint } from '../ledger/checkpoint.js';
import type { Checkpoint } from '../ledger/checkpoint.js';
import { LedgerFormatError } from '../ledger/format-error.js';
import type { NoteVerifier } from '../ledger/keys.js';
import { openNote } from '../ledger/note.js';
import type { StoredCheckpoint } from '../store/ledger.repository.js';

/**
 * What a stored checkpoint says.
 *
 * @param verifiers whose signature it needs, if it has any and there are any
 * @throws AuditError `AUDIT_LEDGER_BROKEN` where it is none, is not what its row says, or is signed by nobody trusted
 */
export function readCheckpoint(
  { note, treeSize, rootHash }: Pick<StoredCheckpoint, 'note' | 'treeSize' | 'rootHash'>,
  verifiers: readonly NoteVerifier[],
): Checkpoint & { readonly isSigned: boolean } {
  const broken = (what: string) =>
    new AuditError('AUDIT_LEDGER_BROKEN', `The checkpoint of ${treeSize} leaves ${what}`);
  try {
    const { text, isSigned, isTrusted } = openCheckpoint(note, verifiers);
    const checkpoint = parseCheckpoint(text);
    if (checkpoint.treeSize !== treeSize || checkpoint.rootHash.toString('base64') !== rootHash) {
      throw broken('is not what its note says');
    }
    if (isSigned && verifiers.length > 0 && !isTrusted) {
      throw broken(
        'is signed by nobody who is known here. After a change of keys, list the former verifier key in ledger.verifierKeys',
      );
    }
    return { ...checkpoint, isSigned };
  } catch (error) {
    if (error instanceof LedgerFormatError) throw broken(`can't be read: ${error.message}`);
    throw error;
  }
}

/** @throws LedgerFormatError */
function openCheckpoint(
  note: string,
  verifiers: readonly NoteVerifier[],
): { text: string; isSigned: boolean; isTrusted: boolean } {
  // Its text and an empty line: it was not signed.
  if (note.endsWith('\n\n')) return { text: note.slice(0, -1), isSigned: false, isTrusted: false };
  const { text, verifiedBy } = openNote(note, verifiers);
  return { text, isSigned: true, isTrusted: verifiedBy.length > 0 };
}
