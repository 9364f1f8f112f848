import type { AuditDatabase } from './audit-database.js';
import { ask, isId, sqlOf } from './sql.js';
import type { AuditTable } from './table-name.js';

/** Below MySQL's limit of recursion, 1,000. */
const VALUES_AT_ONCE = 500;

/**
 * The distinct values of a text column that begins an index, in their order, one portion after another: by jumps from one
 * value to the next, so that it costs the same however many rows each has. On SQLite, values that are no text are passed over.
 *
 * @throws AuditError `AUDIT_STORE_UNAVAILABLE`
 */
export async function* distinctValues(
  database: AuditDatabase,
  name: AuditTable,
  columnName: string,
): AsyncGenerator<string[]> {
  // SQLite takes bytes that are no text of UTF-8, which are not the same any more once they were read as a text.
  const isBytes = sqlOf(database).dialect === 'sqlite';
  for (let place = ''; ;) {
    const { dialect, q, table, next } = sqlOf(database);
    const [from, column, depth, bytes] = [table(name), q(columnName), q('depth'), q('bytes')];
    const start = isBytes ? `CAST(x'${place}' AS TEXT)` : next();
    // There a BLOB is greater than every text, so it could be asked for again and again.
    const isText = (name: string) => (isBytes ? ` AND ${name} < X''` : '');
    const rows = await ask(
      database,
      // MySQL jumps by itself, and scans the whole index where it is told to; the others the other way round.
      dialect === 'mysql'
        ? `SELECT DISTINCT ${column} FROM ${from} WHERE ${column} > ${start} ORDER BY ${column} LIMIT ${VALUES_AT_ONCE}`
        : `WITH RECURSIVE v AS (
            SELECT MIN(e.${column}) AS ${column}, 1 AS ${depth} FROM ${from} e WHERE e.${column} > ${start}${isText(`e.${column}`)}
            UNION ALL
            SELECT (SELECT MIN(e.${column}) FROM ${from} e WHERE e.${column} > v.${column}${isText(`e.${column}`)}), v.${depth} + 1
              FROM v WHERE v.${column} IS NOT NULL AND v.${depth} < ${VALUES_AT_ONCE})
          SELECT v.${column} AS ${column} ${isBytes ? `, HEX(v.${column}) AS ${bytes}` : ''} FROM v WHERE v.${column} IS NOT NULL ORDER BY v.${column}`,
      isBytes ? [] : [place],
    );
    const values = rows.map((row) => String(row[columnName]));
    if (values.length > 0) yield values;
    if (values.length < VALUES_AT_ONCE) return;
    place = String(rows.at(-1)![isBytes ? 'bytes' : columnName]);
  }
}

/**
 * The distinct ids of a column that begins an index, as {@link distinctValues}. On SQLite, what is no id is passed over.
 *
 * @param after the id that the first one comes after; an empty text for all
 * @throws AuditError `AUDIT_STORE_UNAVAILABLE`
 */
export async function* distinctIds(
  database: AuditDatabase,
  name: AuditTable,
  columnName: string,
  after = '',
): AsyncGenerator<string[]> {
  for (let place = after; ;) {
    const { dialect, q, table, next, idAfter } = sqlOf(database);
    const [from, column, depth] = [table(name), q(columnName), q('depth')];
    // PostgreSQL has no MIN of a `uuid`.
    const lowest = (where: string) =>
      `(SELECT e.${column} FROM ${from} e WHERE ${where}${isId(dialect, `e.${column}`)} ORDER BY e.${column} LIMIT 1)`;
    const rows = await ask(
      database,
      dialect === 'mysql'
        ? `SELECT DISTINCT ${column} FROM ${from} WHERE ${column} >= ${next()} ORDER BY ${column} LIMIT ${VALUES_AT_ONCE}`
        : `WITH RECURSIVE v(${column}, ${depth}) AS (
            SELECT ${lowest(`e.${column} >= ${next()}`)}, 1
            UNION ALL
            SELECT ${lowest(`e.${column} > v.${column}`)}, v.${depth} + 1
              FROM v WHERE v.${column} IS NOT NULL AND v.${depth} < ${VALUES_AT_ONCE})
          SELECT v.${column} AS ${column} FROM v WHERE v.${column} IS NOT NULL ORDER BY v.${column}`,
      [idAfter(place)],
    );
    const values = rows.map((row) => String(row[columnName]));
    if (values.length > 0) yield values;
    if (values.length < VALUES_AT_ONCE) return;
    place = values.at(-1)!;
  }
}
