// Between the rows of the library, in which ids and names are texts, and those of the database.
import { AuditError } from '../event/audit-error.js';
import { showValue } from '../event/show-value.js';
import { codeOf, isCodeColumn, readCode } from './codes.js';
import { readId, storedId } from './stored-id.js';
import type { AuditTable, SqlDialect } from './table-name.js';

/** A value of a statement. */
export type StoredValue = string | number | Buffer | null;

/** The columns that hold ids. The keys of persons have texts: one of them is no UUID, and there are few of them. */
const ID_COLUMNS: Partial<Readonly<Record<AuditTable, readonly string[]>>> = {
  audit_events: ['id', 'source'],
  audit_dead_letters: ['id', 'source'],
  audit_sources: ['id', 'source'],
  audit_leaves: ['event_id', 'source'],
};

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
  table: AuditTable,
  columns: readonly string[],
  rows: readonly (readonly StoredValue[])[],
): StoredValue[] {
  const ids = ID_COLUMNS[table] ?? [];
  const isEvent = table === 'audit_events';
  const isStoredAsIs = columns.map((name) => !ids.includes(name) && !(isEvent && isCodeColumn(name)));
  const values: StoredValue[] = [];
  // As `rows.flat()`, which takes V8 many times as long.
  for (const row of rows) {
    for (let index = 0; index < row.length; index += 1) {
      const value = row[index]!;
      values.push(
        isStoredAsIs[index] || value === null ? value : storedValue(dialect, columns[index]!, value),
      );
    }
  }
  return values;
}

function storedValue(dialect: SqlDialect, column: string, value: StoredValue): StoredValue {
  const text = String(value);
  const stored = isCodeColumn(column) ? codeOf(column, text) : storedId(dialect, text);
  if (stored !== null) return stored;
  throw new AuditError(
    'AUDIT_INVALID_EVENT',
    `The row can't be stored: its ${column} can't be ${showValue(value)}.`,
  );
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
