// Records of a table whose columns have the names of their properties: `leafIndex` is in `leaf_index`.
import type { AuditDatabase } from './audit-database.js';
import { toInteger, toText } from './column-value.js';
import type { TableRows } from './insert-rows.js';
import { ask, columnsOf, sql } from './sql.js';
import type { Row, Sql } from './sql.js';
import type { StoredValue } from './stored-row.js';
import type { AuditTable } from './table-name.js';

/** How a column is read, and up to how many bytes. */
export interface Column<T = unknown> {
  readonly read: (value: unknown) => T;
  readonly most?: number;
}

type Shape = Readonly<Record<string, Column>>;

/** A record as its columns are read. */
export type RecordOf<S extends Shape> = { readonly [K in keyof S]: ReturnType<S[K]['read']> };

/** `NaN` where the column holds no integer. */
export const integer: Column<number> = { read: toInteger };
/** See `toText`. */
export const text: Column<string> = { read: toText };

/** `null` where the column is. */
export function optional<T>({ read }: Column<T>): Column<T | null> {
  return { read: (value) => (value === null ? null : read(value)) };
}

/** A text of so many bytes at most: the library writes no longer one, and one of somebody else must not fill the memory. */
export function textUpTo(most: number): Column<string> {
  return { ...text, most };
}

/**
 * The records of a table that goes by the alias `t`.
 *
 * @param from SQL of what comes after the columns, beginning with `FROM`
 */
export async function read<S extends Shape>(
  database: AuditDatabase,
  shape: S,
  from: Sql,
): Promise<RecordOf<S>[]> {
  const most = Object.fromEntries(
    Object.entries(shape).map(([name, column]) => [columnOf(name), column.most]),
  );
  const columns = columnsOf('t', columnNamesOf(shape), '', most);
  return (await ask(database, sql`SELECT ${columns} ${from}`)).map(rowReader(shape));
}

/** Reads the record of a row. @param prefix of the columns' names in the answer */
export function rowReader<S extends Shape>(shape: S, prefix = ''): (row: Row) => RecordOf<S> {
  const columns = Object.entries(shape).map(
    ([name, column]) => [name, prefix + columnOf(name), column] as const,
  );
  return (row) =>
    Object.fromEntries(
      columns.map(([name, at, column]) => [name, column.read(row[at] ?? null)]),
    ) as RecordOf<S>;
}

/** The records as rows to be inserted. */
export function rowsOf<S extends Shape>(
  table: AuditTable,
  shape: S,
  records: readonly Readonly<Record<keyof S, StoredValue>>[],
): TableRows {
  const names = Object.keys(shape);
  return {
    table,
    columns: columnNamesOf(shape),
    rows: records.map((record) => names.map((name) => record[name]!)),
  };
}

/** The columns of a record, in their order. */
export function columnNamesOf(shape: Shape): string[] {
  return Object.keys(shape).map(columnOf);
}

function columnOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
