import { AuditError } from '../event/audit-error.js';
import { createEventId } from '../event/event-id.js';
import { flattenFacts } from '../event/flatten.js';
import { RateLimitedLog } from '../event/audit-logger.js';
import type { AuditLogger } from '../event/audit-logger.js';
import { SCHEMA_VERSION } from '../event/audit-log-event.js';
import type { AuditEventInput } from '../event/audit-event-input.js';
import type { AuditFacts, AuditLogEvent } from '../event/audit-log-event.js';
import { safeText, TEXT_LIMITS } from '../event/safe-text.js';
import { Delivery } from '../journal/delivery.js';
import type { DeliveryMode, DeliveryOptions, DeliveryStatus, Ticket } from '../journal/delivery.js';
import type { Intent } from '../journal/event-queue.js';
import type { AuditEventRepository } from '../store/audit-event.repository.js';
import type { DeadLetterRepository } from '../store/dead-letter.repository.js';
import type { SourceRepository } from '../store/source.repository.js';
import type { EntityManager } from 'typeorm';
import { defaultCategory, defaultSeverity, verbOf } from './classify.js';
import { scoreRisk } from './score.js';

/** An event on its way in: what is known of it. The recorder derives the rest, and makes it safe to store. */
export interface AuditEventDraft extends AuditEventInput {
  /** Where it was made before the event was complete, as for a request. */
  readonly id?: string;
}

/** Which program writes: becomes `metadata.service` and `metadata.serviceVersion` of every event. */
export interface ServiceOptions {
  readonly name: string;
  readonly version?: string;
}

/**
 * The only way in. Every event, from a request or from `AuditService.record()`, passes here: it is completed,
 * classified, scored, redacted and bounded, and then handed to delivery, which numbers it.
 */
export class AuditRecorder {
  private readonly delivery: Delivery;
  private readonly listeners = new Set<(event: AuditLogEvent) => void>();
  private readonly warnings: RateLimitedLog;

  constructor(
    private readonly repository: AuditEventRepository,
    deadLetters: DeadLetterRepository,
    sources: SourceRepository,
    private readonly isSecretKey: (key: string) => boolean,
    logger: AuditLogger,
    delivery: DeliveryOptions = {},
    private readonly service?: ServiceOptions,
  ) {
    this.warnings = new RateLimitedLog(logger);
    this.delivery = new Delivery(repository, deadLetters, sources, logger, delivery, {
      dropped: ({ source, count, firstSequence, lastSequence }) =>
        this.report('audit.drop', { dropped: count, source, firstSequence, lastSequence }),
      lost: ({ source, file, lines, firstSequence, lastSequence }) =>
        this.report('audit.loss', { source, file, lines, firstSequence, lastSequence }),
      interrupted: (begun) => this.complete(begun as AuditEventDraft),
    });
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
    const ticket = this.enter(draft);
    if (ticket) this.release(ticket);
    return ticket?.event;
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
    const ticket = this.enter(draft);
    if (!ticket) return undefined;
    if (this.mode !== 'strict') {
      this.release(ticket);
      if (this.delivery.syncsAlways) await this.delivery.sync();
    } else if (!(await this.commit(ticket))) {
      throw new AuditError(
        'AUDIT_UNAVAILABLE',
        `The audit event was not committed within ${this.delivery.strictTimeoutMs} ms. It is ${ticket.segment ? 'in the journal' : "in memory, since the journal can't be written,"} and is delivered later; don't record it again.`,
      );
    }
    return ticket.event;
  }

  /** Writes the event in the caller's transaction: it commits and rolls back with it. */
  async recordWith(manager: EntityManager, draft: AuditEventDraft): Promise<AuditLogEvent> {
    // Not numbered: a rollback would leave a gap in the sequence that no loss explains.
    const event = this.complete(draft);
    await this.repository.append([event], manager);
    this.notify(event);
    return event;
  }

  /**
   * Whether a request may go on to its handler.
   *
   * @throws AuditError `AUDIT_UNAVAILABLE`, at once or by the promise
   */
  admit(strict: boolean): void | Promise<void> {
    return this.delivery.admit(strict);
  }

  /** Whether intents are kept: requests that a crash interrupts are recorded at the next start. */
  get keepsIntents(): boolean {
    return this.delivery.hasJournal;
  }

  /** Notes a request that has begun: the draft of the event that it becomes should nothing more be heard of it. */
  begin(draft: AuditEventDraft, before?: Intent): Intent | undefined {
    return this.delivery.begin(draft, before);
  }

  cancel(intent: Intent): void {
    this.delivery.cancel(intent);
  }

  /** Takes the event of a request whose answer is ready; {@link release} or {@link commit} hands it over. */
  enter(draft: AuditEventDraft, intent?: Intent, refused = false): Ticket | undefined {
    return this.delivery.enter(this.complete(draft), intent, refused);
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
  release(ticket: Ticket, amended?: AuditEventDraft): void {
    if (!ticket.committed) {
      this.delivery.release(ticket, amended && this.complete(amended));
      this.notify(ticket.event);
      return;
    }
    if (!amended) return;
    // A committed event can't be changed any more: another one says what became of its answer.
    const { id, outcome, metadata } = this.complete(amended);
    this.record({
      action: 'audit.amend',
      category: 'system',
      outcome,
      tenantId: ticket.event.tenantId,
      details: {
        eventId: id,
        statusCode: metadata['statusCode'],
        errorName: metadata['errorName'],
        aborted: metadata['aborted'],
        interrupted: metadata['interrupted'],
        withheld: metadata['withheld'],
      },
    });
  }

  /** Calls `listener` with each event recorded from now on. Answers how to stop. */
  subscribe(listener: (event: AuditLogEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
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
    return this.delivery.status();
  }

  /** Who numbers events in this process, each with the last number that it gave away. */
  get ownSources(): readonly { readonly source: string; readonly sequence: number }[] {
    return this.delivery.ownSources;
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
    const committed = this.delivery.commit(ticket);
    this.notify(ticket.event);
    return committed;
  }

  /** An event of the audit's own, of what became of others. */
  private report(action: string, details: Readonly<Record<string, unknown>>): AuditLogEvent {
    return this.complete({ action, category: 'system', outcome: 'failure', severity: 'high', details });
  }

  private complete(draft: AuditEventDraft): AuditLogEvent {
    const timestamp = draft.timestamp ?? Date.now();
    const action = safeText(draft.action, TEXT_LIMITS.action);
    const category = draft.category ?? defaultCategory(action);
    const outcome = draft.outcome ?? 'success';
    const verb = verbOf(action, draft.metadata?.['method']);
    const severity = draft.severity ?? defaultSeverity(category, outcome, verb);
    const text = (name: 'userId' | 'resourceId' | 'ipAddress' | 'userAgent' | 'sessionId') => {
      const value = draft[name];
      return value === undefined || value === null || value === ''
        ? undefined
        : { [name]: safeText(value, TEXT_LIMITS[name]) };
    };
    return {
      id: draft.id ?? createEventId(timestamp),
      timestamp,
      tenantId: safeText(draft.tenantId || 'default', TEXT_LIMITS.tenantId),
      ...text('userId'),
      action,
      resource: safeText(draft.resource || resourceOf(action), TEXT_LIMITS.resource),
      ...text('resourceId'),
      details: this.facts(draft.details),
      ...text('ipAddress'),
      ...text('userAgent'),
      ...text('sessionId'),
      severity,
      category,
      outcome,
      riskScore: draft.riskScore ?? scoreRisk(category, severity, outcome, verb),
      complianceFlags: (draft.complianceFlags ?? []).map((flag) => safeText(flag, 128)),
      metadata: {
        ...this.facts(withoutNumbers(draft.metadata)),
        ...(this.service && { service: this.service.name }),
        ...(this.service?.version && { serviceVersion: this.service.version }),
        schemaVersion: SCHEMA_VERSION,
      },
    };
  }

  private facts(source: Readonly<Record<string, unknown>> | undefined): AuditFacts {
    return source ? flattenFacts(source, this.isSecretKey) : {};
  }

  private notify(event: AuditLogEvent): void {
    for (const listener of this.listeners) {
      try {
        listener(event);
      } catch {
        this.warnings.warn(
          'listener',
          'A listener to audit events threw; the event is recorded all the same.',
        );
      }
    }
  }
}

/** `invoice.approve` → `invoice` */
function resourceOf(action: string): string {
  const dot = action.indexOf('.');
  return dot > 0 ? action.slice(0, dot) : action;
}

/** The caller's metadata without what only the library may say. */
function withoutNumbers(metadata: AuditEventInput['metadata']): AuditEventInput['metadata'] {
  if (!metadata) return undefined;
  const { source: _source, sequence: _sequence, ...rest } = metadata;
  return rest;
}
