import type { AuditFacts, AuditLogEvent } from '../../src/event/audit-log-event.js';
import type { RuleBook } from '../../src/features/rules/rule-book.js';

/** An event of which a test says only what it is about. */
export function eventOf(
  event: Partial<Omit<AuditLogEvent, 'details' | 'metadata'>> = {},
  details: AuditFacts = {},
  metadata: AuditFacts = {},
): AuditLogEvent {
  return {
    id: '01a2092a-40f3-7618-b679-3261446bb92f',
    timestamp: 1_795_450_093_811,
    tenantId: 'acme',
    action: 'invoice.read',
    resource: 'invoice',
    severity: 'low',
    category: 'data_access',
    outcome: 'success',
    riskScore: 5,
    complianceFlags: [],
    ...event,
    details,
    metadata: { schemaVersion: 1, ...metadata },
  };
}

/** The ids of the rules that match, in their order. */
export function idsOf(book: RuleBook, event: AuditLogEvent): string[] {
  return book.matching(event).map(({ id }) => id);
}
