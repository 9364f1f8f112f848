// Notes in `audit_sources` as a process writes them, for sources that a test makes up.
import { createEventId } from '../../src/event/event-id.js';
import { parseSignerKey } from '../../src/ledger/index.js';
import { newNote, signSourceNote } from '../../src/store/source-note.js';
import type { SourceNote } from '../../src/store/source-note.js';
import type { AuditStore } from './audit-store.js';

/**
 * @param signerKey the key that signs it, for the log of its name; without, nobody signs it
 * @param record `process` is `{}` where it is left out
 * @param timestamp by the clock of the process, where it is not that of the test
 */
export async function writeNote(
  store: Pick<AuditStore, 'sources'>,
  record: Pick<SourceNote, 'source' | 'kind' | 'sequence'> & { readonly process?: string },
  signerKey?: string,
  timestamp?: number,
): Promise<SourceNote> {
  let note = newNote({ process: '{}', ...record });
  if (timestamp !== undefined) note = { ...note, timestamp, id: createEventId(timestamp) };
  if (signerKey !== undefined) {
    const signer = parseSignerKey(signerKey);
    note = await signSourceNote(note, { signer, origin: signer.name });
  }
  await store.sources.insert(note);
  return note;
}
