import { timestampOf } from '../../event/event-id.js';
import { RecentMap } from '../../event/recent-map.js';
import { REMOVAL_ACTION } from '../../event/retention-actions.js';
import { SequenceSet } from '../../event/sequence-set.js';
import { rootAt } from '../../ledger/proofs.js';
import { digestOfLeaves, MOST_HOLDS, removalIn, showLeaves } from './removal-record.js';
import { RecordedTrust } from './recorded-trust.js';
import type { RemovalRecord } from './removal-record.js';
import type { AuditDatabase } from '../../store/audit-database.js';
import { TileReader, unlessBroken } from '../../store/tile-reader.js';
import { decodeHash } from '../../ledger/base64.js';
import type { ExplainedLeaves, ExplainsMissing, VerifiedLog } from '../../trail/verification/verification.js';
import { readHolds } from './legal-holds.js';
import type { RecordedHolds } from './legal-holds.js';
import { RetentionRepository } from './retention.repository.js';
import type { StatementEvent } from './retention.repository.js';

/**
 * How much the clocks of two processes may differ, and how long a hold may take until others see it: a removal of that time may or may
 * not know of it.
 */
const SLACK_MS = 600_000;
/** Sizes of the log whose roots are remembered. */
const MOST_ROOTS = 1_000;
/** Ranges of leaves that a problem names. */
const SHOWN = 10;
/** Records that are not believed and whose ids are remembered, so that none is told of twice. */
const MOST_DOUBTED = 10_000;

/** Why leaves may have no event: retention has removed it. */
export function explainRemovals(database: AuditDatabase): ExplainsMissing {
  return async (log) => {
    const retention = new RetentionRepository(database);
    const trust = new RecordedTrust(log);
    const holds = await readHolds(retention, trust, (eventId, verb, doubt) => {
      const message = `Event ${eventId} says that a legal hold was ${verb}, and ${doubt}. It counts for nothing.`;
      log.problems.add('hold_untrusted', message, { eventId });
    });
    const removals = new RecordedRemovals(retention, log, trust, holds);
    await removals.load(Infinity);
    return removals;
  };
}

/** Of which leaves the events were removed by retention, as signed records say that still fit the log. */
class RecordedRemovals implements ExplainedLeaves {
  private leaves = new SequenceSet();
  private readonly believed = new Set<string>();
  private readonly doubted = new Set<string>();
  private roots = new RecentMap<number, Promise<Buffer | undefined>>(MOST_ROOTS);

  constructor(
    private readonly retention: RetentionRepository,
    private readonly log: VerifiedLog,
    private readonly trust: RecordedTrust,
    private readonly holds: RecordedHolds,
  ) {}

  has(leafIndex: number): boolean {
    return this.leaves.has(leafIndex);
  }

  loadAgain(): Promise<void> {
    this.roots = new RecentMap(MOST_ROOTS);
    return this.load(MOST_DOUBTED);
  }

  /** Reads what was not read yet. @param mostDoubted from so many on, no more of those that are not believed are told of */
  async load(mostDoubted: number): Promise<void> {
    const ranges = [...this.leaves.ranges];
    for await (const event of this.retention.statements([REMOVAL_ACTION])) {
      const { id } = event;
      if (this.believed.has(id) || this.doubted.has(id)) continue;
      const { said, doubt } = await this.trust.read('removal', event, removalIn);
      const misfit = said && (this.unknownHoldOf(event, said) ?? (await this.misfitOf(said)));
      if (said && misfit === undefined) {
        this.believed.add(id);
        for (const range of said.leaves) ranges.push(range);
      } else if (this.doubted.size < mostDoubted) {
        if (this.doubted.size < MOST_DOUBTED) this.doubted.add(id);
        const message = `Event ${id} says that events were removed, and its record ${misfit ?? doubt}.`;
        const leafIndex = said?.leaves[0]![0];
        this.log.problems.add('removal_untrusted', message, { eventId: id, leafIndex });
      }
    }
    // In their order, since a set takes long for many ranges that come in another.
    this.leaves = new SequenceSet();
    for (const [first, last] of ranges.sort(([left], [right]) => left - right)) this.leaves.add(first, last);
  }

  /** A hold that was in force, and that the removal did not know of: somebody had taken its event away for the time of the removal. */
  private unknownHoldOf(
    { id: removalId, tenantId }: StatementEvent,
    { holds: known }: RemovalRecord,
  ): string | undefined {
    // It names no more.
    if (!this.trust.needsSignature || known.length >= MOST_HOLDS) return undefined;
    const at = timestampOf(removalId);
    for (const [id, hold] of this.holds.placed) {
      const end = this.holds.lifted.get(id) ?? Infinity;
      const isInForce = timestampOf(id) + SLACK_MS < at && at + SLACK_MS < end;
      if ((hold.tenantId ?? tenantId) === tenantId && isInForce && !known.includes(id))
        return `does not know of the legal hold ${id}, which was in force`;
    }
    return undefined;
  }

  /** What of the log is not as the record has it. */
  private async misfitOf({ treeSize, rootHash, leaves, digest }: RemovalRecord): Promise<string | undefined> {
    const root = await this.rootAt(treeSize);
    if (!root?.equals(rootHash)) return `names a log of ${treeSize} leaves with another root than this one`;
    const stored = await this.log.ledger.leavesOf(leaves);
    const count = leaves.reduce((sum, [first, last]) => sum + last - first + 1, 0);
    const removed = stored.flatMap(({ leafIndex, leafHash, eventId }) => {
      const hash = decodeHash(leafHash);
      return hash ? [{ leafIndex, leafHash: hash, eventId }] : [];
    });
    if (removed.length === count && digestOfLeaves(removed).equals(digest)) return undefined;
    const shown = showLeaves(leaves.slice(0, SHOWN)) + (leaves.length > SHOWN ? ',…' : '');
    return `is of leaves ${shown}, of which at least one has another hash or event id now`;
  }

  /** The root that the log has, or had, at this size; `undefined` where it has not so many leaves, or is broken there. */
  private rootAt(size: number): Promise<Buffer | undefined> {
    return this.roots.getOrMake(size, () =>
      unlessBroken(rootAt(size, new TileReader(this.log.ledger, size).node)),
    );
  }
}
