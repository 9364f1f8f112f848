import { canonicalEventOf } from '../ledger/canonical-event.js';
import { leafHash } from '../ledger/merkle.js';
import { present } from '../event/present.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import type { EventRow } from './event-row.js';

/**
 * What the leaf of a stored event is the hash of, from its row: over the very text of its records, so that a row that
 * was changed into the same event in other words is another leaf too.
 */
export function leafDataOf(row: EventRow): Buffer {
  const text = (name: keyof EventRow) => (row[name] === null ? undefined : String(row[name]));
  const canonical = canonicalEventOf({
    id: String(row.id),
    timestamp: Number(row.timestamp),
    tenantId: String(row.tenant_id),
    ...present('userId', text('user_id')),
    action: String(row.action),
    resource: String(row.resource),
    ...present('resourceId', text('resource_id')),
    details: String(row.details),
    ...present('ipAddress', text('ip_address')),
    ...present('userAgent', text('user_agent')),
    ...present('sessionId', text('session_id')),
    severity: row.severity as AuditLogEvent['severity'],
    category: row.category as AuditLogEvent['category'],
    outcome: row.outcome as AuditLogEvent['outcome'],
    riskScore: Number(row.risk_score),
    complianceFlags: String(row.compliance_flags),
    metadata: String(row.metadata),
  });
  return Buffer.from(canonical);
}

/** The hash of the leaf of a stored event. */
export function leafHashOf(row: EventRow): Buffer {
  return leafHash(leafDataOf(row));
}
