import { AsyncResource } from 'node:async_hooks';
import { resolve as absolute } from 'node:path';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { AuditError } from '../event/audit-error.js';
import { RateLimitedLog } from '../event/audit-logger.js';
import type { AuditLogger } from '../event/audit-logger.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import type { DeadLetterRepository } from '../store/dead-letter.repository.js';
import type { NoteAuthority } from '../store/source-note.js';
import type { SourceRepository } from '../store/source.repository.js';
import { classifyStoreError, codeOfStoreError, describeStoreError } from '../store/store-error.js';
import { noAnswer, WaitingStatements } from '../store/waiting-statements.js';
import { within } from '../store/within.js';
import { EventJournal } from '../journal/event-journal.js';
import { EventQueue } from './event-queue.js';
import type { EventSink } from './event-sink.js';
import type { Entry, Intent } from './entry.js';
import { Flushes } from './flushes.js';
import { passPoint } from '../journal/life.js';
import type { JournalLoss } from '../journal/damage.js';
import type { DroppedEvents } from '../journal/recovery.js';
import { SourceNotes } from './source-notes.js';
import { TakenEvents } from '../sealer/taken-events.js';

/** What is promised of an event when its answer leaves; `docs/guarantees.md` has the whole table. */
export type DeliveryMode = 'buffered' | 'durable' | 'strict';

/** How events travel into the database. */
export interface DeliveryOptions {
  /**
   * `durable`: an answer leaves once its event is in the journal on disk, and the death of the process loses nothing.
   * `strict`: once it is committed in the database; without journal and database a request is refused by 503 before its
   * handler. `buffered`: at once; a killed process loses what it had not stored.
   * @defaultValue `'durable'`; `'buffered'` where the database is in memory itself
   */
  readonly mode?: DeliveryMode;
  /** Where the journal is kept. Each process needs a directory of its own. @defaultValue `'audit-journal'` */
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
  /** Kilobytes after which the journal goes on in a new file. @defaultValue 8192 */
  readonly segmentKilobytes?: number;
  /**
   * When there is no room for an event: `'drop'` it, counted and reported; `'wait'` with the answer, for a bounded time,
   * then drop; or `'reject'` requests by 503 before their handler. @defaultValue `'drop'`
   */
  readonly overflow?: 'drop' | 'wait' | 'reject';
  /** Milliseconds that an answer waits for room at most, with `overflow: 'wait'`. @defaultValue 1000 */
  readonly overflowTimeoutMs?: number;
  /** Milliseconds that a strict answer waits at most for its event to be committed. @defaultValue 2000 */
  readonly strictTimeoutMs?: number;
  /** Events stored in one batch. @defaultValue 500 */
  readonly batchSize?: number;
  /**
   * Store and seal in a thread of their own, with connections of its own, so that requests don't pay for it. It is done
   * in the main thread all the same on SQLite, with `dataSource`, and where an option that it needs holds a function; and sealed
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
  /** Events kept in memory where there is no journal, or it can't be written. @defaultValue 20000 */
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

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;
/** So often in a row the same unclear failure is the database's, before it may be an event's. */
const UNCLEAR_TIMES = 3;
/** How long an answer waits for a disk that says nothing. */
const SYNC_PATIENCE_MS = 5_000;
/** How long an answer of the database proves that it is there. */
const PROOF_MS = 1_000;
const CHECK_MS = 1_000;
/** How often the journal is told of events that it has no room for. */
const DROPPED_NOTE_MS = 1_000;
/** Of the room for events: what is left is for those of requests that were admitted already. */
const ADMISSION_SHARE = 0.95;
/** How long the last word to the database may take: it is only for whoever reads `sources()`. */
const NOTE_TIMEOUT_MS = 1_000;

const NOT_WRITTEN = 'the audit journal can not be written';

/** Events that the delivery makes itself, of what became of others. */
export interface DeliveryReports {
  dropped(dropped: DroppedEvents): AuditLogEvent;
  lost(loss: JournalLoss): AuditLogEvent;
  /** @param begun what was known of the request, as it was given to `Delivery.begin()` */
  interrupted(begun: unknown): AuditLogEvent;
}

/** An event that was entered: hand it back to {@link Delivery.release} when its answer has left. */
export type Ticket = Entry;

/**
 * Carries events from the application into the database: at least once, which the store's idempotence makes exactly
 * once. One loop empties the queue, waits while the database is away, and sets aside what the database refuses. It
 * never throws into the application, and waits only where the caller asks it to.
 */
export class Delivery {
  readonly mode: DeliveryMode;
  private readonly options: Required<DeliveryOptions>;
  private readonly queue: EventQueue;
  private readonly flushes = new Flushes();
  private readonly warnings: RateLimitedLog;
  private readonly statements = new WaitingStatements();
  private readonly pings = new WaitingStatements();
  private journal: EventJournal | undefined;
  private timers: NodeJS.Timeout[] = [];
  private running: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private wake = new AbortController();
  private closed = false;
  private delivered = 0;
  private retried = 0;
  private dead = 0;
  private dropped = 0;
  /** One for each source whose events were dropped. */
  private unreported: DroppedEvents[] = [];
  private droppedNotedAt = -Infinity;
  private lastError: string | undefined;
  private unclear: { readonly code: string; readonly times: number } | undefined;
  /** Of the batch that is stored now: those that may be at fault themselves. */
  private readonly suspects: { readonly entry: Entry; readonly error: unknown }[] = [];
  private lastContact = -Infinity;
  private probe: Promise<void> | undefined;
  private readonly notes: SourceNotes;
  /** Which events of this process have its numbers, as far as they are settled. */
  readonly taken = new TakenEvents();
  private readonly waitingForRoom = new Set<() => void>();
  /** Delivery runs in no request's context, whichever request set it off. */
  private readonly context = new AsyncResource('AuditDelivery');

  constructor(
    private readonly events: EventSink,
    private readonly deadLetters: Pick<DeadLetterRepository, 'keep'>,
    sources: SourceRepository,
    private readonly logger: AuditLogger,
    options: DeliveryOptions,
    private readonly reports: DeliveryReports,
    authority?: NoteAuthority,
  ) {
    // An option may be there without a value, as from a variable of the environment that is not set.
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    this.options = { ...DELIVERY_DEFAULTS, ...Object.fromEntries(given) };
    this.mode = this.options.mode;
    this.warnings = new RateLimitedLog(logger);
    this.notes = new SourceNotes(sources, authority, (statement) => this.bounded(statement), this.warnings);
    this.queue = new EventQueue(this.hasJournal, (loss) => queueMicrotask(() => this.reportLoss(loss)));
  }

  /** Whether events and requests that have begun are kept on disk. */
  get hasJournal(): boolean {
    return this.mode !== 'buffered';
  }

  get strictTimeoutMs(): number {
    return this.options.strictTimeoutMs;
  }

  /**
   * Opens the journal, and takes over what an earlier process left in it.
   *
   * @throws AuditError `AUDIT_INVALID_OPTIONS` where the directory belongs to another process or can't be written
   */
  async open(): Promise<void> {
    if (!this.hasJournal || this.journal) return;
    const { directory, segmentKilobytes, maxJournalMegabytes } = this.options;
    // Not larger than a part of it all: the segment that is written to is never deleted.
    const segmentBytes = Math.min(segmentKilobytes * 1024, (maxJournalMegabytes * 1024 * 1024) / 4);
    const journal = await EventJournal.open(absolute(directory), segmentBytes);
    this.journal = journal;
    const others = journal.whoElseMayWrite;
    if (others !== undefined) {
      this.logger.warn(
        `The audit journal ${journal.directory} can be written to by ${others}: who writes there can change and invent events. Give the directory to the user of this process alone (chown, chmod 700); in a volume that you can't change, write delivery: { directory } with a directory in it that does not exist yet.`,
      );
    }
    this.taken.resume(journal.source, journal.sequence);
    for (const { path, size, oversize } of journal.segments) {
      if (oversize === undefined) continue;
      this.logger.error(
        `The file ${path} of the audit journal has ${oversize} bytes, more than the journal writes to one. Its first ${size} bytes are read, and the rest is passed over as damage: see who may write there.`,
      );
    }
    this.queue.attach(journal);
    this.takeOver(journal);
    this.every(CHECK_MS, () => {
      const happened = journal.check();
      if (happened) this.warnings.warn('place', happened);
      this.queue.writeMissing();
    });
    if (this.options.fsync === 'interval') {
      this.every(this.options.fsyncIntervalMs, () => void this.sync());
    }
  }

  /** Whether there is room for one more event; `share` of it all, where some is to be left. */
  hasRoom(share = 1): boolean {
    if (this.closed) return false;
    const { journal, options } = this;
    const megabyte = share * 1024 * 1024;
    if (journal && !journal.failure) return journal.bytes < options.maxJournalMegabytes * megabyte;
    const { events, size } = this.queue.memory;
    return events < options.maxBuffered * share && size < options.maxBufferedMegabytes * megabyte;
  }

  /** Resolves once there is room, or the time for it is over; `undefined` where there is some or nobody waits for it. */
  room(): Promise<void> | undefined {
    if (this.options.overflow !== 'wait' || this.closed || this.hasRoom()) return undefined;
    let noteRoom!: () => void;
    const room = new Promise<void>((resolve) => (noteRoom = resolve));
    this.waitingForRoom.add(noteRoom);
    return within(this.options.overflowTimeoutMs, room).then(() => void this.waitingForRoom.delete(noteRoom));
  }

  /**
   * Before a strict request's handler runs, and where requests are refused for want of room: whether it may.
   *
   * @throws AuditError `AUDIT_UNAVAILABLE`
   */
  admit(strict: boolean): void | Promise<void> {
    if ((strict || this.rejects) && !this.hasRoom(ADMISSION_SHARE)) {
      throw unavailable('there is no room for its event');
    }
    if (strict) return this.confirm();
  }

  /** Whether requests are refused for want of room. */
  get rejects(): boolean {
    return this.options.overflow === 'reject';
  }

  /**
   * Resolves once the intent of a strict request is on the disk.
   *
   * @param intent `undefined` where the journal could not take it
   * @throws AuditError `AUDIT_UNAVAILABLE` by the promise
   */
  async secure(intent: Intent | undefined): Promise<void> {
    const { journal } = this;
    if (!journal || journal.failure) throw unavailable(NOT_WRITTEN, journal?.failure);
    if (!intent) throw unavailable('the audit journal has not taken the note that it begins');
    try {
      if (!(await within(this.strictTimeoutMs, journal.sync()))) throw new Error('the disk does not answer');
    } catch (cause) {
      throw unavailable(NOT_WRITTEN, cause);
    }
  }

  /** Notes that a request has begun, so that a crash does not leave it unrecorded; again, when more is known of it. */
  begin(begun: object, before?: Intent): Intent | undefined {
    if (!this.journal || this.closed || !this.hasRoom()) return before;
    try {
      return this.queue.begin(JSON.stringify(begun), before);
    } catch (error) {
      this.noteJournalFailure(error);
      return before;
    }
  }

  cancel(intent: Intent): void {
    this.queue.cancel(intent);
  }

  /**
   * Takes an event, numbers it, and writes it to the journal. Never waits and never throws.
   *
   * @param refused its request was not admitted: the last of the room is not for it
   * @returns `undefined` when it was dropped for want of room
   */
  enter(event: AuditLogEvent, intent?: Intent, refused = false): Ticket | undefined {
    if (!this.hasRoom(refused ? ADMISSION_SHARE : 1)) {
      if (intent) this.cancel(intent);
      this.drop();
      return undefined;
    }
    const entry = this.queue.enter(event, intent);
    if (this.journal?.failure) this.noteJournalFailure(this.journal.failure);
    return entry;
  }

  /** Hands the event over for delivery. @param amended how it turned out, where that differs */
  release(ticket: Ticket, amended?: AuditLogEvent): void {
    this.queue.release(ticket, amended);
    if (this.events.takesTexts) ticket.compact();
    this.schedule();
  }

  /** Hands the event over at once. @returns whether the database has it within `strictTimeoutMs` */
  commit(ticket: Ticket): Promise<boolean> {
    const stored = new Promise<void>((resolve) => (ticket.onStored = resolve));
    ticket.urgent = true;
    ticket.committed = true;
    this.release(ticket);
    return within(this.strictTimeoutMs, stored);
  }

  /** Whether the answer has to wait for the disk. */
  get syncsAlways(): boolean {
    return this.journal !== undefined && this.options.fsync === 'always';
  }

  /** Resolves once all that was entered is on the disk, or the disk refuses, or says nothing for too long. */
  async sync(): Promise<void> {
    const { journal } = this;
    if (!journal) return;
    try {
      if (await within(SYNC_PATIENCE_MS, journal.sync())) return;
      throw new Error(`the disk has not answered for ${SYNC_PATIENCE_MS / 1_000} s`);
    } catch (error) {
      this.noteJournalFailure(error);
    }
  }

  /**
   * Resolves once every event released so far is stored.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE` when an attempt fails; the events stay, and are tried again
   */
  flush(): Promise<void> {
    if (this.queue.pending === 0) return Promise.resolve();
    const flushed = this.flushes.add(
      this.queue.isSpilled ? undefined : this.queue.pending,
      this.queue.lastOrder,
    );
    this.wake.abort();
    this.start();
    return flushed;
  }

  /** Stores what is there, within `patienceMs`; what it could not store stays. Never throws. */
  async drain(patienceMs = this.options.shutdownTimeoutMs): Promise<void> {
    if (this.closed) return;
    const deadline = performance.now() + patienceMs;
    while (this.queue.pending > 0 && performance.now() < deadline) {
      const leftMs = () => Math.max(0, deadline - performance.now());
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
    for (const timer of this.timers) clearInterval(timer);
    this.releaseWaiting();
    const left = this.queue.pending;
    this.noteEnd(left === 0);
    if (this.lastError === undefined) await this.notes.flushLast(NOTE_TIMEOUT_MS);
    const isSettled = this.queue.isSettled && this.notes.isEmpty;
    const lost = this.queue.discard();
    this.dropped += lost;
    const why = `after ${patienceMs} ms: ${this.lastError ?? 'the database did not answer'}`;
    if (lost > 0) {
      this.logger.error(`The audit was closed with ${lost} event(s) not stored ${why}. They are lost.`);
    }
    if (left > lost) {
      this.logger.warn(
        `The audit was closed with ${left - lost} event(s) not stored ${why}. They are in the journal ${this.journal?.directory} and are delivered at the next start.`,
      );
    }
    await this.journal?.close(isSettled);
    if (left > 0) this.flushes.fail(this.notStored());
  }

  /** Lets go of the journal where the application did not start. */
  abandon(): void {
    this.closed = true;
    for (const timer of this.timers) clearInterval(timer);
    this.journal?.abandon();
  }

  /** Who numbers events, with the last number that each gave away. */
  get ownSources(): readonly { readonly source: string; readonly sequence: number }[] {
    return this.queue.sources;
  }

  /** Says that the source has come to this number: others record what is missing before it. */
  noteReached(source: string, sequence: number): void {
    if (this.closed) return;
    this.notes.add(source, 'reached', sequence);
    this.sendNotes();
  }

  /** Where the journal is; `undefined` where there is none. */
  get directory(): string | undefined {
    return this.journal?.directory;
  }

  /** The number that an intent or an event got last. */
  get newestNumber(): number {
    return this.queue.newestNumber;
  }

  /** Whether nothing is left that got its number before or with this one. */
  isSettledThrough(number: number): boolean {
    return this.queue.isSettledThrough(number);
  }

  status(): Omit<DeliveryStatus, 'unreadable'> {
    const oldest = this.queue.oldestSince;
    const journalError = this.journal?.failure?.message;
    const lastError = this.lastError ?? this.events.whyNotReady;
    return {
      mode: this.mode,
      healthy: !this.closed && lastError === undefined && journalError === undefined && this.hasRoom(),
      pending: this.queue.pending,
      pendingBytes: this.journal?.bytes ?? this.queue.memory.size,
      oldestPendingMs: oldest === undefined ? 0 : Math.max(0, Date.now() - oldest),
      delivered: this.delivered,
      retried: this.retried,
      dead: this.dead,
      dropped: this.dropped,
      ...(lastError !== undefined && { lastError }),
      ...(journalError !== undefined && { journalError }),
    };
  }

  private takeOver(journal: EventJournal): void {
    const { recovered, resumed } = journal;
    const ended = resumed ? recovered.sources.slice(0, -1) : recovered.sources;
    for (const { source, sequence, closed } of ended) {
      this.notes.add(source, closed ? 'closed' : 'abandoned', sequence);
    }
    const { source, sequence } = journal;
    this.notes.addBegin(source, resumed ? 'resumed' : 'started', sequence);
    for (const [number, begun] of recovered.intents) {
      this.queue.adopt(number, this.reports.interrupted(begun));
    }
    for (const loss of recovered.losses) this.reportLoss(loss);
    if (recovered.dropped) this.unreported.push({ ...recovered.dropped });
    if (recovered.pending > 0 || recovered.intents.size > 0) {
      this.logger.log(
        `The audit journal ${journal.directory} was left with ${recovered.pending} event(s) not stored and ${recovered.intents.size} interrupted request(s); they are delivered now.`,
      );
    }
    // Not before: until here the old segments alone have what is taken over.
    journal.sweep();
  }

  private reportLoss(loss: JournalLoss): void {
    const which = loss.firstSequence
      ? `the sequences ${loss.firstSequence} to ${loss.lastSequence} of the source ${loss.source}`
      : 'no event';
    this.warnings.error(
      'loss',
      `The audit journal ${loss.file} is damaged in ${loss.lines} line(s), which held ${which}. All else in it is kept.`,
    );
    this.release(this.queue.enter(this.reports.lost(loss)));
    this.queue.noteReported(loss);
  }

  private every(intervalMs: number, work: () => void): void {
    this.timers.push(setInterval(() => this.context.runInAsyncScope(work), intervalMs).unref());
  }

  /** Makes sure that the journal works and the database is there. @throws AuditError `AUDIT_UNAVAILABLE` */
  private async confirm(): Promise<void> {
    const { journal, strictTimeoutMs } = this;
    if (!journal || journal.failure) throw unavailable(NOT_WRITTEN, journal?.failure);
    if (this.lastError !== undefined && this.running) throw unavailable('the audit database is away');
    if (this.lastError === undefined && performance.now() - this.lastContact < PROOF_MS) return;
    this.probe ??= this.ask(strictTimeoutMs).finally(() => (this.probe = undefined));
    try {
      await this.probe;
    } catch (cause) {
      throw unavailable('the audit database is away', cause);
    }
  }

  private async ask(patienceMs: number): Promise<void> {
    try {
      await this.pings.send(patienceMs, (signal) => this.events.ping(signal));
    } catch (error) {
      this.lastError ??= describeStoreError(error);
      throw error;
    }
    this.noteContact();
  }

  private schedule(): void {
    if (!this.queue.hasWork || this.running) return;
    if (this.queue.hasUrgent || this.queue.pending >= this.options.batchSize) this.start();
    else this.timer ??= setTimeout(() => this.start(), this.options.flushIntervalMs);
  }

  private start(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.running ??= this.context
      .runInAsyncScope(() => this.run())
      .finally(() => {
        this.running = undefined;
        if (!this.closed) this.schedule();
      });
  }

  /** Empties the queue. Ends only when it is empty or closed. */
  private async run(): Promise<void> {
    let waitMs = FIRST_RETRY_MS;
    // Whatever is recorded in the same turn goes along.
    await Promise.resolve();
    while (this.queue.hasWork && !this.closed) {
      let left: Entry[] = [];
      try {
        left = this.queue.take(this.options.batchSize);
        if (left.length === 0) {
          // What was still to be read is not there any more, or not found yet.
          this.noteSettled();
          await turn();
          continue;
        }
        const before = this.delivered;
        await this.store(left);
        await this.judgeSuspects(this.delivered > before);
        waitMs = FIRST_RETRY_MS;
        this.unclear = undefined;
        this.noteContact();
        this.recovered();
      } catch (error) {
        if (this.closed) return;
        this.queue.giveBack([...this.suspects.splice(0).map(({ entry }) => entry), ...left]);
        this.noteUnclear(error);
        this.noteAway(error);
        await this.pause(waitMs);
        waitMs = Math.min(waitMs * 2, LAST_RETRY_MS);
      }
    }
  }

  /** Stores the batch; throws while the database is away. Whatever it settles has left `batch` by then. */
  private async store(batch: Entry[], count = batch.length): Promise<void> {
    const part = batch.slice(0, count);
    if (part.length === 0) return;
    try {
      await this.bounded((signal) => this.events.store(part, signal));
      passPoint('after-commit');
      for (const { numbered, id } of part)
        if (numbered) this.taken.take(numbered.source, numbered.sequence, id);
      this.settle(batch, part);
      this.delivered += part.length;
    } catch (error) {
      const failure = classifyStoreError(error);
      // That events are there already is no failure of the store's; what is left of it is that two are one.
      const isRefused = failure === 'refused' || failure === 'duplicate';
      if (!isRefused && !this.isSuspicious(error)) throw error;
      if (count === 1) {
        if (isRefused) return this.setAside(batch, error);
        this.suspects.push({ entry: batch.shift()!, error });
        return;
      }
      const half = Math.ceil(count / 2);
      await this.store(batch, half);
      await this.store(batch, count - half);
    }
  }

  /**
   * Of a failure that may be the database's or an event's: the same one again and again is looked into, event by event.
   * Where others are stored meanwhile, the event is at fault.
   */
  private isSuspicious(error: unknown): boolean {
    const { unclear } = this;
    const isSame = unclear?.code === codeOfStoreError(error) && classifyStoreError(error) === 'unclear';
    return isSame && unclear.times >= UNCLEAR_TIMES;
  }

  /** @param hasStored whether the database took other events meanwhile */
  private async judgeSuspects(hasStored: boolean): Promise<void> {
    const [first] = this.suspects;
    if (!first) return;
    if (!hasStored) throw first.error;
    while (this.suspects.length > 0) {
      const { entry, error } = this.suspects[0]!;
      await this.setAside([entry], error);
      this.suspects.shift();
    }
  }

  private noteUnclear(error: unknown): void {
    if (classifyStoreError(error) !== 'unclear') {
      this.unclear = undefined;
      return;
    }
    const code = codeOfStoreError(error);
    this.unclear = { code, times: this.unclear?.code === code ? this.unclear.times + 1 : 1 };
  }

  /** An event that the database will never take does not keep the others waiting. */
  private async setAside(batch: Entry[], refusal: unknown): Promise<void> {
    const [entry] = batch as [Entry];
    let kept = true;
    try {
      const reason = describeStoreError(refusal);
      await this.bounded((signal) => this.deadLetters.keep(entry.event, reason, signal));
    } catch (error) {
      if (classifyStoreError(error) !== 'refused') throw error;
      kept = false;
    }
    const where = kept
      ? 'It is a dead letter now'
      : entry.segment
        ? 'It is not a dead letter either; the journal keeps it, and it is tried again at the next start'
        : 'It is not a dead letter either, and is lost';
    // What the database says may quote the event.
    this.warnings.error(
      'refused',
      `The database refuses the audit event ${entry.event.id} itself (${codeOfStoreError(refusal)}). ${where}.`,
    );
    const { numbered, id } = entry;
    if (numbered) this.taken.setAside(numbered.source, numbered.sequence, id);
    this.settle(batch, [entry], kept);
    this.dead += 1;
  }

  private bounded(statement: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const patienceMs = this.options.statementTimeoutMs;
    return this.statements.send(patienceMs, statement, async () => {
      if (this.closed) return false;
      this.noteAway(noAnswer(patienceMs));
      return this.pings
        .send(patienceMs, (signal) => this.events.ping(signal))
        .then(
          () => true,
          () => false,
        );
    });
  }

  private settle(batch: Entry[], part: readonly Entry[], forget = true): void {
    batch.splice(0, part.length);
    // What closing gave up is told as left, even if it arrives after all.
    if (this.closed) return;
    this.queue.settle(part, forget);
    this.flushes.settle(part);
    this.noteSettled();
  }

  private noteSettled(): void {
    if (this.queue.pending === 0) this.flushes.finish();
    else if (!this.queue.isSpilled) this.flushes.startCounting(this.queue.pending, this.queue.lastOrder);
    if (this.hasRoom()) this.releaseWaiting();
  }

  private noteContact(): void {
    this.lastContact = performance.now();
    if (this.lastError === undefined) return;
    this.lastError = undefined;
    this.logger.log('The audit database takes events again.');
  }

  private noteAway(error: unknown): void {
    this.retried += 1;
    this.lastError = describeStoreError(error);
    this.flushes.fail(this.notStored(error));
    this.warnings.warn(
      'away',
      `The audit database does not take events: ${this.lastError}. ${this.queue.pending} are kept and tried again.`,
    );
  }

  private notStored(cause?: unknown): AuditError {
    return new AuditError(
      'AUDIT_STORE_UNAVAILABLE',
      this.closed
        ? 'The audit was closed before its last events were stored.'
        : `${this.queue.pending} audit event(s) are not stored yet: ${this.lastError}. They are kept and tried again.`,
      { cause },
    );
  }

  private noteJournalFailure(error: unknown): void {
    const { name, message } = error as Error;
    this.warnings.warn(
      'journal',
      `The audit journal can't be written: ${name === 'Error' ? '' : `${name}: `}${message}. Until it can, events are kept in memory alone.`,
    );
  }

  private drop(): void {
    const { source, sequence } = this.queue.skipSequence();
    this.taken.setAside(source, sequence);
    this.dropped += 1;
    let dropped = this.unreported.find((other) => other.source === source);
    if (!dropped) {
      dropped = { source, count: 0, firstSequence: sequence, lastSequence: sequence };
      this.unreported.push(dropped);
    }
    dropped.count += 1;
    dropped.lastSequence = sequence;
    if (performance.now() - this.droppedNotedAt > DROPPED_NOTE_MS) {
      this.droppedNotedAt = performance.now();
      this.queue.noteDropped(dropped);
    }
    this.warnings.warn(
      'dropped',
      this.closed
        ? 'An audit event was dropped: it was recorded after the application closed the audit.'
        : `An audit event was dropped: ${this.queue.pending} are waiting and the database does not take them (${this.lastError ?? 'it is slower than they come'}). Mend the database, or raise ${this.journal && !this.journal.failure ? 'delivery.maxJournalMegabytes' : 'delivery.maxBuffered'}.`,
    );
  }

  /** After a batch was stored: what else waited for that. */
  private recovered(): void {
    if (this.unreported.length > 0 && this.hasRoom()) {
      for (const dropped of this.unreported.splice(0)) {
        this.release(this.queue.enter(this.reports.dropped(dropped)));
        this.queue.noteDropped({ ...dropped, count: 0 });
      }
    }
    for (const { source } of this.queue.sources) this.notes.addBegin(source, 'started', 0);
    this.sendNotes();
  }

  private sendNotes(): void {
    if (this.notes.isEmpty) return;
    this.notes
      .flush()
      .catch((error: unknown) =>
        this.warnings.warn('notes', `The audit could not note its source: ${describeStoreError(error)}.`),
      );
  }

  /** @param isDelivered nothing is pending: else the journal has the word for the next start */
  private noteEnd(isDelivered: boolean): void {
    const { sources } = this.queue;
    this.notes.forgetIdle((idle) => !sources.some(({ source }) => source === idle));
    for (const { source, sequence } of sources) {
      if (isDelivered || source !== this.journal?.source) this.notes.add(source, 'closed', sequence);
    }
  }

  private releaseWaiting(): void {
    for (const noteRoom of this.waitingForRoom) noteRoom();
    this.waitingForRoom.clear();
  }

  private async pause(waitMs: number): Promise<void> {
    if (this.closed) return;
    this.wake = new AbortController();
    const jittered = waitMs * (0.5 + Math.random() / 2);
    await delay(jittered, undefined, { signal: this.wake.signal }).catch(() => undefined);
  }
}

function unavailable(why: string, cause?: unknown): AuditError {
  return new AuditError(
    'AUDIT_UNAVAILABLE',
    `The request was refused, and did nothing: ${why}. Its audit is a condition of it; try again later.`,
    { cause },
  );
}
