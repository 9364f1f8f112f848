import { canonicalEventOf } from '../ledger/canonical-event.js';
import { leafHash } from '../ledger/merkle.js';
import { present } from '../event/present.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { toInteger } from './column-value.js';
import { EVENT_COLUMNS } from './event-row.js';
import type { EventColumn, EventRow } from './event-row.js';

const INTEGERS: ReadonlySet<EventColumn> = new Set(['timestamp', 'risk_score']);
const OPTIONAL: ReadonlySet<EventColumn> = new Set([
  'user_id',
  'resource_id',
  'ip_address',
  'user_agent',
  'session_id',
]);

/**
 * The first column that holds another type than the library writes there. SQLite takes any: the same bytes as a BLOB read
 * alike here, and are found by no query.
 */
export function mistypedColumn(row: EventRow): EventColumn | undefined {
  return EVENT_COLUMNS.find((name) => {
    const value = row[name];
    if (value === null) return !OPTIONAL.has(name);
    return INTEGERS.has(name) ? Number.isNaN(toInteger(value)) : typeof value !== 'string';
  });
}

/**
 * What the leaf of a stored event is the hash of, from its row: over the very text of its records, so that a row that
 * was changed into the same event in other words is another leaf too.
 */
export function leafDataOf(row: EventRow): Buffer {
  // Such a row is no event, and was never sealed as one: what no event is, a list.
  if (mistypedColumn(row)) return Buffer.from(JSON.stringify(EVENT_COLUMNS.map((name) => row[name])));
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
