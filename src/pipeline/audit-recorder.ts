import { createEventId } from '../event/event-id.js';
import { flattenFacts } from '../event/flatten.js';
import { RateLimitedLog } from '../event/audit-logger.js';
import type { AuditLogger } from '../event/audit-logger.js';
import { SCHEMA_VERSION } from '../event/audit-log-event.js';
import type { AuditEventInput } from '../event/audit-event-input.js';
import type { AuditFacts, AuditLogEvent } from '../event/audit-log-event.js';
import { safeText, TEXT_LIMITS } from '../event/safe-text.js';
import { EventBuffer } from '../journal/event-buffer.js';
import type { DeliveryOptions, DeliveryStatus } from '../journal/event-buffer.js';
import type { AuditEventRepository } from '../store/audit-event.repository.js';
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
 * classified, scored, redacted, bounded and numbered, and then handed to delivery. Never throws and never waits.
 */
export class AuditRecorder {
  /** Of this process, since it started: `sequence` counts its events without a gap. */
  readonly source = createEventId(Date.now());
  private sequence = 0;
  private readonly buffer: EventBuffer;
  private readonly listeners = new Set<(event: AuditLogEvent) => void>();
  private readonly warnings: RateLimitedLog;

  constructor(
    private readonly repository: AuditEventRepository,
    private readonly isSecretKey: (key: string) => boolean,
    logger: AuditLogger,
    delivery: DeliveryOptions = {},
    private readonly service?: ServiceOptions,
  ) {
    this.warnings = new RateLimitedLog(logger);
    this.buffer = new EventBuffer(repository, logger, delivery, (dropped) =>
      this.number(
        this.complete({
          action: 'audit.drop',
          category: 'system',
          outcome: 'failure',
          severity: 'high',
          details: { dropped },
        }),
      ),
    );
  }

  /**
   * Records the event.
   *
   * @returns the event as it is stored, or `undefined` when it was dropped because the buffer is full
   */
  record(draft: AuditEventDraft): AuditLogEvent | undefined {
    const event = this.complete(draft);
    if (!this.buffer.hasRoom()) {
      this.buffer.countDropped();
      return undefined;
    }
    this.buffer.push(this.number(event));
    this.notify(event);
    return event;
  }

  /** Writes the event in the caller's transaction: it commits and rolls back with it. */
  async recordWith(manager: EntityManager, draft: AuditEventDraft): Promise<AuditLogEvent> {
    // Not numbered: a rollback would leave a gap in the sequence that no loss explains.
    const event = this.complete(draft);
    await this.repository.append([event], manager);
    this.notify(event);
    return event;
  }

  /** Calls `listener` with each event recorded from now on. Answers how to stop. */
  subscribe(listener: (event: AuditLogEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  flush(): Promise<void> {
    return this.buffer.flush();
  }

  /** Stores what was recorded, as far as the time set for a shutdown allows. Never throws. */
  drain(): Promise<void> {
    return this.buffer.drain();
  }

  close(patienceMs?: number): Promise<void> {
    return this.buffer.close(patienceMs);
  }

  status(): DeliveryStatus {
    return this.buffer.status();
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

  private number(event: AuditLogEvent): AuditLogEvent {
    event.metadata['source'] = this.source;
    event.metadata['sequence'] = ++this.sequence;
    return event;
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
