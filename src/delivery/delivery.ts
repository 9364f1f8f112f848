import { setTimeout as delay } from 'node:timers/promises';
import { AuditError } from '../event/audit-error.js';
import { RateLimitedLog } from '../event/audit-logger.js';
import type { AuditLogger } from '../event/audit-logger.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import type { EventJournal } from '../journal/event-journal.js';
import type { Intent } from '../journal/intents.js';
import { passPoint } from '../journal/life.js';
import type { SourceNumber } from '../event/sequence-set.js';
import type { StatementAuthority } from '../store/statement-signer.js';
import type { SourceRepository } from '../store/source.repository.js';
import { describeStoreError } from '../store/store-error.js';
import { keepProcess, within } from '../store/within.js';
import { DatabaseState, unavailable } from './database-state.js';
import type { Loop, LoopHost } from './delivery-loop.js';
import type { DeliveryMode, DeliveryOptions, DeliveryStatus } from './delivery-options.js';
import { EventLog } from './event-log.js';
import type { LogMark } from './event-log.js';
import { Flushes } from './flushes.js';
import { LogFeed } from './log-feed.js';
import { LossReports } from './loss-reports.js';
import type { DeliveryReports } from './loss-reports.js';
import type { Progress, Refusal } from './messages.js';
import { openJournal } from './open-journal.js';
import { ADMISSION_SHARE, Room } from './room.js';
import { SourceNotes } from './source-notes.js';
import type { Ticket } from './ticket.js';

/** How long an answer waits for a disk that says nothing. */
const SYNC_PATIENCE_MS = 5_000;
const CHECK_MS = 1_000;
/** Strict events in memory while the database is away; of more, the answers need not wait. */
const MOST_COMMITTED = 5_000;
/** How long the last word to the database may take: it is only for whoever reads `sources()`. */
const NOTE_TIMEOUT_MS = 1_000;

const NOT_WRITTEN = 'the audit journal can not be written';

/**
 * Delivery as the application sees it: it writes events to the log, and tells the loop, which stores them, what is new there. It never
 * throws into the application, and waits only where the caller asks it to.
 *
 * The room in the order of an event: `ticket.ts`, `event-log.ts`, `log-feed.ts` and `messages.ts`; then, in a thread where there is one
 * (`thread/`), `log-reader.ts`, `delivery-loop.ts`, `batch-store.ts`. The other files are parts of this one.
 */
export class Delivery {
  private readonly log: EventLog;
  private readonly space: Room;
  private readonly losses: LossReports;
  private readonly database: DatabaseState;
  private readonly loop: Loop;
  private readonly feed: LogFeed;
  private readonly warnings: RateLimitedLog;
  private readonly notes: SourceNotes;
  private timers: NodeJS.Timeout[] = [];
  private closed = false;
  /** Why the log can't be read, where it can't. */
  private unread: string | undefined;
  private delivered = 0;
  private dead = 0;
  private readonly flushes: Flushes;
  private noteOpen!: () => void;
  private readonly opened = new Promise<void>((resolve) => (this.noteOpen = resolve));

  constructor(
    loop: (host: LoopHost) => Loop,
    sources: SourceRepository,
    private readonly logger: AuditLogger,
    private readonly options: Required<DeliveryOptions>,
    private readonly reports: DeliveryReports,
    authority?: StatementAuthority,
  ) {
    this.warnings = new RateLimitedLog(logger);
    const { statementTimeoutMs, strictTimeoutMs } = options;
    this.notes = new SourceNotes(sources, authority, statementTimeoutMs, this.warnings);
    this.log = new EventLog(this.hasJournal);
    this.flushes = new Flushes(this.log);
    this.space = new Room(options, this.log);
    this.losses = new LossReports(this.log, reports, this.warnings);
    this.database = new DatabaseState(() => this.loop.ping(strictTimeoutMs), logger, this.warnings);
    this.loop = loop({
      ready: () => this.feed.open(),
      progress: (progress) => this.noteProgress(progress),
      away: (error) => this.noteAway(error),
      ended: (error) => this.flushes.fail(this.notStored(error)),
    });
    this.feed = new LogFeed(this.log, this.loop, this.options);
  }

  get mode(): DeliveryMode {
    return this.options.mode;
  }

  get hasJournal(): boolean {
    return this.mode !== 'buffered';
  }

  /** Which events of this process have its numbers, as far as they are settled. */
  get issued(): Pick<Loop, 'ownersOf' | 'storedNumbers' | 'reached'> {
    return this.loop;
  }

  get strictTimeoutMs(): number {
    return this.options.strictTimeoutMs;
  }

  /**
   * Opens the journal. Nothing is delivered before {@link resume}.
   *
   * @throws AuditError `AUDIT_INVALID_OPTIONS` where the directory belongs to another process or can't be written
   */
  async open(): Promise<void> {
    if (!this.hasJournal || this.journal) return this.noteOpen();
    const journal = await openJournal(this.options, this.logger);
    this.log.attach(journal);
    this.adopt(journal);
    this.noteOpen();
    this.every(CHECK_MS, () => {
      const happened = journal.check();
      if (happened) {
        this.warnings.warn('place', happened);
        this.feed.tellSoon();
      }
      this.log.writeMissing();
      this.log.releaseOld();
      this.feed.schedule();
    });
    if (this.options.fsync === 'interval') {
      this.every(this.options.fsyncIntervalMs, () => void this.sync());
    }
  }

  /** Resolves once there is room, or the time for it is over; `undefined` where nobody has to wait. */
  room(): Promise<void> | undefined {
    return this.closed ? undefined : this.space.wait();
  }

  /**
   * Refuses a strict request that can't be recorded, and every request without room where `overflow` is `reject`.
   *
   * @throws AuditError `AUDIT_UNAVAILABLE`
   */
  admit(strict: boolean): void | Promise<void> {
    if ((strict || this.rejects) && !this.hasRoom(ADMISSION_SHARE)) {
      throw unavailable('there is no room for its event');
    }
    if (!strict) return;
    if (!this.journal || this.journal.failure) throw unavailable(NOT_WRITTEN, this.journal?.failure);
    return this.database.confirm(this.log.pending);
  }

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

  /** Writes the intent of a request that has begun; again, when more is known of it. */
  begin(begun: object, before?: Intent): Intent | undefined {
    if (!this.journal || this.closed || !this.hasRoom()) return before;
    try {
      return this.journal.intents.begin(JSON.stringify(begun), before);
    } catch (error) {
      this.noteJournalFailure(error);
      return before;
    }
  }

  cancel(intent: Intent): void {
    this.log.cancel(intent);
  }

  /**
   * Numbers the event, and writes it to the journal. Never waits and never throws.
   *
   * @param event absent where none could be made
   * @param refused its request was not admitted: the last of the room is not for it
   * @returns `undefined` when it was dropped: there is none, or no room for it
   */
  enter(event: AuditLogEvent | undefined, intent?: Intent, refused = false): Ticket | undefined {
    if (!event || !this.hasRoom(refused ? ADMISSION_SHARE : 1)) {
      if (intent) this.cancel(intent);
      this.drop(event);
      return undefined;
    }
    const ticket = this.log.enter(event, intent);
    if (this.journal?.failure) this.noteJournalFailure(this.journal.failure);
    return ticket;
  }

  /**
   * Hands the event over for delivery.
   *
   * @param amended how it turned out, where that differs
   * @returns `false` where it was handed over already, so that nothing of it can be amended
   */
  release(ticket: Ticket, amended?: AuditLogEvent): boolean {
    const isReleased = this.log.release(ticket, amended);
    this.feed.schedule();
    return isReleased;
  }

  /** Hands the event over at once. @returns whether the database has it within `strictTimeoutMs` */
  async commit(ticket: Ticket): Promise<boolean> {
    ticket.committed = true;
    const isFull = this.database.lastError !== undefined && this.log.inMemory >= MOST_COMMITTED;
    if (isFull && ticket.written) {
      this.release(ticket);
      return false;
    }
    const stored = new Promise<void>((resolve) => this.log.commit(ticket, resolve));
    this.feed.schedule();
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
  async flush(): Promise<void> {
    if (this.log.pending === 0) return;
    await this.opened;
    if (this.closed || !this.feed.isOpen || this.loop.whyNotReady !== undefined) throw this.notStored();
    const { turn } = this.log;
    this.feed.tell(true);
    await keepProcess(this.flushes.wait(turn));
  }

  /** As {@link flush}, tried again for `patienceMs`. Never throws. */
  async drain(patienceMs = this.options.shutdownTimeoutMs): Promise<void> {
    if (this.closed) return;
    const deadline = performance.now() + patienceMs;
    while (this.log.pending > 0 && performance.now() < deadline) {
      const leftMs = () => Math.max(0, deadline - performance.now());
      await within(
        leftMs(),
        this.flush().catch(() => delay(Math.min(250, leftMs()))),
      );
    }
  }

  /** Drains, and ends; the log says how many events could not be stored. Idempotent. */
  async close(patienceMs = this.options.shutdownTimeoutMs): Promise<void> {
    if (this.closed) return;
    await this.drain(patienceMs);
    this.stop();
    this.space.releaseWaiting();
    const left = this.log.pending;
    this.noteEnd(left === 0);
    await this.notes.close(this.lastError === undefined ? NOTE_TIMEOUT_MS : 0);
    const isSettled = this.log.isSettled && this.notes.isEmpty;
    const lost = this.log.discard();
    this.losses.dropped += lost;
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
    this.flushes.fail(this.notStored());
    this.loop.close();
  }

  /** Lets go of the journal where the application did not start. */
  abandon(): void {
    this.stop();
    this.journal?.abandon();
    this.flushes.fail(this.notStored());
    this.loop.close();
  }

  /** The database is there, at the start or again: what waited for it goes on at once. A failure is told as any other. */
  resume(): void {
    if (!this.feed.isOpen) this.loop.start();
    void this.notes.send().then(() => (this.log.keepsAll = false));
    this.flush().catch(() => undefined);
  }

  get sources(): readonly SourceNumber[] {
    return this.log.sources;
  }

  /** Says that the source has come to this number: others record what is missing before it. */
  noteReached(source: string, sequence: number): void {
    if (this.closed) return;
    this.notes.add(source, 'reached', sequence);
    void this.notes.send();
  }

  get directory(): string | undefined {
    return this.journal?.directory;
  }

  mark(): LogMark {
    return this.log.mark();
  }

  isSettledThrough(mark: LogMark): boolean {
    return this.log.isSettledThrough(mark);
  }

  status(): Omit<DeliveryStatus, 'unreadable'> {
    const journalError = this.journal?.failure?.message;
    const { lastError } = this;
    return {
      mode: this.mode,
      healthy: !this.closed && lastError === undefined && journalError === undefined && this.hasRoom(),
      pending: this.log.pending,
      pendingBytes: this.journal?.bytes ?? this.log.memory.size,
      oldestPendingMs: this.log.oldestMs,
      delivered: this.delivered,
      retried: this.database.failures,
      dead: this.dead,
      dropped: this.losses.dropped,
      ...(lastError !== undefined && { lastError }),
      ...(journalError !== undefined && { journalError }),
    };
  }

  private adopt(journal: EventJournal): void {
    const { recovered, resumed } = journal;
    const ended = resumed ? recovered.sources.slice(0, -1) : recovered.sources;
    for (const { source, sequence, closed } of ended) {
      this.notes.add(source, closed ? 'closed' : 'abandoned', sequence);
    }
    this.log.keepsAll = ended.length > 0;
    const { source, sequence } = journal;
    if (resumed) this.notes.addBegin(source, 'resumed', sequence);
    for (const [number, begun] of recovered.intents) {
      this.log.adopt(number, begun, this.reports.interrupted(begun));
    }
    for (const loss of recovered.losses) this.losses.reportLoss(loss);
    if (recovered.dropped) this.losses.reportDrop(recovered.dropped);
    if (recovered.pending > 0 || recovered.intents.size > 0) {
      this.logger.log(
        `The audit journal ${journal.directory} was left with ${recovered.pending} event(s) not stored and ${recovered.intents.size} interrupted request(s); they are delivered now.`,
      );
    }
  }

  private stop(): void {
    this.closed = true;
    this.feed.close();
    for (const timer of this.timers) clearInterval(timer);
  }

  /** Why events are not stored, as far as is known. */
  private get lastError(): string | undefined {
    return this.database.lastError ?? this.unread ?? this.loop.whyNotReady;
  }

  private get journal(): EventJournal | undefined {
    return this.log.journal;
  }

  private every(intervalMs: number, work: () => void): void {
    this.timers.push(setInterval(work, intervalMs).unref());
  }

  private noteProgress(progress: Progress): void {
    // What closing gave up is told as left, even if it is stored after all.
    if (this.closed) return;
    if (progress.stored > 0) passPoint('after-commit');
    this.delivered += progress.stored;
    this.dead += progress.refused.filter(({ number }) => !this.log.keeps(number)).length;
    this.log.noteProgress(progress);
    for (const refusal of progress.refused) this.noteRefusal(refusal);
    for (const loss of progress.losses) this.losses.reportLoss(loss);
    this.space.releaseNext();
    this.flushes.noteProgress(progress);
    this.noteUnread(progress.unread);
    if (progress.stored + progress.refused.length > 0) {
      this.database.noteAnswer();
      this.noteBack();
    }
    if (this.flushes.areWaiting && this.log.news > 0) this.feed.tellSoon();
    else this.feed.schedule();
  }

  private noteUnread(why: string | undefined): void {
    this.unread = why;
    if (why === undefined) return;
    this.warnings.warn('unread', `The audit journal can't be read: ${why}. It is tried again.`);
    this.flushes.fail(this.notStored());
  }

  private noteRefusal({ number, event, code, isDead }: Refusal): void {
    const where = isDead
      ? 'It is a dead letter now'
      : this.log.keeps(number)
        ? 'It is not a dead letter either; the journal keeps it, and it is tried again later'
        : 'It is not a dead letter either, and is lost';
    // What the database says may quote the event.
    this.warnings.error(
      'refused',
      `The database refuses the audit event ${event.id} itself (${code}). ${where}.`,
    );
  }

  private noteAway(error: unknown): void {
    this.database.noteFailure(error, this.log.pending);
    this.flushes.fail(this.notStored(error));
  }

  private notStored(cause?: unknown): AuditError {
    return new AuditError(
      'AUDIT_STORE_UNAVAILABLE',
      this.closed
        ? 'The audit was closed before its last events were stored.'
        : `${this.log.pending} audit event(s) are not stored yet: ${this.lastError ?? describeStoreError(cause)}. They are kept and tried again.`,
      { cause },
    );
  }

  /** See {@link Room.has}. */
  private hasRoom(share?: number): boolean {
    return !this.closed && this.space.has(share);
  }

  private noteJournalFailure(error: unknown): void {
    const { name, message } = error as Error;
    this.warnings.warn(
      'journal',
      `The audit journal can't be written: ${name === 'Error' ? '' : `${name}: `}${message}. Until it can, events are kept in memory alone.`,
    );
  }

  private drop(event: AuditLogEvent | undefined): void {
    this.losses.drop();
    // Why there is none, whoever could not make it has said.
    if (!event) return;
    this.warnings.warn(
      'dropped',
      this.closed
        ? 'An audit event was dropped: it was recorded after the application closed the audit.'
        : `An audit event was dropped: ${this.log.pending} are waiting and are not stored (${this.lastError ?? 'the database is slower than they come'}). Mend that, or raise ${this.journal && !this.journal.failure ? 'delivery.maxJournalMegabytes' : 'delivery.maxBuffered'}.`,
    );
  }

  /** After a batch was stored: what else waited for that. */
  private noteBack(): void {
    // It takes room that others may wait for.
    if (this.hasRoom() && this.losses.reportDropped()) this.feed.tellSoon();
    if (this.journal) this.notes.addBegin(this.journal.source, 'started', 0);
    for (const { source } of this.log.sources) this.notes.addBegin(source, 'started', 0);
    void this.notes.send();
  }

  /** @param isDelivered nothing is pending: else the journal has the word for the next start */
  private noteEnd(isDelivered: boolean): void {
    const { journal } = this;
    const { sources } = this.log;
    this.notes.forgetIdle((idle) => !sources.some(({ source }) => source === idle));
    for (const { source, sequence } of sources) {
      // A journal that can't be told goes on with its source at the next start, perhaps by another process.
      const isEnd = source !== journal?.source || (isDelivered && !journal.failure);
      if (isEnd) this.notes.add(source, 'closed', sequence);
    }
  }
}
