import { AuditError, ledgerBroken } from '../event/audit-error.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { copyEvent } from '../event/copy-event.js';
import { isEventId } from '../event/event-id.js';
import { UNREADABLE_KEY } from '../event/read-event.js';
import { eventLeafHash } from '../ledger/canonical-event.js';
import { PROOF_FORMAT } from '../ledger/proof-bundle.js';
import type { AuditProof } from '../ledger/proof-bundle.js';
import { inclusionProof, rootAt } from '../ledger/proofs.js';
import { verifyInclusion } from '../ledger/verify-proof.js';
import type { LogSealer } from '../sealer/log-sealer.js';
import type { LedgerRepository } from '../store/ledger.repository.js';
import { TileReader } from '../store/tile-reader.js';
import type { AuditScope } from './audit-scope.js';
import type { EventQueries } from './event-queries.js';
import type { Reads } from './reads.js';

/** Proves an event of the database, or one that somebody has; seals first where it is not sealed yet. */
export class EventProver {
  constructor(
    private readonly ledger: LedgerRepository,
    private readonly sealer: LogSealer,
    private readonly queries: EventQueries,
    private readonly reads: Reads,
  ) {}

  prove(which: string | AuditLogEvent, scope: AuditScope): Promise<AuditProof | undefined> {
    const prove = async () => {
      this.queries.check(scope);
      const event = typeof which === 'string' ? await this.queries.stored(which, scope) : provable(which);
      if (!event) return undefined;
      const proof = await proveEvent(this.ledger, event);
      if (proof) return proof;
      await this.sealer.checkpoint();
      const late = await proveEvent(this.ledger, event);
      if (late) return late;
      throw new AuditError(
        'AUDIT_NOT_SEALED',
        `The event ${event.id} is not in the log yet: events of its source that come before it are still missing. Try again later.`,
      );
    };
    const read = { method: 'prove', query: scope, id: idOf(which) };
    return this.reads.answered(read, prove, (proof) => (proof ? 1 : 0));
  }
}

/** The id of what is to be proved, whatever it is. */
function idOf(which: unknown): unknown {
  try {
    return typeof which === 'object' && which !== null ? (which as { id?: unknown }).id : which;
  } catch {
    return undefined;
  }
}

/** @throws AuditError `AUDIT_INVALID_QUERY` where it can't be an event of a log */
function provable(which: AuditLogEvent): AuditLogEvent {
  try {
    const event = copyEvent(which);
    eventLeafHash(event);
    if (isEventId(event.id)) return event;
  } catch {
    // Then it is none either.
  }
  throw new AuditError(
    'AUDIT_INVALID_QUERY',
    'There is nothing to prove: give the id of an event, or an event.',
    { field: 'id' },
  );
}

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
  const { treeSize, rootHash } = head;
  const { node } = new TileReader(ledger, treeSize);
  const proof = await inclusionProof(leafIndex, treeSize, node);
  const root = await rootAt(treeSize, node);
  if (root.toString('base64') !== rootHash) {
    throw broken(event, 'the log does not have the root of its newest checkpoint');
  }
  const isIncluded = verifyInclusion({ leafIndex, treeSize, leafHash: eventLeafHash(event), proof, root });
  if (!isIncluded) throw broken(event, 'it is not what was sealed');
  return {
    format: PROOF_FORMAT,
    event,
    leafIndex,
    treeSize,
    proof: proof.map((hash) => hash.toString('base64')),
    checkpoint: head.note,
  };
}

function broken({ id }: AuditLogEvent, why: string): AuditError {
  return ledgerBroken(`The event ${id} can't be proved: ${why}`);
}
