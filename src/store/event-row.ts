import { AuditError } from '../event/audit-error.js';
import { canonicalJson } from '../ledger/canonical-json.js';
import type { AuditLogEvent, AuditValue } from '../event/audit-log-event.js';
import { isEventId, timestampOf } from '../event/event-id.js';
import { parsedJson, readEvent } from '../event/read-event.js';
import type { ReadEvent } from '../event/read-event.js';
import { toInteger } from './column-value.js';

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

/** The fields of a row as it was read: ids and codes are texts where they are some, bigints may be strings. */
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
    const message = `The audit event can't be stored, since it is not valid: ${String((cause as Error).message)}.`;
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
  const numbered = isEventId(source) && isOrdinal(sequence);
  return numbered ? [source, sequence] : [null, null];
}

function isOrdinal(value: AuditValue | undefined): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 1;
}

/** A row with the columns that repeat its event's number. */
export type NumberedRow = EventRow & {
  readonly source: string | null;
  readonly sequence: string | number | null;
};

/** The event that a row holds, whatever it holds, and what could not be read of it. */
export function readRow(row: EventRow): ReadEvent {
  return readEvent({
    id: row.id,
    timestamp: toInteger(row.timestamp),
    tenantId: row.tenant_id,
    userId: row.user_id ?? undefined,
    action: row.action,
    resource: row.resource,
    resourceId: row.resource_id ?? undefined,
    details: parsedJson(row.details),
    ipAddress: row.ip_address ?? undefined,
    userAgent: row.user_agent ?? undefined,
    sessionId: row.session_id ?? undefined,
    severity: row.severity,
    category: row.category,
    outcome: row.outcome,
    riskScore: toInteger(row.risk_score),
    complianceFlags: parsedJson(row.compliance_flags),
    metadata: parsedJson(row.metadata),
  });
}

/**
 * Why no process of this library can have written the row; `undefined` where one can. Such a row never gets into the log,
 * so that whoever may delete it can undo it.
 */
export function whyNoEvent(row: NumberedRow): string | undefined {
  const { event, unreadable } = readRow(row);
  if (unreadable.length > 0) return `can't be read as an event (${unreadable.join(', ')})`;
  const [source, sequence] = numberOf(event);
  if (row.source !== source || (row.sequence === null ? null : toInteger(row.sequence)) !== sequence) {
    return 'has another number in its columns source and sequence than in its metadata';
  }
  if (timestampOf(event.id) !== event.timestamp) return 'has an id of another time than its timestamp';
  // A proof is of the event, whose text is made again: sealed in other words, it could never be proved.
  const isWorded =
    row.details === canonicalJson(event.details) &&
    row.compliance_flags === canonicalJson(event.complianceFlags) &&
    row.metadata === canonicalJson(event.metadata);
  return isWorded ? undefined : 'its JSON is not worded as this library words it';
}
