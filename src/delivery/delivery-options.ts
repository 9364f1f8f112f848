import { group, integer, oneOf, text, yesNo } from '../event/option-schema.js';

/** What is promised of an event when its answer leaves; `docs/reference/guarantees.md` has the whole table. */
export type DeliveryMode = 'buffered' | 'durable' | 'strict';

/** How events travel into the database. */
export interface DeliveryOptions {
  /**
   * What is promised when an answer leaves, see `docs/reference/guarantees.md#modes-of-delivery`. `durable`: an answer leaves once its event is in the journal on disk, and the death of the process loses nothing.
   * `strict`: once it is committed in the database; without journal and database a request is refused by 503 before its
   * handler. `buffered`: at once; a killed process loses what it had not stored.
   * @defaultValue `'durable'`; `'buffered'` where the database is in memory itself
   */
  readonly mode?: DeliveryMode;
  /**
   * Where the journal is kept (`docs/operate/journal.md`), relative to the working directory. Each process needs a directory of its own.
   * @defaultValue `'audit-journal'`
   */
  readonly directory?: string;
  /**
   * When the journal is forced to the disk, which only the death of the machine tells apart: `'interval'`, or
   * `'always'` before an answer leaves. @defaultValue `'interval'`
   */
  readonly fsync?: 'interval' | 'always';
  /** Milliseconds between two, with `fsync: 'interval'`. @defaultValue 200 */
  readonly fsyncIntervalMs?: number;
  /** Megabytes that the journal may take, as while the database is away; beyond it, `overflow`. @defaultValue 1024 */
  readonly maxJournalMegabytes?: number;
  /** Kilobytes after which the journal goes on in a new file; at the latest after a quarter of its room. @defaultValue 8192 */
  readonly segmentKilobytes?: number;
  /**
   * When there is no room for an event (`docs/reference/guarantees.md#no-room`): `'drop'` it, counted and reported; `'wait'` with the answer, for a bounded time,
   * then drop; or `'reject'` requests by 503 before their handler. @defaultValue `'drop'`
   */
  readonly overflow?: 'drop' | 'wait' | 'reject';
  /** Milliseconds that an answer waits for room at most, with `overflow: 'wait'`. @defaultValue 1000 */
  readonly overflowTimeoutMs?: number;
  /**
   * Milliseconds that a strict request waits at most: before its handler for the journal and the database, and after it for its event to
   * be committed. @defaultValue 2000
   */
  readonly strictTimeoutMs?: number;
  /** Events stored in one batch; a full batch is stored at once. @defaultValue 500 */
  readonly batchSize?: number;
  /**
   * Store and seal in a thread of their own (`docs/operate/scaling.md#the-thread`), with connections of its own, so that requests don't pay for it. It is done
   * always in the main thread on SQLite, with `dataSource`, with the feature `protection`, and where an option that it needs holds a function; and sealed
   * there with a `ledger` that does. @defaultValue `true`
   */
  readonly thread?: boolean;
  /** Milliseconds that an event waits at most for its batch to fill. @defaultValue 200 */
  readonly flushIntervalMs?: number;
  /**
   * Milliseconds that the database may take to answer a statement. If it answers no other either, the connection is
   * broken then, and the statement tried again on another. Should the first have succeeded after all, nothing is stored
   * twice. @defaultValue 30000
   */
  readonly statementTimeoutMs?: number;
  /** Events kept in memory at most, where there is no journal or it can't be written; beyond it, `overflow`. @defaultValue 20000 */
  readonly maxBuffered?: number;
  /** Megabytes of them, about: the second bound beside `maxBuffered`, for large ones. @defaultValue 32 */
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
  mode: 'durable',
  directory: 'audit-journal',
  fsync: 'interval',
  fsyncIntervalMs: 200,
  maxJournalMegabytes: 1024,
  segmentKilobytes: 8192,
  overflow: 'drop',
  overflowTimeoutMs: 1_000,
  strictTimeoutMs: 2_000,
  batchSize: 500,
  thread: true,
  flushIntervalMs: 200,
  statementTimeoutMs: 30_000,
  maxBuffered: 20_000,
  maxBufferedMegabytes: 32,
  shutdownTimeoutMs: 10_000,
  drainOnSignals: true,
} as const satisfies Required<DeliveryOptions>;

/** How delivery fares, for logs, health checks, metrics and tests. Counts are of this process, since it started. */
export interface DeliveryStatus {
  readonly mode: DeliveryMode;
  /** The database takes events, the journal can be written, and there is room. */
  readonly healthy: boolean;
  /** Events that the database does not have yet. */
  readonly pending: number;
  /** What the journal takes on disk, or without one the pending events take in memory, about. */
  readonly pendingBytes: number;
  /** How long the oldest pending event has waited, since its answer left; 0 where there is none. */
  readonly oldestPendingMs: number;
  readonly delivered: number;
  /** Attempts that failed and were made again. */
  readonly retried: number;
  /** Refused by the database for themselves; see `AuditService.deadLetters()`. */
  readonly dead: number;
  /** Lost for want of room. */
  readonly dropped: number;
  /** Rows that were read and can't be read as events or dead letters: somebody else has written or changed them. */
  readonly unreadable: number;
  /** What the database said last, while it does not take events. */
  readonly lastError?: string;
  /** Why the journal can't be written, while it can't. */
  readonly journalError?: string;
}

export const deliverySchema = group({
  mode: oneOf(['buffered', 'durable', 'strict'] satisfies DeliveryMode[]),
  directory: text(),
  fsync: oneOf(['interval', 'always']),
  fsyncIntervalMs: integer(1, 60_000),
  maxJournalMegabytes: integer(1, 1_048_576),
  segmentKilobytes: integer(16, 1_048_576),
  overflow: oneOf(['drop', 'wait', 'reject']),
  overflowTimeoutMs: integer(1, 600_000),
  strictTimeoutMs: integer(1, 600_000),
  batchSize: integer(1, 5_000),
  thread: yesNo,
  flushIntervalMs: integer(1, 60_000),
  statementTimeoutMs: integer(100, 600_000),
  maxBuffered: integer(1, 1_000_000),
  maxBufferedMegabytes: integer(1, 4_096),
  shutdownTimeoutMs: integer(0, 600_000),
  drainOnSignals: yesNo,
} satisfies Record<keyof DeliveryOptions, unknown>);
