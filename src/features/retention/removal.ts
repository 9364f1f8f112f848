import { setTimeout as delay } from 'node:timers/promises';
import type { FeatureHost } from '../../engine/audit-feature.js';
import { AuditError } from '../../event/audit-error.js';
import { CATEGORIES } from '../../event/audit-log-event.js';
import type { AuditCategory, AuditLogEvent } from '../../event/audit-log-event.js';
import { createEventId } from '../../event/event-id.js';
import { rangesOf } from '../../event/sequence-set.js';
import { raise } from '../../event/raised-event.js';
import { digestOfLeaves, linesOf } from './removal-record.js';
import type { RemovedLeaf } from './removal-record.js';
import { REMOVAL } from './raised-events.js';
import type { Checkpoint } from '../../ledger/checkpoint.js';
import { signStatement } from '../../ledger/statement.js';
import { signInTime } from '../../store/statement-signer.js';
import { AuditDatabase } from '../../store/audit-database.js';
import { leafHashOf } from '../../store/event-leaf.js';
import { RetentionRepository } from './retention.repository.js';
import type { EventSpan, ExpiredEvents, ExpiredRow } from './retention.repository.js';
import { ProvenLeaves } from './proven-leaves.js';
import { assertSigns, HoldsRead } from './legal-holds.js';
import type { HoldsFound, LegalHolds } from './legal-holds.js';
import { RETENTION_DEFAULTS, ruleFor, SMALL_BATCH_SIZE } from './retention-options.js';
import type { RetentionOptions, RetentionRule } from './retention-options.js';

export interface RemovalOptions {
  /** Only say what would go. @defaultValue `false` */
  readonly dryRun?: boolean;
  /** Ends it between two batches, by the signal's reason; what is removed stays removed. */
  readonly signal?: AbortSignal;
  /** Called after each batch. */
  readonly onProgress?: (progress: RemovalProgress) => void;
}

export interface RemovalProgress {
  readonly tenantId: string;
  readonly category: AuditCategory;
  /** Events that this run has removed until now, of all tenants and categories. */
  readonly removed: number;
}

/** The expired events of one tenant and category. */
export interface RemovedGroup extends EventSpan {
  readonly tenantId: string;
  readonly category: AuditCategory;
  readonly keepDays: number;
  /** Unix epoch, milliseconds: those that began before. */
  readonly before: number;
  /** How many stay, since a hold is on them. */
  readonly held: number;
  /** How many stay, since they are not what was sealed: `verify()` names them. Not known in a dry run: 0. */
  readonly changed: number;
}

export interface RemovalResult {
  readonly dryRun: boolean;
  /** Events that were removed, or would be. */
  readonly removed: number;
  readonly held: number;
  readonly changed: number;
  /** Those that have any of these. */
  readonly groups: readonly RemovedGroup[];
}

const DAY_MS = 86_400_000;
const CONNECT_PATIENCE_MS = 10_000;
/** Times in a row that a batch may find something else than it expected. */
const MAX_RACES = 20;
/** Of them, those that may be for events of holds: whoever may insert can write any number of these, which count for nothing. */
const MAX_HOLD_RACES = 3;

/**
 * Removes what has been kept long enough, batch by batch, each with a signed event that tells of it. Only what is proved to be in a
 * checkpoint that is believed is removed: else whoever can write to the tables could have the key sign the removal of anything.
 */
export class Removal {
  private running: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly options: RetentionOptions,
    private readonly repository: RetentionRepository,
    private readonly holds: LegalHolds,
    private readonly host: FeatureHost,
  ) {}

  /** @throws AuditError, see `AuditRetention.removeExpired` */
  remove(options: RemovalOptions = {}): Promise<RemovalResult> {
    // One run after another.
    const run = this.running.then(() => this.run(options));
    this.running = run.catch(() => undefined);
    return run;
  }

  private async run(options: RemovalOptions): Promise<RemovalResult> {
    const { rules } = this.options;
    if (!rules) {
      throw new AuditError(
        'AUDIT_INVALID_OPTIONS',
        'removeExpired() has no rules: write features: [retention({ rules: [{ keepDays: 365 }] })].',
        { field: 'retention.rules' },
      );
    }
    const { dryRun = false } = options;
    if (!dryRun) assertSigns(this.host.log, 'the record of a removal', 'removes');
    const leaves = await ProvenLeaves.newest(this.host.log);
    const read = new HoldsRead();
    const remove = async (maintenance?: RetentionRepository) =>
      leaves ? this.removeGroups(rules, { ...options, leaves, read, maintenance }) : [];
    const groups = await (dryRun ? remove() : this.asMaintenance(remove));
    const total = (name: 'events' | 'held' | 'changed') =>
      groups.reduce((sum, group) => sum + group[name], 0);
    return { dryRun, removed: total('events'), held: total('held'), changed: total('changed'), groups };
  }

  /** Of all tenants. */
  private async removeGroups(rules: readonly RetentionRule[], work: Work): Promise<RemovedGroup[]> {
    const { maintenance, signal, onProgress } = work;
    const groups: RemovedGroup[] = [];
    const now = Date.now();
    let removed = 0;
    for await (const tenants of this.repository.tenants()) {
      for (const tenantId of tenants) {
        signal?.throwIfAborted();
        for (const which of await this.agedOf(tenantId, rules, now)) {
          signal?.throwIfAborted();
          const { category } = which;
          const report = (more: number) => onProgress?.({ tenantId, category, removed: (removed += more) });
          const span = maintenance
            ? await this.removeGroup(which, work, maintenance, report)
            : { ...(await this.span(which, work, false)), changed: 0 };
          const { events: held } = await this.span(which, work, true);
          const group = { ...which, ...span, held };
          if (group.events + held + group.changed > 0) groups.push(group);
        }
      }
    }
    return groups;
  }

  /** The tenant's categories that have events old enough, each with the time before which they began. */
  private agedOf(tenantId: string, rules: readonly RetentionRule[], now: number): Promise<readonly Aged[]> {
    const ruled = CATEGORIES.flatMap((category) => {
      const rule = ruleFor(rules, tenantId, category);
      if (!rule) return [];
      const { keepDays } = rule;
      return [{ tenantId, category, keepDays, before: Math.max(0, now - keepDays * DAY_MS) }];
    });
    return this.repository.aged(ruled);
  }

  /** Of the events that are old enough, those that are held or those that are not. */
  private async span(which: Aged, { leaves, read }: Work, isHeld: boolean): Promise<EventSpan> {
    const { inForce } = await this.holds.on(which.tenantId, read);
    return this.repository.span(which, inForce, isHeld, leaves.checkpoint.treeSize);
  }

  /** Removes batch after batch; what was changed is evidence, and stays for whoever looks into it. */
  private async removeGroup(
    which: Aged,
    { leaves, read, signal }: Work,
    maintenance: RetentionRepository,
    report: (more: number) => void,
  ): Promise<EventSpan & { changed: number }> {
    const {
      batchSize = maintenance.isOnThisThread ? SMALL_BATCH_SIZE : RETENTION_DEFAULTS.batchSize,
      pauseMs = RETENTION_DEFAULTS.pauseMs,
    } = this.options;
    const size = leaves.checkpoint.treeSize;
    let [events, changed, oldest, newest] = [0, 0, Infinity, -Infinity];
    let after = '';
    let races = 0;
    for (;;) {
      signal?.throwIfAborted();
      const holds = await this.holds.on(which.tenantId, read);
      const page = await this.repository.expired(which, holds.inForce, { after, limit: batchSize, size });
      const proved = await this.proved(page, leaves);
      if (proved.length > 0) {
        const times = proved.map(({ timestamp }) => timestamp);
        const span = { oldest: Math.min(...times), newest: Math.max(...times) };
        const event = await this.describe(which, span, proved, leaves.checkpoint, holds);
        const ids = proved.map(({ eventId }) => eventId);
        const considered = races < MAX_HOLD_RACES ? holds : undefined;
        if (!(await maintenance.remove(ids, event, considered))) {
          races += 1;
          read.forget();
          if (races < MAX_RACES) continue;
          throw new AuditError(
            'AUDIT_STORE_UNAVAILABLE',
            'The removal was given up: another one removes the same events. Call it again later.',
          );
        }
        races = 0;
        this.host.recorder.announce(event);
        events += proved.length;
        oldest = Math.min(oldest, span.oldest);
        newest = Math.max(newest, span.newest);
        report(proved.length);
      }
      changed += page.length - proved.length;
      if (page.length < batchSize) return { events, ...(events > 0 && { oldest, newest }), changed };
      after = String(page.at(-1)!.row.id);
      await delay(pauseMs, undefined, signal && { signal }).catch(() => undefined);
    }
  }

  /** Those that are what was sealed, in the order of their leaves. */
  private async proved(page: readonly ExpiredRow[], leaves: ProvenLeaves): Promise<ProvedLeaf[]> {
    const proved: ProvedLeaf[] = [];
    for (const { row, leafIndex, leafHash: stored } of page) {
      const leafHash = leafHashOf(row);
      if (leafHash.toString('base64') !== stored || !(await leaves.has(leafIndex, leafHash))) continue;
      proved.push({ leafIndex, leafHash, eventId: String(row.id), timestamp: Number(row.timestamp) });
    }
    return proved.sort((a, b) => a.leafIndex - b.leafIndex);
  }

  /** The event that tells of what one transaction removes, and is its record. */
  private async describe(
    { tenantId, category, keepDays }: Aged,
    span: Pick<EventSpan, 'oldest' | 'newest'>,
    removed: readonly ProvedLeaf[],
    checkpoint: Checkpoint,
    { inForce }: HoldsFound,
  ): Promise<AuditLogEvent> {
    const id = createEventId(Date.now());
    const { signer } = this.host.log;
    const lines = linesOf({
      ...checkpoint,
      leaves: rangesOf(removed.map(({ leafIndex }) => leafIndex)),
      digest: digestOfLeaves(removed),
      holds: inForce.map((hold) => hold.id),
    });
    const claim = { kind: 'removal', origin: checkpoint.origin, lines: [id, ...lines] } as const;
    const record = await signInTime(signer, () => signStatement(claim, signer));
    return this.host.recorder.completeVerbatim({
      id,
      tenantId,
      ...raise(REMOVAL, { removed: removed.length, category, keepDays, ...span, record }),
    });
  }

  /** By the connection of whoever may remove. */
  private async asMaintenance<T>(work: (maintenance: RetentionRepository) => Promise<T>): Promise<T> {
    const { database: options } = this.options;
    if (!options) return work(this.repository);
    const database = new AuditDatabase({ database: options, migrate: false }, this.host.logger);
    await database.connect(CONNECT_PATIENCE_MS);
    try {
      database.ready();
      return await work(new RetentionRepository(database));
    } finally {
      await database.close();
    }
  }
}

/** An event that is in the log as it is stored. */
interface ProvedLeaf extends RemovedLeaf {
  readonly timestamp: number;
}

/** The expired events of one tenant and category, and for how many days they were to be kept. */
type Aged = ExpiredEvents & Pick<RemovedGroup, 'category' | 'keepDays'>;

/** One run. */
interface Work extends RemovalOptions {
  /** Of the checkpoint that is believed: as many may be removed as it has. */
  readonly leaves: ProvenLeaves;
  /** Of holds. Whether one was placed since is seen in the transaction that removes. */
  readonly read: HoldsRead;
  /** Who removes; absent where it is only said what would go. */
  readonly maintenance: RetentionRepository | undefined;
}
