import type { ObjectLiteral, SelectQueryBuilder } from 'typeorm';
import { answer } from './answer.js';
import type { AuditDatabase } from './audit-database.js';
import { runStatement } from './run-statement.js';
import type { StatementValues } from './run-statement.js';
import { storedId, storedIdAfter } from './stored-id.js';
import type { StoredId } from './stored-id.js';
import { readRows } from './stored-row.js';
import { bytesOf, dialectOf, placeholders, quoted, tableName } from './table-name.js';
import type { AuditTable, SqlDialect } from './table-name.js';

/** A row of an answer: ids and codes are texts, bigints may be strings. */
export type Row = Record<string, string | number | null>;

/** How the connected database writes a statement. */
export interface Sql {
  readonly dialect: SqlDialect;
  /** A column's name, or a dotted one. */
  readonly q: (name: string) => string;
  readonly table: (name: AuditTable) => string;
  /** Where the next value goes, see `placeholders`. */
  readonly next: () => string;
  /** An id as a value, see `storedId`. */
  readonly id: (text: string) => StoredId | null;
  /** The value with which the ids after one begin, see `storedIdAfter`. */
  readonly idAfter: (text: string) => StoredId | null;
}

/** @throws AuditError `AUDIT_STORE_UNAVAILABLE` */
export function sqlOf(database: AuditDatabase): Sql {
  const source = database.ready();
  const dialect = dialectOf(source);
  return {
    dialect,
    q: (name) => quoted(source, name),
    table: (name) => quoted(source, tableName(source, name)),
    next: placeholders(dialect),
    id: (text) => storedId(dialect, text),
    idAfter: (text) => storedIdAfter(dialect, text),
  };
}

/**
 * What the statement answers.
 *
 * @throws AuditError `AUDIT_STORE_UNAVAILABLE`
 */
export async function ask<T extends Row = Row>(
  database: AuditDatabase,
  statement: string,
  values: StatementValues = [],
): Promise<T[]> {
  const source = database.ready();
  return readRows(dialectOf(source), await answer(runStatement<T[]>(source, statement, values)));
}

/**
 * What the query answers.
 *
 * @throws AuditError `AUDIT_STORE_UNAVAILABLE`
 */
export async function askBuilt<T>(
  database: AuditDatabase,
  query: SelectQueryBuilder<ObjectLiteral>,
): Promise<T[]> {
  const [statement, values] = query.getQueryAndParameters();
  const source = database.ready();
  const asked = runStatement<T[]>(source, statement, values as StatementValues, { fromReplica: true });
  return readRows(dialectOf(source), await answer(asked));
}

/** How many rows there are. @param from SQL of what comes after `FROM`, with the placeholders of the values */
export async function countRows(
  database: AuditDatabase,
  from: string,
  values: StatementValues = [],
): Promise<number> {
  const [row] = await ask(database, `SELECT COUNT(*) AS ${sqlOf(database).q('count')} FROM ${from}`, values);
  return Number(row?.['count'] ?? 0);
}

/**
 * SQL: the text, or NULL where it is longer than any that the library writes. A table may have lost its constraints, and what anybody may have written
 * must not fill the memory.
 */
export function boundedText(dialect: SqlDialect, column: string, bytes: number): string {
  return `CASE WHEN ${bytesOf(dialect, column)} <= ${bytes} THEN ${column} END`;
}

/**
 * SQL: the column holds a number that a process can have given away. A greater one is not exact in JavaScript, and the next one after it
 * may not fit into the column; SQLite takes any type in any column.
 *
 * @param column may have an alias before a dot
 */
export function isNumber(database: AuditDatabase, column: string): string {
  const { dialect, q } = sqlOf(database);
  const name = q(column);
  const isTyped = dialect === 'sqlite' ? ` AND typeof(${name}) = 'integer'` : '';
  return `${name} >= 1 AND ${name} <= ${Number.MAX_SAFE_INTEGER}${isTyped}`;
}

/**
 * SQL, with AND: the column holds an id of 16 bytes. SQLite takes anything in a table that has lost its checks, and what is no
 * id is equal to none.
 *
 * @param column quoted; may have an alias before a dot
 */
export function isId(dialect: SqlDialect, column: string): string {
  return dialect === 'sqlite' ? ` AND typeof(${column}) = 'blob' AND length(${column}) = 16` : '';
}

/** SQL: the lowest or highest id of a group, as its text or its bytes. PostgreSQL knows none of a `uuid`. */
export function extremeId(dialect: SqlDialect, which: 'MIN' | 'MAX', column: string): string {
  return dialect === 'postgres' ? `${which}(CAST(${column} AS text) COLLATE "C")` : `${which}(${column})`;
}
