// Read the room in this order: this file, the only way in; `event-completer.ts`, from a draft to an event; `redaction/redactor.ts` and the table in
// `redaction/recognisers.ts`, what an event must not show; `stage.ts` and `risk/`, what it means; `at-rest.ts`, what keys protect;
// `listeners.ts`, who hears of it.
import { AuditError } from '../event/audit-error.js';
import { present } from '../event/present.js';
import { raise } from '../event/raised-event.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import type { Delivery } from '../delivery/delivery.js';
import type { Ticket } from '../delivery/ticket.js';
import type { Intent } from '../journal/intents.js';
import type { AuditEventRepository } from '../store/audit-event.repository.js';
import type { EntityManager } from 'typeorm';
import { AtRest } from './at-rest.js';
import type { AuditEventDraft } from './audit-event-draft.js';
import type { BlockingRule } from './block-judge.js';
import type { EventCompleter } from './event-completer.js';
import type { Listeners } from './listeners.js';
import { AMEND } from './raised-events.js';

export type { Delivery, Intent, Ticket };

/**
 * The only way in. Every event, from a request or from `AuditService.record()`, passes here when it is complete: it is protected, handed
 * to delivery, which numbers it, and told to those who listen.
 */
export class AuditRecorder {
  /** Events with their protected values, by what is delivered in their place; until the observers have seen them. */
  private readonly clear = new WeakMap<AuditLogEvent, AuditLogEvent>();

  constructor(
    readonly delivery: Delivery,
    private readonly repository: AuditEventRepository,
    private readonly completer: EventCompleter,
    private readonly listeners: Listeners,
    private readonly atRest = new AtRest(),
  ) {}

  /**
   * Records the event. Never throws and never waits.
   *
   * @returns the event as it is stored, or `undefined` when it was dropped without room
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
   * @returns the event as it is stored
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE` when there is no room for it; `AUDIT_UNAVAILABLE` when it is not committed in time, in strict mode; it is delivered later
   */
  async recordSafely(draft: AuditEventDraft): Promise<AuditLogEvent> {
    const room = this.delivery.room();
    if (room) await room;
    const ticket = this.enter(this.completer.complete(draft));
    if (!ticket) {
      const { lastError, pending } = this.delivery.status();
      throw new AuditError(
        'AUDIT_STORE_UNAVAILABLE',
        `The audit event was dropped: ${pending} are waiting already${lastError ? ` (${lastError})` : ''}, or the application is closed.`,
      );
    }
    const { event } = ticket;
    if (this.delivery.mode !== 'strict') {
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

  /**
   * Writes the event straight into the store. It has no number: a rollback would leave a gap in the sequence that no loss explains.
   * An id that is stored already is passed over, so that several processes may find the same.
   *
   * @param manager of the caller's transaction, with which it commits and rolls back
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`, or the driver's error
   */
  async recordUnnumbered(draft: AuditEventDraft, manager?: EntityManager): Promise<AuditLogEvent> {
    const event = this.protect(this.completer.complete(draft));
    await this.store(event, manager);
    return event;
  }

  /**
   * Stores an event of the audit's own whose details are the library's words, and resolves once it is committed.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`, or the driver's error
   */
  async recordVerbatim(draft: AuditEventDraft): Promise<AuditLogEvent> {
    const event = this.completeVerbatim(draft);
    const safe = this.protect(event);
    // Who looks for them later has no keys.
    safe.details = event.details;
    await this.store(safe);
    return event;
  }

  /** The event of {@link recordVerbatim}, for whoever stores it by themselves and then tells of it by {@link announce}. */
  completeVerbatim(draft: AuditEventDraft): AuditLogEvent {
    return this.completer.completeVerbatim(draft);
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

  /**
   * Takes the event of a request whose answer is ready; {@link release} or {@link wait} hands it over.
   *
   * @param event absent where none could be made, which counts as one that was dropped
   */
  enter(event: AuditLogEvent | undefined, intent?: Intent, refused = false): Ticket | undefined {
    return this.delivery.enter(event && this.protect(event), intent, refused);
  }

  /** What the answer of an entered event has to wait for; `undefined` in the common case. */
  wait(ticket: Ticket, strict: boolean): Promise<boolean> | undefined {
    if (strict) return this.commit(ticket);
    return this.delivery.syncsAlways ? this.delivery.sync().then(() => true) : undefined;
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
      this.announce((isReleased && event) || ticket.event);
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
      ...raise(AMEND, {
        eventId: id,
        statusCode: metadata['statusCode'] ?? (blockedBy && 403),
        errorName: metadata['errorName'],
        aborted: metadata['aborted'],
        interrupted: metadata['interrupted'],
        withheld: metadata['withheld'],
        blockedBy: blockedBy?.id,
      }),
      outcome: blockedBy ? 'failure' : outcome,
      tenantId,
      ...(blockedBy && { blockedBy, complianceFlags: [blockedBy.id], ...present('userId', userId) }),
    });
  }

  /** @returns whether the database has it in time */
  private commit(ticket: Ticket): Promise<boolean> {
    const { event } = ticket;
    const committed = this.delivery.commit(ticket);
    this.announce(event);
    return committed;
  }

  /** The event as the journal may have it. */
  private protect(event: AuditLogEvent): AuditLogEvent {
    const safe = this.atRest.beforeJournal(event);
    if (safe !== event) this.clear.set(safe, event);
    return safe;
  }

  /** Stores an event that does not pass through delivery. */
  private async store(event: AuditLogEvent, manager?: EntityManager): Promise<void> {
    await this.repository.append(await this.atRest.beforeStore([event], { manager }), manager);
    this.announce(event);
  }

  /** Tells those who listen. */
  announce(event: AuditLogEvent): void {
    const clear = this.atRest.protection && this.clear.get(event);
    this.listeners.announce(event, clear);
    if (clear) this.clear.delete(event);
  }
}
