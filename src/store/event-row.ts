import { canonicalJson } from '../ledger/canonical-json.js';
import type { AuditFacts, AuditLogEvent } from '../event/audit-log-event.js';

/** The columns of `audit_events`, in the order in which rows are written. */
export const EVENT_COLUMNS = [
  'id',
  'timestamp',
  'tenant_id',
  'user_id',
  'action',
  'resource',
  'resource_id',
  'details',
  'ip_address',
  'user_agent',
  'session_id',
  'severity',
  'category',
  'outcome',
  'risk_score',
  'compliance_flags',
  'metadata',
] as const;

export type EventColumn = (typeof EVENT_COLUMNS)[number];

/** A row as a database driver answers it: bigints may be strings. */
export type EventRow = Record<EventColumn, string | number | null>;

/** The event's values in the order of {@link EVENT_COLUMNS}. */
export function toRow(event: AuditLogEvent): (string | number | null)[] {
  return [
    event.id,
    event.timestamp,
    event.tenantId,
    event.userId ?? null,
    event.action,
    event.resource,
    event.resourceId ?? null,
    canonicalJson(event.details),
    event.ipAddress ?? null,
    event.userAgent ?? null,
    event.sessionId ?? null,
    event.severity,
    event.category,
    event.outcome,
    event.riskScore,
    canonicalJson(event.complianceFlags),
    canonicalJson(event.metadata),
  ];
}

/** The event that a row holds. The row is trusted to be what {@link toRow} wrote. */
export function fromRow(row: EventRow): AuditLogEvent {
  return {
    id: String(row.id),
    timestamp: Number(row.timestamp),
    tenantId: String(row.tenant_id),
    ...(row.user_id !== null && { userId: String(row.user_id) }),
    action: String(row.action),
    resource: String(row.resource),
    ...(row.resource_id !== null && { resourceId: String(row.resource_id) }),
    details: JSON.parse(String(row.details)) as AuditFacts,
    ...(row.ip_address !== null && { ipAddress: String(row.ip_address) }),
    ...(row.user_agent !== null && { userAgent: String(row.user_agent) }),
    ...(row.session_id !== null && { sessionId: String(row.session_id) }),
    severity: row.severity as AuditLogEvent['severity'],
    category: row.category as AuditLogEvent['category'],
    outcome: row.outcome as AuditLogEvent['outcome'],
    riskScore: Number(row.risk_score),
    complianceFlags: JSON.parse(String(row.compliance_flags)) as string[],
    metadata: JSON.parse(String(row.metadata)) as AuditFacts,
  };
}
