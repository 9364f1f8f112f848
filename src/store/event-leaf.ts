import { canonicalEventOf } from '../ledger/canonical-event.js';
import type { EventParts } from '../ledger/canonical-event.js';
import { leafHash } from '../ledger/merkle.js';
import { toInteger } from './column-value.js';
import { EVENT_COLUMNS, EVENT_FIELDS } from './event-row.js';
import type { EventColumn, EventRow } from './event-row.js';

/**
 * The first column that holds another type than the library writes there. SQLite takes any: the same bytes as a BLOB read
 * alike here, and are found by no query.
 */
export function mistypedColumn(row: EventRow): EventColumn | undefined {
  return EVENT_FIELDS.find(({ column, kind }) => {
    const value = row[column];
    if (value === null) return kind !== 'optional';
    return kind === 'integer' ? Number.isNaN(toInteger(value)) : typeof value !== 'string';
  })?.column;
}

/**
 * What the leaf of a stored event is the hash of, from its row: over the very text of its records, so that a row that
 * was changed into the same event in other words is another leaf too.
 */
export function leafTextOf(row: EventRow): string {
  // Such a row is no event, and was never sealed as one: what no event is, a list.
  if (mistypedColumn(row)) {
    const values: unknown[] = EVENT_COLUMNS.map((name) => row[name]);
    return JSON.stringify(values.map((value) => (typeof value === 'bigint' ? String(value) : value)));
  }
  return textOf(
    EVENT_FIELDS.map(({ column, kind }) => (kind === 'integer' ? Number(row[column]) : row[column])),
  );
}

/** The hash of the leaf of a stored event. */
export function leafHashOf(row: EventRow): Buffer {
  return leafHash(leafTextOf(row));
}

/** The hash of the leaf of an event that is stored in these values, as `toRow` makes them. */
export function leafHashOfValues(values: readonly unknown[]): Buffer {
  return leafHash(textOf(values));
}

function textOf(values: readonly unknown[]): string {
  const parts: Record<string, unknown> = {};
  for (const [index, { name }] of EVENT_FIELDS.entries()) parts[name] = values[index] ?? undefined;
  return canonicalEventOf(parts as EventParts);
}
