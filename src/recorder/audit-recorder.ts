import { AuditError } from '../event/audit-error.js';
import { present } from '../event/present.js';
import { RateLimitedLog } from '../event/audit-logger.js';
import type { AuditLogger } from '../event/audit-logger.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { Delivery } from '../delivery/delivery.js';
import type { DeliveryReports } from '../delivery/delivery.js';
import type { DeliveryMode, DeliveryOptions, DeliveryStatus } from '../delivery/delivery-options.js';
import type { LogMark, Ticket } from '../delivery/event-log.js';
import type { Intent } from '../journal/intents.js';
import type { AuditEventRepository } from '../store/audit-event.repository.js';
import type { NoteAuthority } from '../store/source-note.js';
import type { SourceRepository } from '../store/source.repository.js';
import type { EntityManager } from 'typeorm';
import type { Protector } from '../features/protection/protector.js';
import type { AuditEventDraft } from './audit-event-draft.js';
import type { BlockingRule } from './block-judge.js';
import type { EventCompleter } from './event-completer.js';

/** Events kept for those who listen from the application's start. */
const MAX_RECOVERED = 1_000;

/** What is done with values that are not stored in clear, where there are any. */
export interface RecorderProtection {
  readonly protector: Protector;
  /** An event as listeners may see it. */
  readonly shown: (event: AuditLogEvent) => AuditLogEvent;
}

/**
 * The only way in. Every event, from a request or from `AuditService.record()`, passes here when it is complete: it is protected, handed
 * to delivery, which numbers it, and told to those who listen.
 */
export class AuditRecorder {
  private readonly delivery: Delivery;
  private readonly listeners = new Set<(event: AuditLogEvent) => void>();
  private readonly watchers = new Set<(event: AuditLogEvent, shown: AuditLogEvent) => void>();
  /** Events with their protected values, by what is delivered in their place; until the watchers have seen them. */
  private readonly clear = new WeakMap<AuditLogEvent, AuditLogEvent>();
  private readonly warnings: RateLimitedLog;
  /** What delivery reported before those who listen to it could; until they do. */
  private recovered: AuditLogEvent[] | undefined = [];

  constructor(
    private readonly repository: AuditEventRepository,
    loop: ConstructorParameters<typeof Delivery>[0],
    sources: SourceRepository,
    private readonly completer: EventCompleter,
    logger: AuditLogger,
    delivery: DeliveryOptions = {},
    private readonly protection?: RecorderProtection,
    authority?: NoteAuthority,
  ) {
    this.warnings = new RateLimitedLog(logger);
    const reports: DeliveryReports = {
      dropped: ({ source, count, firstSequence, lastSequence }) =>
        this.announceEntered(
          this.report('audit.drop', { dropped: count, source, firstSequence, lastSequence }),
        ),
      lost: ({ source, file, lines, firstSequence, lastSequence }) =>
        this.announceEntered(this.report('audit.loss', { source, file, lines, firstSequence, lastSequence })),
      interrupted: (begun) => this.announceEntered(this.judged(begun as AuditLogEvent)),
    };
    this.delivery = new Delivery(loop, sources, logger, delivery, reports, authority);
  }

  get mode(): DeliveryMode {
    return this.delivery.mode;
  }

  /** @throws AuditError `AUDIT_INVALID_OPTIONS`, see `Delivery.open` */
  open(): Promise<void> {
    return this.delivery.open();
  }

  /**
   * Records the event. Never throws and never waits.
   *
   * @returns the event as it is stored, or `undefined` when it was dropped for want of room
   */
  record(draft: AuditEventDraft): AuditLogEvent | undefined {
    const ticket = this.enter(this.completer.complete(draft));
    const event = ticket?.event;
    if (ticket) this.release(ticket);
    return event;
  }

  /**
   * Records the event, and resolves when it is as safe as the delivery mode promises.
   *
   * @returns as `record`
   * @throws AuditError `AUDIT_UNAVAILABLE` when it is not committed in time, in strict mode; it is delivered later
   */
  async recordSafely(draft: AuditEventDraft): Promise<AuditLogEvent | undefined> {
    const room = this.room();
    if (room) await room;
    const ticket = this.enter(this.completer.complete(draft));
    if (!ticket) return undefined;
    const { event } = ticket;
    if (this.mode !== 'strict') {
      this.release(ticket);
      if (this.delivery.syncsAlways) await this.delivery.sync();
    } else if (!(await this.commit(ticket))) {
      throw new AuditError(
        'AUDIT_UNAVAILABLE',
        `The audit event was not committed within ${this.delivery.strictTimeoutMs} ms. It is ${ticket.written ? 'in the journal' : "in memory, since the journal can't be written,"} and is delivered later; don't record it again.`,
      );
    }
    return event;
  }

  /** Writes the event in the caller's transaction: it commits and rolls back with it. */
  async recordWith(manager: EntityManager, draft: AuditEventDraft): Promise<AuditLogEvent> {
    // Not numbered: a rollback would leave a gap in the sequence that no loss explains.
    const event = this.protect(this.completer.complete(draft));
    await this.repository.append(await this.sealed(event, manager), manager);
    this.notify(event);
    return event;
  }

  /**
   * Writes an event of the audit's own straight into the store, without a number; one whose id is there already is passed
   * over, so that several processes may find the same.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`, or the driver's error
   */
  async recordUnnumbered(draft: AuditEventDraft): Promise<void> {
    const event = this.protect(this.completer.complete(draft));
    await this.repository.append(await this.sealed(event));
    this.notify(event);
  }

  /**
   * Whether a request may go on to its handler.
   *
   * @throws AuditError `AUDIT_UNAVAILABLE`, at once or by the promise
   */
  admit(strict: boolean): void | Promise<void> {
    return this.delivery.admit(strict);
  }

  /** Whether a request may be refused for want of room. */
  get rejects(): boolean {
    return this.delivery.rejects;
  }

  /**
   * Resolves once the note that a strict request's handler is about to run is on the disk.
   *
   * @throws AuditError `AUDIT_UNAVAILABLE` by the promise
   */
  secure(intent: Intent | undefined): Promise<void> {
    return this.delivery.secure(intent);
  }

  /** Whether intents are kept: requests that a crash interrupts are recorded at the next start. */
  get keepsIntents(): boolean {
    return this.delivery.hasJournal;
  }

  /**
   * Notes a request that has begun.
   *
   * @param event what it becomes should nothing more be heard of it, not judged yet
   * @param before the note that this one replaces
   */
  begin(event: AuditLogEvent, blockedBy?: BlockingRule, before?: Intent): Intent | undefined {
    // Protected as it would be stored: what no event shows, the journal must not show either.
    const { riskScore: _score, complianceFlags, ...known } = this.protect(event);
    const begun = blockedBy ? { ...known, blockedBy, complianceFlags } : known;
    return this.delivery.begin(begun, before);
  }

  cancel(intent: Intent): void {
    this.delivery.cancel(intent);
  }

  /** Takes the event of a request whose answer is ready; {@link release} or {@link wait} hands it over. */
  enter(event: AuditLogEvent, intent?: Intent, refused = false): Ticket | undefined {
    return this.delivery.enter(this.protect(event), intent, refused);
  }

  /** What the answer of an entered event has to wait for; `undefined` in the common case. */
  wait(ticket: Ticket, strict: boolean): Promise<boolean> | undefined {
    if (strict) return this.commit(ticket);
    return this.delivery.syncsAlways ? this.delivery.sync().then(() => true) : undefined;
  }

  /** Resolves once there is room for an event, or the time for it is over; `undefined` where nobody waits. */
  room(): Promise<void> | undefined {
    return this.delivery.room();
  }

  /**
   * The answer has left, or its connection is gone.
   *
   * @param amended the event as it turned out, where that differs from what was entered
   */
  release(ticket: Ticket, amended?: AuditLogEvent, blockedBy?: BlockingRule): void {
    if (!ticket.committed) {
      const event = amended && this.protect(amended);
      const isReleased = this.delivery.release(ticket, event);
      this.notify((isReleased && event) || ticket.event);
      // Else it is stored as it was, since its answer took too long to leave.
      if (isReleased) return;
    }
    if (!amended) return;
    const isNews = ticket.event.metadata['blockedBy'] === undefined;
    this.amend(amended, isNews ? blockedBy : undefined, ticket.event.tenantId);
  }

  /**
   * Says by another event what became of a request whose event can't be changed any more, since it is on its way to its commit, or
   * stored.
   *
   * @param event as it turned out
   * @param tenantId of the event that is stored
   */
  amend(event: AuditLogEvent, blockedBy?: BlockingRule, tenantId = event.tenantId): void {
    const { id, userId, outcome, metadata } = event;
    this.record({
      action: 'audit.amend',
      category: 'system',
      outcome: blockedBy ? 'failure' : outcome,
      tenantId,
      ...(blockedBy && { blockedBy, complianceFlags: [blockedBy.id], ...present('userId', userId) }),
      details: {
        eventId: id,
        statusCode: metadata['statusCode'] ?? (blockedBy && 403),
        errorName: metadata['errorName'],
        aborted: metadata['aborted'],
        interrupted: metadata['interrupted'],
        withheld: metadata['withheld'],
        blockedBy: blockedBy?.id,
      },
    });
  }

  /**
   * Calls `listener` with each event recorded from now on. Answers how to stop.
   *
   * @param recovered also with what was found at the start, such as interrupted requests, before anybody could listen; once,
   *   for the first who asks
   */
  subscribe(listener: (event: AuditLogEvent) => void, recovered = false): () => void {
    this.listeners.add(listener);
    if (recovered) for (const event of this.recovered?.splice(0) ?? []) this.tell(listener, event);
    if (recovered) this.recovered = undefined;
    return () => this.listeners.delete(listener);
  }

  /** Calls `watcher` with each event recorded from now on, with its protected values, and with what others see of it. */
  watch(watcher: (event: AuditLogEvent, shown: AuditLogEvent) => void): void {
    this.watchers.add(watcher);
  }

  /** The event as listeners, and whoever recorded it, see it. */
  shown(event: AuditLogEvent): AuditLogEvent {
    return this.protection ? this.protection.shown(event) : event;
  }

  /** Where the journal is; `undefined` where there is none. */
  get directory(): string | undefined {
    return this.delivery.directory;
  }

  /** All that is recorded until now, for {@link isSettledThrough}. */
  mark(): LogMark {
    return this.delivery.mark();
  }

  /** Whether nothing is left to be stored of what was there at the mark. */
  isSettledThrough(mark: LogMark): boolean {
    return this.delivery.isSettledThrough(mark);
  }

  flush(): Promise<void> {
    return this.delivery.flush();
  }

  /** Stores what was recorded, as far as the time set for a shutdown allows. Never throws. */
  drain(patienceMs?: number): Promise<void> {
    return this.delivery.drain(patienceMs);
  }

  close(patienceMs?: number): Promise<void> {
    return this.delivery.close(patienceMs);
  }

  /** Lets go of what `open()` took, where the application does not start. */
  abandon(): void {
    this.delivery.abandon();
  }

  status(): DeliveryStatus {
    return { ...this.delivery.status(), unreadable: this.repository.unreadable };
  }

  /** Who numbers events in this process, each with the last number that it gave away. */
  get ownSources(): readonly { readonly source: string; readonly sequence: number }[] {
    return this.delivery.ownSources;
  }

  /** Which events have their numbers. */
  get taken(): Delivery['taken'] {
    return this.delivery.taken;
  }

  /** See {@link Delivery.noteReached}. */
  noteReached(source: string, sequence: number): void {
    this.delivery.noteReached(source, sequence);
  }

  /**
   * Stores an event of the audit's own whose details are the library's words, and resolves once it is committed.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`, or the driver's error
   */
  async recordOwn(draft: AuditEventDraft): Promise<AuditLogEvent> {
    const event = this.completer.completeOwn(draft);
    const safe = this.protect(event);
    // Who looks for them later has no keys.
    safe.details = event.details;
    await this.repository.append(await this.sealed(safe));
    this.notify(safe);
    return event;
  }

  /** The event that tells of numbers of a source that never came. The ledger stores it, and then announces it. */
  gapEvent(gap: { readonly source: string; readonly from: number; readonly to: number }): AuditLogEvent {
    return this.report('audit.gap', gap);
  }

  /** Tells the listeners of an event that was stored by other ways. */
  announce(event: AuditLogEvent): void {
    this.notify(event);
  }

  /** @returns whether the database has it in time */
  private commit(ticket: Ticket): Promise<boolean> {
    const { event } = ticket;
    const committed = this.delivery.commit(ticket);
    this.notify(event);
    return committed;
  }

  /** An event of the audit's own, of what became of others. */
  private report(action: string, details: Readonly<Record<string, unknown>>): AuditLogEvent {
    return this.completer.complete({
      action,
      category: 'system',
      outcome: 'failure',
      severity: 'high',
      details,
    });
  }

  /** The event of a request that began in an earlier process: it is redacted already. */
  private judged(
    begun: Omit<AuditLogEvent, 'riskScore'> & { readonly blockedBy?: BlockingRule },
  ): AuditLogEvent {
    const { blockedBy, ...known } = begun;
    const event = { ...known, riskScore: 0, complianceFlags: begun.complianceFlags ?? [] };
    return this.completer.judge(event, { blockedBy });
  }

  /** The event as the journal may have it. */
  private protect(event: AuditLogEvent): AuditLogEvent {
    if (!this.protection) return event;
    const safe = this.protection.protector.protect(event);
    if (safe !== event) this.clear.set(safe, event);
    return safe;
  }

  /** The event as it is stored, where it does not pass through delivery. */
  private async sealed(event: AuditLogEvent, manager?: EntityManager): Promise<readonly AuditLogEvent[]> {
    return this.protection ? this.protection.protector.seal([event], { manager }) : [event];
  }

  private notify(event: AuditLogEvent): void {
    const shown = this.shown(event);
    const clear = (this.protection && this.clear.get(event)) ?? event;
    for (const watcher of this.watchers) this.tell(watcher, clear, shown);
    for (const listener of this.listeners) this.tell(listener, shown);
    if (clear !== event) this.clear.delete(event);
  }

  private tell<E extends AuditLogEvent[]>(listener: (...events: E) => void, ...events: E): void {
    try {
      listener(...events);
    } catch {
      this.warnings.warn('listener', 'A listener to audit events threw; the event is recorded all the same.');
    }
  }

  /** Delivery makes the event and enters it in one turn; whoever listens hears of it in the next. */
  private announceEntered(event: AuditLogEvent): AuditLogEvent {
    queueMicrotask(() => {
      if (this.recovered && this.recovered.length < MAX_RECOVERED) this.recovered.push(this.shown(event));
      this.notify(event);
    });
    return event;
  }
}
