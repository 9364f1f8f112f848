import type { ObjectLiteral, SelectQueryBuilder } from 'typeorm';
import { answer } from './answer.js';
import type { AuditDatabase } from './audit-database.js';
import { runStatement } from './run-statement.js';
import type { StatementValues } from './run-statement.js';
import { bytesOf, dialectOf, placeholders, quoted, tableName } from './table-name.js';
import type { AuditTable, SqlDialect } from './table-name.js';

/** A row as a database driver answers it: bigints may be strings. */
export type Row = Record<string, string | number | null>;

/** How the connected database writes a statement. */
export interface Sql {
  readonly dialect: SqlDialect;
  /** A column's name, or a dotted one. */
  readonly q: (name: string) => string;
  readonly table: (name: AuditTable) => string;
  /** Where the next value goes, see `placeholders`. */
  readonly next: () => string;
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
  return answer(runStatement<T[]>(database.ready(), statement, values));
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
  const asked = runStatement<T[]>(database.ready(), statement, values as (string | number)[], {
    fromReplica: true,
  });
  return answer(asked);
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
