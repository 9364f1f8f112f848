import type { AuditDatabase } from './audit-database.js';
import { ask, idAfter, isId, number, raw, sql } from './sql.js';
import type { Row, Sql, SqlPart } from './sql.js';
import type { AuditTable } from './table-name.js';

/** Below MySQL's limit of recursion, 1,000. */
const VALUES_AT_ONCE = 500;

/**
 * The distinct values of a text column that begins an index, in their order, one portion after another. On SQLite, values that are no text
 * are passed over.
 */
export function distinctValues(
  database: AuditDatabase,
  table: AuditTable,
  column: string,
): AsyncGenerator<string[]> {
  // SQLite takes bytes that are no text of UTF-8, which are not the same any more once they were read as a text.
  const after = (last: Row | undefined): SqlPart => {
    const bytes = Buffer.from(String(last?.['bytes'] ?? ''), 'hex');
    return (dialect) => (dialect === 'sqlite' ? sql`CAST(${bytes} AS TEXT)` : String(last?.[column] ?? ''));
  };
  // There a BLOB is greater than every text, so it could be asked for again and again.
  const isText = (name: string): SqlPart => {
    return (dialect) => raw(dialect === 'sqlite' ? `${name} < X''` : '1 = 1');
  };
  return jumps(database, table, column, (last) => sql`> ${after(last)}`, isText);
}

/**
 * The distinct ids of a column that begins an index, as {@link distinctValues}. On SQLite, what is no id is passed over.
 *
 * @param first the id that the first one comes after; an empty text for all
 */
export function distinctIds(
  database: AuditDatabase,
  table: AuditTable,
  column: string,
  first = '',
): AsyncGenerator<string[]> {
  const after = (last: Row | undefined) => sql`>= ${idAfter(last ? String(last[column]) : first)}`;
  return jumps(database, table, column, after, isId);
}

/**
 * By jumps from one value to the next, so that it costs the same however many rows each has.
 *
 * @param after the condition of the values after the last row of an answer, or of the first ones
 */
async function* jumps(
  database: AuditDatabase,
  tableName: AuditTable,
  columnName: string,
  after: (last: Row | undefined) => Sql,
  isOne: (column: string) => SqlPart,
): AsyncGenerator<string[]> {
  const [table, column] = [raw(tableName), raw(columnName)];
  const most = number(VALUES_AT_ONCE);
  const lowest = (where: Sql) =>
    sql`(SELECT e.${column} FROM ${table} e WHERE e.${column} ${where} AND ${isOne(`e.${columnName}`)}
      ORDER BY e.${column} LIMIT 1)`;
  for (let last: Row | undefined; ;) {
    // MySQL jumps by itself, and scans the whole index where it is told to; the others the other way round.
    const mysql = sql`SELECT DISTINCT ${column} FROM ${table} WHERE ${column} ${after(last)} ORDER BY ${column} LIMIT ${most}`;
    const others = sql`WITH RECURSIVE v(${column}, depth) AS (
        SELECT ${lowest(after(last))}, 1
        UNION ALL
        SELECT ${lowest(sql`> v.${column}`)}, v.depth + 1 FROM v WHERE v.${column} IS NOT NULL AND v.depth < ${most})
      SELECT v.${column} AS ${column}${(dialect) => raw(dialect === 'sqlite' ? `, HEX(v.${columnName}) AS bytes` : '')}
        FROM v WHERE v.${column} IS NOT NULL ORDER BY v.${column}`;
    const rows = await ask(database, sql`${(dialect) => (dialect === 'mysql' ? mysql : others)}`);
    if (rows.length > 0) yield rows.map((row) => String(row[columnName]));
    if (rows.length < VALUES_AT_ONCE) return;
    last = rows.at(-1);
  }
}
