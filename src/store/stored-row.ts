// Between the rows of the library, in which ids and names are texts, and those of the database.
import { AuditError } from '../event/audit-error.js';
import { showValue } from '../event/show-value.js';
import { isCodeColumn, readCode } from './codes.js';
import { columnOf } from './columns.js';
import type { Shape } from './columns.js';
import { readId } from './stored-id.js';
import type { SqlDialect } from './table-name.js';

/** A value of a statement. */
export type StoredValue = string | number | Buffer | null;

/** What columns of ids are called in answers. */
const ANSWERED_IDS: ReadonlySet<string> = new Set([
  'id',
  'source',
  'event_id',
  'leaf_event_id',
  'leaf_source',
  'stored_id',
  'first_id',
  'last_id',
]);

/**
 * The values of the rows, one row after another, as the database keeps them.
 *
 * @throws AuditError `AUDIT_INVALID_EVENT` where an id is none, or a code has no such text
 */
export function storedValues(
  dialect: SqlDialect,
  columns: Shape,
  rows: readonly (readonly StoredValue[])[],
): StoredValue[] {
  const names = Object.keys(columns);
  const stores = names.map((name) => columns[name]!.store);
  const values: StoredValue[] = [];
  // As `rows.flat()`, which takes V8 many times as long.
  for (const row of rows) {
    for (let index = 0; index < row.length; index += 1) {
      const value = row[index]!;
      const store = value === null ? undefined : stores[index];
      const stored = store ? store(dialect, String(value)) : value;
      if (store && stored === null) {
        throw new AuditError(
          'AUDIT_INVALID_EVENT',
          `The row can't be stored: its ${columnOf(names[index]!)} can't be ${showValue(value)}.`,
        );
      }
      values.push(stored);
    }
  }
  return values;
}

/**
 * The rows of an answer with their ids and codes as texts. What can not be read as one is shown as it is: bytes instead of an id, the number of
 * an unknown code, `NaN` for what is no code at all.
 */
export function readRows<T>(dialect: SqlDialect, rows: T[]): T[] {
  const [first] = rows;
  if (typeof first !== 'object' || first === null) return rows;
  const names = Object.keys(first);
  const ids = names.filter((name) => ANSWERED_IDS.has(name));
  const codes = names.flatMap((name) => {
    const column = name.replace(/^stored_/, '');
    return isCodeColumn(column) ? [{ name, column }] : [];
  });
  if (ids.length === 0 && codes.length === 0) return rows;
  for (const row of rows as Record<string, unknown>[]) {
    for (const name of ids) row[name] = readId(dialect, row[name]);
    for (const { name, column } of codes) row[name] = readCode(column, row[name]);
  }
  return rows;
}
