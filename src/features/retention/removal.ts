import { setTimeout as delay } from 'node:timers/promises';
import { AuditError } from '../../event/audit-error.js';
import type { AuditLogger } from '../../event/audit-logger.js';
import { CATEGORIES } from '../../event/audit-log-event.js';
import type { AuditCategory, AuditLogEvent } from '../../event/audit-log-event.js';
import { createEventId } from '../../event/event-id.js';
import { rangesOf } from '../../event/sequence-set.js';
import { raise } from '../../event/raised-event.js';
import { digestOfLeaves, sealRemoval } from './removal-record.js';
import { REMOVAL } from './raised-events.js';
import type { AuditRecorder } from '../../recorder/audit-recorder.js';
import { signInTime } from '../../store/sign-in-time.js';
import { AuditDatabase } from '../../store/audit-database.js';
import { leafHashOf } from '../../store/event-leaf.js';
import { RetentionRepository } from './retention.repository.js';
import type { EventSpan, ExpiredEvents, ExpiredRow } from './retention.repository.js';
import type { TrustedLog } from '../../trail/believed-checkpoints.js';
import { ProvenLeaves } from './proven-leaves.js';
import { HoldsRead } from './legal-holds.js';
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
    private readonly log: TrustedLog,
    private readonly holds: LegalHolds,
    private readonly recorder: AuditRecorder,
    private readonly logger: AuditLogger,
  ) {}

  /** @throws AuditError, see `AuditRetention.removeExpired` */
  remove(options: RemovalOptions = {}): Promise<RemovalResult> {
    // One run after another.
    const run = this.running.then(() => this.run(options));
    this.running = run.catch(() => undefined);
    return run;
  }

  private async run(options: RemovalOptions): Promise<RemovalResult> {
    const { rules } = this;
    const { dryRun = false, signal } = options;
    const { ledger, signer, trust } = this.log;
    if (!dryRun && !signer && trust.verifiers.length > 0) {
      throw invalid(
        'ledger.signingKey',
        'The log is signed, and so must be the record of a removal: write the option ledger.signingKey for the process that removes.',
      );
    }
    const leaves = await ProvenLeaves.newest(ledger, trust);
    const groups: RemovedGroup[] = [];
    const maintenance = dryRun ? undefined : await this.connect();
    try {
      const now = Date.now();
      const read = new HoldsRead();
      for await (const tenants of leaves ? this.repository.tenants() : []) {
        for (const tenantId of tenants) {
          signal?.throwIfAborted();
          for (const { category, keepDays, before } of await this.agedOf(tenantId, rules, now)) {
            signal?.throwIfAborted();
            const which = { tenantId, category, before };
            const size = leaves!.checkpoint.treeSize;
            const work: Work = { which, keepDays, leaves: leaves!, size, read, signal };
            const done = groups.reduce((sum, { events }) => sum + events, 0);
            const report = (removed: number) =>
              options.onProgress?.({ tenantId, category, removed: done + removed });
            const span = maintenance
              ? await this.removeGroup(work, maintenance.repository, report)
              : { ...(await this.span(work, false)), changed: 0 };
            const held = await this.span(work, true);
            const group = { ...which, keepDays, ...span, held: held.events };
            if (group.events + group.held + group.changed > 0) groups.push(group);
          }
        }
      }
    } finally {
      await maintenance?.close();
    }
    const total = (name: 'events' | 'held' | 'changed') =>
      groups.reduce((sum, group) => sum + group[name], 0);
    return { dryRun, removed: total('events'), held: total('held'), changed: total('changed'), groups };
  }

  /** The tenant's categories that have events old enough, each with its rule and the time before which they began. */
  private async agedOf(tenantId: string, rules: readonly RetentionRule[], now: number) {
    const ruled = CATEGORIES.flatMap((category) => {
      const rule = ruleFor(rules, tenantId, category);
      if (!rule) return [];
      const { keepDays } = rule;
      return [{ category, keepDays, before: Math.max(0, now - keepDays * DAY_MS) }];
    });
    const aged = await this.repository.aged(
      tenantId,
      new Map(ruled.map(({ category, before }) => [category, before])),
    );
    return ruled.filter(({ category }) => aged.has(category));
  }

  /** Of the events that are old enough, those that are held or those that are not. */
  private async span({ which, size, read }: Work, isHeld: boolean): Promise<EventSpan> {
    const { inForce } = await this.holds.on(which.tenantId, read);
    return this.repository.span(which, inForce, isHeld, size);
  }

  /** Removes batch after batch; what was changed is evidence, and stays for whoever looks into it. */
  private async removeGroup(
    { which, keepDays, leaves, size, read, signal }: Work,
    maintenance: RetentionRepository,
    report: (removed: number) => void,
  ): Promise<EventSpan & { changed: number }> {
    const {
      batchSize = maintenance.isOnThisThread ? SMALL_BATCH_SIZE : RETENTION_DEFAULTS.batchSize,
      pauseMs = RETENTION_DEFAULTS.pauseMs,
    } = this.options;
    let [events, changed, oldest, newest] = [0, 0, Infinity, -Infinity];
    let after = '';
    let races = 0;
    for (;;) {
      signal?.throwIfAborted();
      const holds = await this.holds.on(which.tenantId, read);
      const page = await this.repository.expired(which, holds.inForce, { after, limit: batchSize, size });
      const proved = await this.proved(page, leaves);
      if (proved.length > 0) {
        const span = spanOf(proved);
        const event = await this.describe({ ...which, keepDays, ...span }, leaves.checkpoint, proved, holds);
        const ids = proved.map(({ row }) => String(row.id));
        const considered = races < MAX_HOLD_RACES ? holds.considered : undefined;
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
        this.recorder.announce(event);
        events += span.events;
        oldest = Math.min(oldest, span.oldest);
        newest = Math.max(newest, span.newest);
        report(events);
      }
      changed += page.length - proved.length;
      if (page.length < batchSize) return { events, ...(events > 0 && { oldest, newest }), changed };
      after = String(page.at(-1)!.row.id);
      await delay(pauseMs, undefined, signal && { signal }).catch(() => undefined);
    }
  }

  /** Those that are what was sealed, in the order of their leaves. */
  private async proved(page: readonly ExpiredRow[], leaves: ProvenLeaves): Promise<ProvedRow[]> {
    const proved: ProvedRow[] = [];
    for (const expired of page) {
      const hash = leafHashOf(expired.row);
      const isStored = hash.toString('base64') === expired.leafHash;
      if (isStored && (await leaves.has(expired.leafIndex, hash))) proved.push({ ...expired, hash });
    }
    return proved.sort((a, b) => a.leafIndex - b.leafIndex);
  }

  /** The event that tells of the batch, and is its record. */
  private async describe(
    { tenantId, category, keepDays, events, oldest, newest }: Batch,
    checkpoint: ProvenLeaves['checkpoint'],
    removed: readonly ProvedRow[],
    { inForce }: HoldsFound,
  ): Promise<AuditLogEvent> {
    const id = createEventId(Date.now());
    const leaves = removed.map(({ leafIndex, hash, row }) => ({
      leafIndex,
      leafHash: hash,
      eventId: String(row.id),
    }));
    const claim = {
      ...checkpoint,
      eventId: id,
      leaves: rangesOf(leaves.map(({ leafIndex }) => leafIndex)),
      digest: digestOfLeaves(leaves),
      holds: inForce.map((hold) => hold.id),
    };
    const { signer } = this.log;
    const record = await signInTime(signer, () => sealRemoval(claim, signer));
    return this.recorder.completeVerbatim({
      id,
      tenantId,
      ...raise(REMOVAL, { removed: events, category, keepDays, oldest, newest, record }),
    });
  }

  private get rules(): readonly RetentionRule[] {
    const { rules } = this.options;
    if (rules) return rules;
    throw invalid(
      'retention.rules',
      'removeExpired() has no rules: write features: [retention({ rules: [{ keepDays: 365 }] })].',
    );
  }

  /** The connection of whoever may remove. */
  private async connect(): Promise<{ repository: RetentionRepository; close: () => Promise<void> }> {
    const { database: options } = this.options;
    if (!options) return { repository: this.repository, close: () => Promise.resolve() };
    const database = new AuditDatabase({ database: options, migrate: false }, this.logger);
    await database.connect(CONNECT_PATIENCE_MS);
    const close = () => database.close();
    try {
      database.ready();
    } catch (error) {
      await close();
      throw error;
    }
    return { repository: new RetentionRepository(database), close };
  }
}

/** An event that is in the log as it is stored. */
interface ProvedRow extends ExpiredRow {
  /** Of its leaf. */
  readonly hash: Buffer;
}

/** What one transaction removes. */
type Batch = Work['which'] & Pick<Work, 'keepDays'> & Required<EventSpan>;

/** The expired events of one tenant and category. */
interface Work {
  readonly which: ExpiredEvents & { readonly category: AuditCategory };
  readonly keepDays: number;
  /** Of the checkpoint that is believed, and how many may be removed. */
  readonly leaves: ProvenLeaves;
  readonly size: number;
  /** Of holds. Whether one was placed since is seen in the transaction that removes. */
  readonly read: HoldsRead;
  readonly signal: AbortSignal | undefined;
}

function spanOf(removed: readonly ProvedRow[]): Required<EventSpan> {
  const times = removed.map(({ row }) => Number(row.timestamp));
  return { events: removed.length, oldest: Math.min(...times), newest: Math.max(...times) };
}

function invalid(field: string, message: string): AuditError {
  return new AuditError('AUDIT_INVALID_OPTIONS', message, { field });
}
