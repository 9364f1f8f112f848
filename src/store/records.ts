// Records of a table whose columns have the names of their properties: `leafIndex` is in `leaf_index`.
import type { AuditDatabase } from './audit-database.js';
import { columnOf } from './columns.js';
import type { RecordOf, Shape } from './columns.js';
import type { TableRows } from './insert-rows.js';
import { ask, columnsOf, sql } from './sql.js';
import type { Row, Sql } from './sql.js';
import type { StoredValue } from './stored-row.js';
import type { AuditTable } from './table-name.js';

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
  return (await ask(database, sql`SELECT ${columnsOf('t', shape)} ${from}`)).map(rowReader(shape));
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
  columns: S,
  records: readonly Readonly<Record<keyof S, StoredValue>>[],
): TableRows {
  const names = Object.keys(columns);
  return { table, columns, rows: records.map((record) => names.map((name) => record[name]!)) };
}
