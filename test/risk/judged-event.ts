import type { AuditLogEvent } from 'nest-audit-trail';
import { createEventId } from '../../src/event/event-id.js';

/** An event that nothing but its category makes risky, with what the test says over it. */
export function judged(more: Partial<AuditLogEvent> = {}): AuditLogEvent {
  const timestamp = more.timestamp ?? Date.now();
  return {
    id: createEventId(timestamp),
    timestamp,
    tenantId: 'acme',
    action: 'invoice.read',
    resource: 'invoice',
    details: {},
    severity: 'low',
    category: 'data_access',
    outcome: 'success',
    riskScore: 0,
    complianceFlags: [],
    metadata: {},
    ...more,
  };
}
