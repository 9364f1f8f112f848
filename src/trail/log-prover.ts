import { AuditError } from '../event/audit-error.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { UNREADABLE_KEY } from '../event/read-event.js';
import { eventLeafHash } from '../ledger/canonical-event.js';
import { PROOF_FORMAT } from '../ledger/proof-bundle.js';
import type { AuditProof } from '../ledger/proof-bundle.js';
import { inclusionProof, rootAt } from '../ledger/proofs.js';
import { verifyInclusion } from '../ledger/verify-proof.js';
import type { LedgerRepository } from '../store/ledger.repository.js';
import { TileReader } from '../store/tile-reader.js';

/**
 * Proves that a stored event is in the log of the newest checkpoint. Reads one tile of each level of the tree.
 *
 * @returns `undefined` where the event is not sealed yet
 * @throws AuditError `AUDIT_LEDGER_BROKEN` where the event, or what it takes to prove it, was changed;
 *   `AUDIT_STORE_UNAVAILABLE`
 */
export async function proveEvent(
  ledger: LedgerRepository,
  event: AuditLogEvent,
): Promise<AuditProof | undefined> {
  if (event.metadata?.[UNREADABLE_KEY] !== undefined) throw broken(event, "it can't be read as an event");
  const head = await ledger.head();
  const leaf = head && (await ledger.leafOf(event.id, head.treeSize));
  if (!leaf) return undefined;
  const { leafIndex } = leaf;
  const { node } = new TileReader(ledger, head.treeSize);
  const [proof, root] = [
    await inclusionProof(leafIndex, head.treeSize, node),
    await rootAt(head.treeSize, node),
  ];
  const claim = { leafIndex, treeSize: head.treeSize, leafHash: eventLeafHash(event), proof };
  if (root.toString('base64') !== head.rootHash) {
    throw broken(event, 'the log does not have the root of its newest checkpoint');
  }
  if (!verifyInclusion({ ...claim, root })) throw broken(event, 'it is not what was sealed');
  return {
    format: PROOF_FORMAT,
    event,
    leafIndex,
    treeSize: head.treeSize,
    proof: proof.map((hash) => hash.toString('base64')),
    checkpoint: head.note,
  };
}

function broken({ id }: AuditLogEvent, why: string): AuditError {
  return new AuditError(
    'AUDIT_LEDGER_BROKEN',
    `The event ${id} can't be proved: ${why}. nest-audit verify says what is wrong.`,
  );
}
