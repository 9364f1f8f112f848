import { randomUUID } from 'node:crypto';
import { AuditError } from '../event/audit-error.js';
import { RateLimitedLog } from '../event/audit-logger.js';
import type { AuditLogger } from '../event/audit-logger.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { firstIdOf, isEventId } from '../event/event-id.js';
import { formatCheckpoint, isOfLog } from '../ledger/checkpoint.js';
import type { Checkpoint } from '../ledger/checkpoint.js';
import { signNote } from '../ledger/note.js';
import { rootAt } from '../ledger/proofs.js';
import type { AuditDatabase } from '../store/audit-database.js';
import { AuditEventRepository } from '../store/audit-event.repository.js';
import { NotAsExpectedError } from '../store/insert-rows.js';
import { LedgerRepository } from '../store/ledger.repository.js';
import type { StoredCheckpoint } from '../store/audit.entities.js';
import { endedBy } from '../store/run-statement.js';
import { SealingRepository } from '../store/sealing.repository.js';
import { SourceRepository } from '../store/source.repository.js';
import { signInTime } from '../store/statement-signer.js';
import { classifyStoreError, describeStoreError, unavailable } from '../store/store-error.js';
import { TileReader } from '../store/tile-reader.js';
import { WaitingStatements } from '../store/waiting-statements.js';
import { within } from '../store/within.js';
import { Collector } from './collector.js';
import type { CollectorOptions } from './collector.js';
import type { LedgerKeys } from './ledger-keys.js';
import type { LedgerSettings, SignedCheckpoint } from './ledger-options.js';
import { LeaseHolder } from './lease-holder.js';
import { LogSealer } from './log-sealer.js';
import { LogTip } from './log-tip.js';
import { Publisher } from './publisher.js';
import { readCheckpoint } from './read-checkpoint.js';

/** Leaves that one step adds: the width of its INSERT. */
const BATCH = 500;
/** Times that somebody else may be faster before a checkpoint that was asked for is given up. */
const MAX_RACES = 20;
const LAST_RETRY_MS = 30_000;
/** At rest it asks after so many intervals whether there is a new event, and looks for all else after so many. */
const REST_INTERVALS = 5;
const FULL_INTERVALS = 120;
/** How far a clock may be ahead. An id that is further ahead is not the newest: nothing that comes would be newer. */
const CLOCK_MS = 10_000;
/** Looking for something to seal, where there may be nothing, may take so much of the time. */
const SHARE_OF_TIME = 0.05;
const PUBLISH_PATIENCE_MS = 1_000;
/** How long to wait for a simple answer, where another one does not come. */
const ANSWER_PATIENCE_MS = 1_000;

/** What the sealer is told by the rest of the process. */
export interface SealerHost extends Pick<CollectorOptions, 'describeGap' | 'localSources' | 'ownersOf'> {
  /** The newest checkpoint that the sealer has made, or goes on from. */
  readonly seen?: (checkpoint: Checkpoint) => void;
  /** It could not seal. */
  readonly failed?: (error: unknown) => void;
  /** An event of a gap was stored. */
  readonly stored: (event: AuditLogEvent) => void;
  /** How long the database may take to answer. */
  readonly statementTimeoutMs: number;
}

/**
 * Puts what is stored into the Merkle log, batch by batch, each with a checkpoint that extends the one
 * before. Any number of processes may try: a lease lets one work at a time. The database accepts only one
 * successor of a checkpoint, so the log has one history even where two believe that they have the lease.
 *
 * A turn takes the lease (`lease-holder.ts`), asks what is next (`collector.ts`), extends the log (`log-tip.ts`), and hands the
 * checkpoint on (`publisher.ts`). The collector asks `source-queue.ts` whose turn it is, and `trusted-notes.ts` what is known of it.
 */
export class Sealer extends LogSealer {
  private readonly events: AuditEventRepository;
  private readonly ledger: LedgerRepository;
  private readonly sealing: SealingRepository;
  private readonly collector: Collector;
  private readonly lease: LeaseHolder;
  private readonly publishers: readonly Publisher[];
  private readonly warnings: RateLimitedLog;
  private readonly intervalMs: number;
  private readonly statements = new WaitingStatements();
  private tip: LogTip | undefined;
  /** The newest head that this process has made or checked: the log only ever goes on from there. */
  lastSeen: Checkpoint | undefined;
  private origin: string | undefined;
  private timer: NodeJS.Timeout | undefined;
  /** Steps are taken one after another. */
  private working: Promise<unknown> = Promise.resolve();
  private waitMs: number;
  /** When to look further again than at the sources that are known to live. */
  private wideDue = -Infinity;
  /** Set while it rests: there was nothing to seal. */
  private rest: { readonly news: string; readonly until: number } | undefined;
  private closed = false;

  /**
   * @param database where it reads and writes, by the sealer's own rights where it has some
   * @param keys of these options
   */
  constructor(
    database: AuditDatabase,
    private readonly options: LedgerSettings,
    private readonly keys: LedgerKeys,
    private readonly host: SealerHost,
    logger: AuditLogger,
  ) {
    super();
    this.events = new AuditEventRepository(database);
    this.ledger = new LedgerRepository(database);
    this.sealing = new SealingRepository(database);
    this.intervalMs = this.waitMs = options.intervalMs;
    this.warnings = new RateLimitedLog(logger, 60_000);
    this.lease = new LeaseHolder(this.sealing, randomUUID());
    this.collector = new Collector(this.sealing, new SourceRepository(database), {
      ...host,
      passedOver: (id) =>
        this.warnings.warn(
          'passed-over',
          `The row ${isEventId(id) ? id : 'without a valid id'} of audit_events was not written by this library, so it is not sealed. nest-audit verify names each such row: look at it, and have the owner of the table delete it.`,
        ),
      gapTimeoutMs: options.gapTimeoutMs,
      trust: async () => ({ verifiers: keys.verifiers, origin: await this.name() }),
      warn: (message) => {
        // From then on its own closing notes are there.
        if (!this.closed) this.warnings.warn('sources', message);
      },
    });
    this.publishers = [options.publish ?? []].flat().map((target) => new Publisher(target, logger));
  }

  start(): void {
    if (this.options.seal) this.schedule();
  }

  checkpoint(): Promise<SignedCheckpoint> {
    return this.inTurn(async () => {
      if (this.options.seal) await this.sealAll({ isRound: true, needsLease: false });
      const head = await this.inTime(() => this.ledger.head());
      return head ? this.signed(head) : this.sign(await LogTip.load(this.ledger, 0));
    });
  }

  beginAgain(origin: string | undefined): void {
    void this.inTurn(async () => {
      this.tip = this.lastSeen = this.rest = undefined;
      this.collector.begin();
      this.origin = origin;
    });
  }

  async close(patienceMs: number): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.timer);
    if (this.options.seal) {
      const last = this.inTurn(async () => {
        await this.sealAll({ isRound: true });
        await this.lease.release();
      });
      // What is left is sealed by whoever takes the next turn.
      await within(
        patienceMs,
        last.catch((error: unknown) => this.complain(error)),
      );
      await within(PUBLISH_PATIENCE_MS, Promise.all(this.publishers.map((publisher) => publisher.idle())));
    }
    for (const publisher of this.publishers) publisher.close();
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.working.then(work);
    this.working = turn.catch(() => undefined);
    return turn;
  }

  private schedule(): void {
    if (this.closed) return;
    this.timer = setTimeout(() => {
      void this.inTurn(() => this.turn()).finally(() => this.schedule());
    }, this.waitMs);
    this.timer.unref();
  }

  private async turn(): Promise<void> {
    const begun = performance.now();
    const isWide = begun >= this.wideDue;
    try {
      // Before it looks, so that what is stored meanwhile is news.
      const news = isWide || this.rest ? await this.news() : '';
      if (this.rest?.news === news && begun < this.rest.until) {
        this.waitMs = Math.min(this.waitMs + this.intervalMs, this.intervalMs * REST_INTERVALS);
        return;
      }
      const sealed = await this.sealAll({ isWide });
      const now = performance.now();
      const pause = (now - begun) / SHARE_OF_TIME;
      if (isWide) this.wideDue = now + pause;
      // However long that took: what lives is sealed in time.
      this.waitMs = isWide || sealed > 0 ? this.intervalMs : Math.max(this.intervalMs, pause);
      const mayRest = isWide && sealed === 0 && this.collector.isDone && !this.collector.isWaiting;
      this.rest = mayRest ? { news, until: now + this.intervalMs * FULL_INTERVALS } : undefined;
      // Whoever has something to seal need not wait for the end of the lease.
      if (this.rest) await this.inTime(() => this.lease.release());
    } catch (error) {
      this.waitMs = Math.min(Math.max(this.waitMs, this.intervalMs) * 2, LAST_RETRY_MS);
      this.complain(error);
    }
  }

  /** What changes when there may be something to seal: the newest event, and the numbers that this process has given away. */
  private async news(): Promise<string> {
    const before = firstIdOf(Date.now() + CLOCK_MS);
    const newest = await this.inTime(() => this.sealing.newestEvent(before));
    return JSON.stringify([newest, this.host.localSources()]);
  }

  /**
   * What the database answers, within the time set: a sealer that waits for ever would stop sealing unseen.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE` where it does not answer; else what is thrown
   */
  private async inTime<T>(asked: () => Promise<T>): Promise<T> {
    const isThere = () => {
      const answer = endedBy(AbortSignal.timeout(ANSWER_PATIENCE_MS), () => this.ledger.head());
      return within(ANSWER_PATIENCE_MS, answer).catch(() => false);
    };
    try {
      return await this.statements.send(
        this.host.statementTimeoutMs,
        (signal) => endedBy(signal, asked),
        isThere,
      );
    } catch (error) {
      throw unavailable(error);
    }
  }

  private complain(error: unknown): void {
    this.host.failed?.(error);
    // While the database is away, the delivery says so.
    if (error instanceof AuditError && error.code === 'AUDIT_STORE_UNAVAILABLE' && !error.cause) return;
    this.warnings.warn('seal', `The audit log could not be sealed: ${describeStoreError(error)}.`);
  }

  /**
   * @param how `isRound`: seals what there is of all sources, where otherwise one turn of them is enough; `isWide`: looks further than at the
   *   sources that are known to live
   * @returns how many leaves were added
   */
  private async sealAll({ isRound = false, isWide = true, needsLease = true }): Promise<number> {
    let added = 0;
    let races = 0;
    if (isRound) this.collector.begin();
    while (!needsLease || (await this.inTime(() => this.lease.acquire()))) {
      const leaves = await this.step(isWide);
      if (leaves === 'outrun') {
        races += 1;
        if (races > MAX_RACES) break;
        // Those whose turn it was have one again.
        this.collector.begin();
        continue;
      }
      added += leaves;
      if (leaves < BATCH && (!isRound || this.collector.isDone)) break;
    }
    return added;
  }

  /**
   * Adds one batch, and answers how many leaves it has. `outrun`: somebody else has extended the log meanwhile, or an event of the batch is
   * not there any more.
   */
  private async step(isWide: boolean): Promise<number | 'outrun'> {
    const head = await this.inTime(() => this.ledger.head());
    const tip = await this.tipOf(head);
    const { leaves, gapEvents } = await this.inTime(() => this.collector.next(BATCH, tip.size, isWide));
    if (leaves.length === 0) return 0;
    const hashes = leaves.map(({ leafHash }) => Buffer.from(leafHash, 'base64'));
    const { tip: extended, tiles } = tip.extend(hashes);
    const signed = await this.sign(extended);
    const checkpoint = { ...signed, previousSize: tip.size };
    try {
      await this.inTime(() => this.sealing.seal({ gapEvents, leaves, tiles, checkpoint }));
    } catch (error) {
      this.tip = undefined;
      const { cause } = error as Error;
      if (cause instanceof NotAsExpectedError) return 'outrun';
      const now = await this.inTime(() => this.ledger.head());
      if ((now?.treeSize ?? 0) !== tip.size) return 'outrun';
      const isInTheWay = classifyStoreError(cause) !== 'away';
      const obstacle = isInTheWay ? await this.inTime(() => this.obstacle(tip.size)) : undefined;
      if (obstacle === undefined) throw error;
      throw broken(
        `Nothing is added to the audit log of ${tip.size} leaves: ${obstacle}, which no sealer wrote, is where the next batch belongs. nest-audit verify lists such rows; have the owner of the tables delete them`,
        error,
      );
    }
    this.goOnFrom(extended, signed);
    for (const event of gapEvents) this.host.stored(event);
    return leaves.length;
  }

  private goOnFrom(tip: LogTip, signed: SignedCheckpoint): void {
    this.tip = tip;
    this.origin = signed.origin;
    this.lastSeen = { origin: signed.origin, treeSize: tip.size, rootHash: tip.root() };
    this.host.seen?.(this.lastSeen);
    for (const publisher of this.publishers) publisher.publish(signed);
  }

  /** What somebody has put where the next batch belongs. */
  private async obstacle(size: number): Promise<string | undefined> {
    const [checkpoint] = await this.ledger.strayCheckpoints(1);
    if (checkpoint) return `a checkpoint of ${checkpoint.treeSize} leaves`;
    const [leaf] = (await this.ledger.strayLeaves(1)).leaves;
    if (leaf) return `leaf ${leaf.leafIndex} (event ${leaf.eventId})`;
    const [tile] = await this.ledger.strayTiles(size, 1);
    return tile && `tile ${tile.tileIndex} of level ${tile.level}`;
  }

  /** The edge of the log at its head, checked before it is extended for the first time. */
  private async tipOf(head: StoredCheckpoint | undefined): Promise<LogTip> {
    const size = head?.treeSize ?? 0;
    const { lastSeen: seen } = this;
    const isExchanged = size === seen?.treeSize && head?.rootHash !== seen.rootHash.toString('base64');
    if (seen && (size < seen.treeSize || isExchanged)) throw setBack(seen, size);
    if (this.tip?.size === size) return this.tip;
    if (!head) return (this.tip = await LogTip.load(this.ledger, 0));
    const tip = await this.inTime(() => this.load(head));
    // It is published again: whoever made it may have ended before.
    this.goOnFrom(tip, this.signed(head));
    return tip;
  }

  private async load(head: StoredCheckpoint): Promise<LogTip> {
    const { treeSize: size } = head;
    this.checkHead(head, await this.name());
    const tip = await LogTip.load(this.ledger, size);
    if (tip.root().toString('base64') !== head.rootHash) {
      throw broken(
        `The audit log of ${size} leaves does not have the root of its newest checkpoint, so nothing is added to it. nest-audit verify says what is wrong`,
      );
    }
    const { lastSeen: seen } = this;
    if (seen) {
      const then = await rootAt(seen.treeSize, new TileReader(this.ledger, size).node);
      if (!then.equals(seen.rootHash)) throw setBack(seen, size);
    }
    return tip;
  }

  /** @throws AuditError `AUDIT_LEDGER_BROKEN` where the log is not one that this process may vouch for */
  private checkHead(head: StoredCheckpoint, name: string): void {
    const { treeSize } = head;
    const { isSigned, origin } = readCheckpoint(head, this.keys.verifiers);
    if (!isSigned && this.keys.signer) {
      if (treeSize > this.options.unsignedUntil) {
        throw broken(
          `The newest checkpoint of the audit log, of ${treeSize} leaves, is not signed, so nothing is added to it: whoever has the database could have made it. If no key was set until now, verify the log, and write ledger: { unsignedUntil: ${treeSize} }`,
        );
      }
      this.warnings.warn(
        'unsigned',
        `The first ${treeSize} leaves of the audit log had no signed checkpoint. What is signed from now on vouches for them as they are now.`,
      );
    }
    if (!isOfLog(origin, name)) {
      throw broken(
        `The audit log of ${treeSize} leaves is that of ${origin}, and this process seals that of ${name}, so nothing is added to it. If it is the right one, write ledger: { origin: '${origin}' }`,
      );
    }
  }

  /** What the log is called; one that followed a lost one has it in its origin. */
  private async name(): Promise<string> {
    const given = this.options.origin ?? this.keys.signer?.name;
    return given ?? `nest-audit-trail/${await this.events.setting('ledger_id')}`;
  }

  private async sign(tip: LogTip): Promise<SignedCheckpoint> {
    const { signer } = this.keys;
    const origin = await this.inTime(async () => (this.origin ??= await this.name()));
    const [treeSize, rootHash] = [tip.size, tip.root()];
    const text = formatCheckpoint({ origin, treeSize, rootHash });
    const note = await signInTime(signer, () => signNote(text, signer ? [signer] : []));
    return { origin, treeSize, rootHash: rootHash.toString('base64'), note };
  }

  private signed(head: StoredCheckpoint): SignedCheckpoint {
    const { treeSize, rootHash, note } = head;
    return { origin: readCheckpoint(head, this.keys.verifiers).origin, treeSize, rootHash, note };
  }
}

function broken(message: string, cause?: unknown): AuditError {
  return new AuditError('AUDIT_LEDGER_BROKEN', message, { cause });
}

/** The log is not one that goes on from what this process has seen of it. */
function setBack({ treeSize }: Checkpoint, size: number): AuditError {
  return broken(
    size < treeSize
      ? `The audit log has ${size} leaves, and had ${treeSize} before: it was set back or cut off, so nothing is added to it. If it was restored on purpose, restart the process`
      : `The first ${treeSize} leaves of the audit log are not what this process has seen sealed: they were exchanged, so nothing is added to it. nest-audit verify says what is wrong`,
  );
}
