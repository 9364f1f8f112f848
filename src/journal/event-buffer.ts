import { AsyncResource } from 'node:async_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { AuditError } from '../event/audit-error.js';
import { RateLimitedLog } from '../event/audit-logger.js';
import type { AuditLogger } from '../event/audit-logger.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import type { AuditEventRepository } from '../store/audit-event.repository.js';
import { sizeOf } from '../store/event-size.js';
import { classifyStoreError, describeStoreError } from '../store/store-error.js';
import { within } from '../store/within.js';

/** How events travel from memory into the database. */
export interface DeliveryOptions {
  /**
   * `buffered` keeps events in memory until they are stored: the response never waits, and a killed process loses
   * what it had not stored. The only mode of this release. @defaultValue `buffered`
   */
  readonly mode?: 'buffered';
  /** Events stored in one batch. @defaultValue 500 */
  readonly batchSize?: number;
  /** Milliseconds that an event waits at most for its batch to fill. @defaultValue 200 */
  readonly flushIntervalMs?: number;
  /** Events kept in memory while the database is away; beyond it new ones are dropped, counted and reported. @defaultValue 20000 */
  readonly maxBuffered?: number;
  /**
   * Megabytes of events kept in memory, about: the second bound beside `maxBuffered`, for large ones.
   * @defaultValue 32
   */
  readonly maxBufferedMegabytes?: number;
  /** Milliseconds that a shutdown waits for the last events to be stored. @defaultValue 10000 */
  readonly shutdownTimeoutMs?: number;
  /**
   * Drain on SIGTERM and SIGINT where nobody else handles the signal; the process then ends by that signal, as it
   * would have. With `app.enableShutdownHooks()` Nest does it and this has nothing to do. @defaultValue `true`
   */
  readonly drainOnSignals?: boolean;
}

export const DELIVERY_DEFAULTS = {
  mode: 'buffered',
  batchSize: 500,
  flushIntervalMs: 200,
  maxBuffered: 20_000,
  maxBufferedMegabytes: 32,
  shutdownTimeoutMs: 10_000,
  drainOnSignals: true,
} as const satisfies Required<DeliveryOptions>;

/** What became of the events so far, for logs, health checks and tests. */
export interface DeliveryStatus {
  readonly mode: 'buffered';
  /** In memory, not yet stored. */
  readonly buffered: number;
  readonly delivered: number;
  /** Lost because the buffer was full. */
  readonly dropped: number;
  /** Lost because the database refused the event itself. */
  readonly refused: number;
  /** Attempts that failed and were made again. */
  readonly retries: number;
  /** What the database said last, while it does not take events. */
  readonly lastError?: string;
}

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 10_000;
/** After this long a statement counts as lost. Should it arrive after all, ids make its repetition harmless. */
const STATEMENT_TIMEOUT_MS = 30_000;

/**
 * The one bounded buffer between the pipeline and the database. One loop empties it in order, batch by batch; while
 * the database is away it waits with backoff and the events stay. An event that the database refuses for itself is
 * isolated by halving its batch, so that it blocks no other.
 *
 * On loss of the process everything here is lost: the durable journal is to take this class's place.
 */
export class EventBuffer {
  private queue: AuditLogEvent[] = [];
  /** Of the queue, as `sizeOf` counts. */
  private queuedSize = 0;
  private running: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private readonly flushers = new Set<{
    upTo: number;
    resolve: () => void;
    reject: (error: Error) => void;
  }>();
  private accepted = 0;
  private settled = 0;
  private delivered = 0;
  private dropped = 0;
  private droppedReported = 0;
  private refused = 0;
  private retries = 0;
  private lastError: string | undefined;
  private closed = false;
  private wake = new AbortController();
  /** Delivery runs in no request's context, whichever request set it off. */
  private readonly context = new AsyncResource('AuditDelivery');
  private readonly warnings: RateLimitedLog;
  private readonly options: Required<DeliveryOptions>;

  constructor(
    private readonly repository: AuditEventRepository,
    private readonly logger: AuditLogger,
    options: DeliveryOptions = {},
    /** Makes the event that reports how many others were dropped. */
    private readonly dropReport: (dropped: number) => AuditLogEvent,
  ) {
    this.options = { ...DELIVERY_DEFAULTS, ...options };
    this.warnings = new RateLimitedLog(logger);
  }

  /** Whether there is room for one more event. Ask before a sequence number is given away. */
  hasRoom(): boolean {
    const { maxBuffered, maxBufferedMegabytes } = this.options;
    return (
      !this.closed && this.queue.length < maxBuffered && this.queuedSize < maxBufferedMegabytes * 1024 * 1024
    );
  }

  /** Takes the event; never waits, never throws. The caller has asked {@link hasRoom}. */
  push(event: AuditLogEvent): void {
    this.accepted += 1;
    this.queue.push(event);
    this.queuedSize += sizeOf(event);
    if (this.queue.length >= this.options.batchSize) this.start();
    else this.timer ??= setTimeout(() => this.start(), this.options.flushIntervalMs);
  }

  /** Counts an event that found no room; an event of its own reports the number once there is room again. */
  countDropped(): void {
    this.dropped += 1;
    this.warnings.warn(
      'dropped',
      this.closed
        ? 'An audit event was dropped: it was recorded after the application closed the audit.'
        : `An audit event was dropped: ${this.queue.length} are waiting and the database does not take them (${this.lastError ?? 'it is slower than they come'}). Raise delivery.maxBuffered or mend the database.`,
    );
  }

  /**
   * Resolves once every event taken so far is stored.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE` when an attempt fails; the events stay, and are tried again
   */
  flush(): Promise<void> {
    if (this.settled >= this.accepted) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.flushers.add({ upTo: this.accepted, resolve, reject });
      this.wake.abort();
      this.start();
    });
  }

  /** Stores what is there, within `patienceMs`; what it could not store stays. Never throws. */
  async drain(patienceMs = this.options.shutdownTimeoutMs): Promise<void> {
    if (this.closed) return;
    const deadline = Date.now() + patienceMs;
    while (this.settled < this.accepted && Date.now() < deadline) {
      const leftMs = () => Math.max(0, deadline - Date.now());
      await within(
        leftMs(),
        this.flush().catch(() => delay(Math.min(250, leftMs()))),
      );
    }
  }

  /** Drains, and takes no more; says how many events it could not store. Idempotent. */
  async close(patienceMs = this.options.shutdownTimeoutMs): Promise<void> {
    if (this.closed) return;
    await this.drain(patienceMs);
    this.closed = true;
    this.wake.abort();
    clearTimeout(this.timer);
    const lost = this.queue.length;
    if (lost > 0) {
      this.logger.error(
        `The audit was closed with ${lost} event(s) not stored after ${patienceMs} ms: ${this.lastError ?? 'the database did not answer'}. They are lost.`,
      );
      this.dropped += lost;
      this.queue = [];
      this.queuedSize = 0;
      this.settled = this.accepted;
      this.rejectFlushers();
    }
  }

  status(): DeliveryStatus {
    return {
      mode: 'buffered',
      buffered: this.queue.length,
      delivered: this.delivered,
      dropped: this.dropped,
      refused: this.refused,
      retries: this.retries,
      ...(this.lastError !== undefined && { lastError: this.lastError }),
    };
  }

  private start(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.running ??= this.context
      .runInAsyncScope(() => this.run())
      .finally(() => {
        this.running = undefined;
        if (this.queue.length > 0 && !this.closed) this.timer ??= setTimeout(() => this.start(), 0);
      });
  }

  /** Empties the buffer. Ends only when it is empty or closed. */
  private async run(): Promise<void> {
    let waitMs = FIRST_RETRY_MS;
    while (this.queue.length > 0 && !this.closed) {
      const batch = this.queue.slice(0, this.options.batchSize);
      try {
        await this.store(batch);
        waitMs = FIRST_RETRY_MS;
        this.recovered();
      } catch (error) {
        this.retries += 1;
        this.lastError = describeStoreError(error);
        this.rejectFlushers(error);
        this.warnings.warn(
          'away',
          `The audit database does not take events: ${this.lastError}. ${this.queue.length} are kept and tried again.`,
        );
        await this.pause(waitMs);
        waitMs = Math.min(waitMs * 2, LAST_RETRY_MS);
      }
    }
  }

  /** Stores the batch; throws while the database is away. Whatever it settles has left the queue when it returns. */
  private async store(batch: readonly AuditLogEvent[]): Promise<void> {
    try {
      if (!(await within(STATEMENT_TIMEOUT_MS, this.repository.append(batch)))) {
        throw new Error(`no answer within ${STATEMENT_TIMEOUT_MS / 1_000} s`);
      }
      this.settle(batch.length, 'delivered');
    } catch (error) {
      if (classifyStoreError(error) !== 'refused') throw error;
      if (batch.length === 1) {
        this.logger.error(
          `The database refuses the audit event ${batch[0]?.id} itself: ${describeStoreError(error)}. It is not stored.`,
        );
        this.settle(1, 'refused');
        return;
      }
      const half = Math.ceil(batch.length / 2);
      await this.store(batch.slice(0, half));
      await this.store(batch.slice(half));
    }
  }

  private settle(count: number, as: 'delivered' | 'refused'): void {
    // What closing gave up is counted as lost, even if it arrives after all.
    if (this.closed) return;
    // The queue's front is always what is being stored: nothing else removes from it but close().
    for (const event of this.queue.splice(0, count)) this.queuedSize -= sizeOf(event);
    this[as] += count;
    this.settled += count;
    for (const flusher of this.flushers) {
      if (flusher.upTo > this.settled) continue;
      this.flushers.delete(flusher);
      flusher.resolve();
    }
  }

  private recovered(): void {
    if (this.lastError !== undefined) {
      this.lastError = undefined;
      this.logger.log('The audit database takes events again.');
    }
    const unreported = this.dropped - this.droppedReported;
    if (unreported > 0 && this.hasRoom()) {
      this.droppedReported = this.dropped;
      this.push(this.dropReport(unreported));
    }
  }

  private rejectFlushers(cause?: unknown): void {
    for (const flusher of this.flushers) {
      flusher.reject(
        new AuditError(
          'AUDIT_STORE_UNAVAILABLE',
          this.closed
            ? 'The audit was closed before its last events were stored.'
            : `${this.queue.length} audit event(s) are not stored yet: ${this.lastError}. They are kept and tried again.`,
          { cause },
        ),
      );
    }
    this.flushers.clear();
  }

  private async pause(waitMs: number): Promise<void> {
    if (this.closed) return;
    this.wake = new AbortController();
    const jittered = waitMs * (0.5 + Math.random() / 2);
    await delay(jittered, undefined, { signal: this.wake.signal }).catch(() => undefined);
  }
}
