import type { AuditLogEvent } from 'nest-audit-trail';
import { createEventId } from '../../src/event/event-id.js';
import type { DetectorHost } from '../../src/features/detection/detector.js';
import type { Finding } from '../../src/features/detection/finding.js';
import { findingDraft } from '../../src/features/detection/finding.js';
import type { AuditEventRepository } from '../../src/store/audit-event.repository.js';
import { judged } from '../risk/judged-event.js';

/** An event as it is recorded, by default a user's read of an invoice. */
export function watched(more: Partial<AuditLogEvent> = {}): AuditLogEvent {
  return judged({ metadata: { schemaVersion: 1 }, ...more });
}

/** A failed login from an address. */
export function failedLogin(more: Partial<AuditLogEvent> = {}): AuditLogEvent {
  return watched({ action: 'session.login', category: 'authentication', outcome: 'failure', ...more });
}

/** A finding as the event that is stored of it. */
export function findingEvent(finding: Finding, id?: string): AuditLogEvent {
  const draft = findingDraft(finding, id);
  return watched({
    ...(draft as Partial<AuditLogEvent>),
    id: id ?? createEventId(finding.lastAt),
    timestamp: finding.lastAt,
  });
}

/** Takes what a detector says; its store is the real one where there is one. */
export class ListeningHost implements DetectorHost {
  readonly reported: Finding[] = [];
  readonly stored: Finding[] = [];

  constructor(
    private readonly events?: AuditEventRepository,
    readonly flush: () => Promise<void> = () => Promise.resolve(),
  ) {}

  readonly report = (finding: Finding) => void this.reported.push(finding);

  readonly store = async (finding: Finding, id: string) => {
    await this.events?.append([findingEvent(finding, id)]);
    this.stored.push(finding);
  };
}

export const silent = { log: () => undefined, warn: () => undefined, error: () => undefined };
