import { list, number, raw, sql } from './sql.js';
import type { Sql, SqlPart } from './sql.js';

/**
 * One statement that answers the same figures for each of several rows of values, with a column `place`: the row's, from 0.
 *
 * On MySQL it is as many questions in one, since only in a comparison with a value itself an index of any collation is used. The others take the rows
 * as a table: PostgreSQL plans each of many questions for longer than it takes to answer them.
 *
 * @param rows at least one, all with the same columns: of ids and numbers
 * @param select the figures, by the values of the row's columns
 */
export function rowByRow<C extends string>(
  rows: readonly Readonly<Record<C, SqlPart>>[],
  select: (of: Readonly<Record<C, SqlPart>>) => Sql,
): Sql {
  const columns = Object.keys(rows[0]!) as C[];
  const ofRow = Object.fromEntries(columns.map((column) => [column, raw(`r.${column}`)])) as Record<C, Sql>;
  const cast =
    (value: SqlPart): SqlPart =>
    (dialect) =>
      dialect === 'postgres' ? sql`${value}::${raw(typeof value === 'number' ? 'bigint' : 'uuid')}` : value;
  const questions = rows.map((row, place) => sql`SELECT ${number(place)} AS place, ${select(row)}`);
  const values = rows.map(
    (row, place) => sql`(${list([number(place), ...columns.map((column) => cast(row[column]))])})`,
  );
  const asTable = sql`WITH r(${raw(['place', ...columns].join(', '))}) AS (VALUES ${list(values)})
    SELECT r.place AS place, ${select(ofRow)} FROM r`;
  return sql`${(dialect) => (dialect === 'mysql' ? list(questions, ' UNION ALL ') : asTable)}`;
}
