import { AuditError } from '../event/audit-error.js';
import { canonicalJson } from '../ledger/canonical-json.js';
import type { AuditFacts, AuditLogEvent, AuditValue } from '../event/audit-log-event.js';
import { isEventId, timestampOf } from '../event/event-id.js';
import { isAuditEvent, parsedJson, readEvent } from '../event/read-event.js';
import type { ReadEvent } from '../event/read-event.js';
import { EVENT, EVENT_ROW } from './audit.entities.js';
import { toInteger } from './column-value.js';
import { columnNamesOf, columnOf } from './columns.js';
import type { Column, ColumnName } from './columns.js';

/** The fields of an event in the order of their columns, with what these hold: `json` is canonical JSON, `optional` a text or NULL. */
export const EVENT_FIELDS = Object.entries(EVENT).map(([name, column]) => ({
  name: name as keyof typeof EVENT,
  column: columnOf(name) as EventColumn,
  kind: kindOf(column),
}));

function kindOf({ json, read, entity }: Column): 'integer' | 'json' | 'optional' | 'text' {
  if (json) return 'json';
  if (read === toInteger) return 'integer';
  return entity.nullable ? 'optional' : 'text';
}

export type EventColumn = ColumnName<keyof typeof EVENT>;

export const EVENT_COLUMNS = columnNamesOf(EVENT);

/** All columns of `audit_events`, in the order in which rows are written. */
export const ROW_COLUMNS = columnNamesOf(EVENT_ROW);

/** The fields of a row as it was read: ids and codes are texts where they are some, bigints may be strings. */
export type EventRow = Record<EventColumn, string | number | null>;

/** The values of a row in the order of {@link ROW_COLUMNS}. */
export type RowValues = (string | number | null)[];

/**
 * The event's row.
 *
 * @throws AuditError `AUDIT_INVALID_EVENT` where they can't be had of what is no event
 */
export function toRow(event: AuditLogEvent): RowValues {
  try {
    const values = EVENT_FIELDS.map(({ name, kind }) => {
      const value: unknown = event[name];
      if (kind === 'json') return canonicalJson(value as AuditFacts);
      return (kind === 'optional' ? (value ?? null) : value) as RowValues[number];
    });
    return [...values, ...numberOf(event)];
  } catch (cause) {
    const message = `The audit event can't be stored, since it is not valid: ${String((cause as Error).message)}.`;
    throw new AuditError('AUDIT_INVALID_EVENT', message, { cause });
  }
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

/** Which number a row has: its columns that repeat its event's. */
export type RowNumber = Pick<EventRow, 'id'> & {
  readonly source: string | null;
  readonly sequence: string | number | null;
};

export type NumberedRow = EventRow & RowNumber;

/** Whether the row has the number of the event in its columns. */
export function hasNumberOf(
  row: Pick<NumberedRow, 'sequence'> & { readonly source: unknown },
  event: AuditLogEvent,
): boolean {
  const [source, sequence] = numberOf(event);
  return row.source === source && (row.sequence === null ? null : toInteger(row.sequence)) === sequence;
}

/** The event that a row holds, whatever it holds, and what could not be read of it. */
export function readRow(row: EventRow): ReadEvent {
  const parts: Record<string, unknown> = {};
  for (const { name, column, kind } of EVENT_FIELDS) {
    const value = row[column];
    if (kind === 'integer') parts[name] = toInteger(value);
    else if (kind === 'json') parts[name] = parsedJson(value);
    else parts[name] = kind === 'optional' ? (value ?? undefined) : value;
  }
  return readEvent(parts);
}

/**
 * Why no process of this library can have written the row; `undefined` where one can. Such a row never gets into the log,
 * so that whoever may delete it can undo it.
 */
export function whyNoEvent(row: NumberedRow): string | undefined {
  const { event, unreadable } = readRow(row);
  if (unreadable.length > 0) return `can't be read as an event (${unreadable.join(', ')})`;
  if (!hasNumberOf(row, event)) {
    return 'has another number in its columns source and sequence than in its metadata';
  }
  if (timestampOf(event.id) !== event.timestamp) return 'has an id of another time than its timestamp';
  if (!isAuditEvent(event)) return 'is not an event as this library writes it';
  // A proof is of the event, whose text is made again: sealed in other words, it could never be proved.
  const isWorded =
    row.details === canonicalJson(event.details) &&
    row.compliance_flags === canonicalJson(event.complianceFlags) &&
    row.metadata === canonicalJson(event.metadata);
  return isWorded ? undefined : 'its JSON is not worded as this library words it';
}
