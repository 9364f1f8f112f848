import type { Sql } from './sql.js';
import type { StoredId } from './stored-id.js';

type Value = StoredId | number | null;

/** What is asked of each of many rows. */
export interface RowByRow {
  readonly text: string;
  readonly values: readonly Value[];
}

/**
 * One statement that answers the same figures for each of several rows of values, with a column `place`: the row's, from 0.
 *
 * On MySQL it is as many questions in one, since only in a comparison with a value itself an index of any collation is used. The others take the rows
 * as a table: PostgreSQL plans each of many questions for longer than it takes to answer them.
 *
 * @param rows at least one, all with the same columns: of ids and numbers
 * @param select the SQL of the figures. `of`: the value of a column of the row; `bind`: another value
 */
export function rowByRow(
  { dialect, q, next }: Sql,
  rows: readonly Readonly<Record<string, Value>>[],
  select: (of: (column: string) => string, bind: (value: Value) => string) => string,
): RowByRow {
  const values: Value[] = [];
  const bind = (value: Value) => {
    values.push(value);
    return next();
  };
  if (dialect === 'mysql') {
    const each = rows.map(
      (row, place) =>
        `SELECT ${place} AS ${q('place')}, ${select((column) => bind(row[column] ?? null), bind)}`,
    );
    return { text: each.join(' UNION ALL '), values };
  }
  const columns = Object.keys(rows[0]!);
  const cast = (value: Value) => {
    if (dialect === 'sqlite') return bind(value);
    return `${bind(value)}::${typeof value === 'number' ? 'bigint' : 'uuid'}`;
  };
  const list = rows.map(
    (row, place) => `(${[place, ...columns.map((column) => cast(row[column] ?? null))].join(', ')})`,
  );
  const text = `WITH r(${['place', ...columns].map(q).join(', ')}) AS (VALUES ${list.join(', ')})
    SELECT r.${q('place')} AS ${q('place')}, ${select((column) => `r.${q(column)}`, bind)} FROM r`;
  return { text, values };
}
