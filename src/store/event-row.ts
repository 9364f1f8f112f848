import { AuditError } from '../event/audit-error.js';
import { canonicalJson } from '../ledger/canonical-json.js';
import type { AuditFacts, AuditLogEvent, AuditValue } from '../event/audit-log-event.js';

/** The columns that hold the fields of an event, in their order. */
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

/**
 * All columns of `audit_events`, in the order in which rows are written. The last two repeat what `metadata` says of
 * the event's number, so that an index can tell what is missing.
 */
export const ROW_COLUMNS = [...EVENT_COLUMNS, 'source', 'sequence'] as const;

export type EventColumn = (typeof EVENT_COLUMNS)[number];

/** The fields of a row as a database driver answers it: bigints may be strings. */
export type EventRow = Record<EventColumn, string | number | null>;

/**
 * The event's values in the order of {@link ROW_COLUMNS}.
 *
 * @throws AuditError `AUDIT_INVALID_EVENT` where they can't be had of what is no event
 */
export function toRow(event: AuditLogEvent): (string | number | null)[] {
  try {
    return valuesOf(event);
  } catch (cause) {
    const message = `The audit event can't be stored, since it is none: ${String((cause as Error).message)}.`;
    throw new AuditError('AUDIT_INVALID_EVENT', message, { cause });
  }
}

function valuesOf(event: AuditLogEvent): (string | number | null)[] {
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
    ...numberOf(event),
  ];
}

/**
 * The event's source and its sequence there, for the columns of these names: both, or `null` for both where the event
 * is not numbered as the library numbers.
 */
export function numberOf({
  metadata,
}: Pick<AuditLogEvent, 'metadata'>): [source: string | null, sequence: number | null] {
  const { source, sequence } = metadata;
  const numbered = typeof source === 'string' && PRINTABLE_ID.test(source) && isOrdinal(sequence);
  return numbered ? [source, sequence] : [null, null];
}

/** What every encoding of a `varchar(36)` takes. */
const PRINTABLE_ID = /^[!-~]{1,36}$/;

function isOrdinal(value: AuditValue | undefined): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 1;
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
