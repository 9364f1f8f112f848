import { group, integer, oneOf, text, yesNo } from '../event/option-schema.js';

/** What is promised of an event when its answer leaves; `docs/reference/guarantees.md` has the whole table. */
export type DeliveryMode = 'buffered' | 'durable' | 'strict';

/** How events travel into the database. */
export interface DeliveryOptions {
  /**
   * What is promised when an answer leaves (`docs/reference/guarantees.md#modes-of-delivery`). `durable`: its
   * event is in the journal. `strict`: it is committed in the database; otherwise requests get 503.
   * `buffered`: nothing; a killed process loses what it had not stored.
   * @defaultValue `'durable'`; `'buffered'` with a database in memory
   */
  readonly mode?: DeliveryMode;
  /**
   * The directory of the journal (`docs/operate/journal.md`), relative to the working directory. Each process
   * needs one of its own.
   * @defaultValue `'audit-journal'`
   */
  readonly directory?: string;
  /**
   * When the journal is forced to the disk, which matters only when the machine dies: from time to time, or
   * before each answer.
   * @defaultValue `'interval'`
   */
  readonly fsync?: 'interval' | 'always';
  /** Milliseconds between two of these, with `fsync: 'interval'`. @defaultValue 200 */
  readonly fsyncIntervalMs?: number;
  /** Megabytes that the journal may use. Beyond them `overflow` decides. @defaultValue 1024 */
  readonly maxJournalMegabytes?: number;
  /**
   * Kilobytes after which the journal begins a new file, at most a quarter of `maxJournalMegabytes`.
   * @defaultValue 8192
   */
  readonly segmentKilobytes?: number;
  /**
   * What happens to an event without room (`docs/reference/guarantees.md#no-room`). `'drop'`: it is dropped,
   * counted and reported. `'wait'`: its answer waits for a bounded time, then it is dropped. `'reject'`:
   * requests get 503 before their handler.
   * @defaultValue `'drop'`
   */
  readonly overflow?: 'drop' | 'wait' | 'reject';
  /** Milliseconds that an answer waits for room, with `overflow: 'wait'`. @defaultValue 1000 */
  readonly overflowTimeoutMs?: number;
  /**
   * Milliseconds that a strict request waits at most: before its handler for journal and database, and after
   * it for the commit.
   * @defaultValue 2000
   */
  readonly strictTimeoutMs?: number;
  /** Events in one batch. A full batch is stored at once. @defaultValue 500 */
  readonly batchSize?: number;
  /**
   * Store and seal in a separate thread (`docs/operate/scaling.md#the-thread`). The main thread does it on
   * SQLite, with `dataSource`, with the feature `protection`, and where an option that the thread needs has a
   * function. With a function in `ledger` the main thread seals.
   * @defaultValue `true`
   */
  readonly thread?: boolean;
  /** Milliseconds that an event waits at most for its batch to fill. @defaultValue 200 */
  readonly flushIntervalMs?: number;
  /**
   * Milliseconds that the database may take to answer a statement. If it answers nothing else either, the
   * connection is broken and the statement tried again on another. Nothing is stored twice.
   * @defaultValue 30000
   */
  readonly statementTimeoutMs?: number;
  /**
   * Events in memory, without a journal or while it can't be written. Beyond them `overflow` decides.
   * @defaultValue 20000
   */
  readonly maxBuffered?: number;
  /** Megabytes of these events, the second bound. @defaultValue 32 */
  readonly maxBufferedMegabytes?: number;
  /** Milliseconds that a shutdown waits until the last events are stored. @defaultValue 10000 */
  readonly shutdownTimeoutMs?: number;
  /**
   * Store what waits on SIGTERM and SIGINT if nothing else handles the signal; then the process ends by it.
   * With `app.enableShutdownHooks()` Nest does this.
   * @defaultValue `true`
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
  /** `buffered`, `durable` or `strict`. Alert when it is not the one that you chose. */
  readonly mode: DeliveryMode;
  /**
   * The database takes events, the journal can be written, and there is room. Alert when it is `false` for a minute.
   */
  readonly healthy: boolean;
  /** Events that the database does not have yet. Alert when it grows. */
  readonly pending: number;
  /**
   * What the files of the journal take, the last of them included; in `buffered` about the memory of what waits.
   * Alert at half of `maxJournalMegabytes`.
   */
  readonly pendingBytes: number;
  /** How long the oldest of them has waited in this process, at most; 0 without one. Alert above a minute. */
  readonly oldestPendingMs: number;
  /** Events that the database took. */
  readonly delivered: number;
  /** Attempts that failed and were made again. */
  readonly retried: number;
  /** Events that the database refused (`docs/read/querying.md#dead-letters`). Alert above zero. */
  readonly dead: number;
  /** Events that were lost because there was no room. Alert above zero. */
  readonly dropped: number;
  /**
   * Rows that this process has read and that can't be read as events or dead letters
   * (`docs/reference/format.md#what-cant-be-read`), each as often as it was read: somebody else has written or
   * changed them. Alert above zero.
   */
  readonly unreadable: number;
  /** What the database said last, while it does not take events, or why the journal can't be read. Alert when it stays. */
  readonly lastError?: string;
  /** Why the journal can't be written, while it can't. Always an alert. */
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
