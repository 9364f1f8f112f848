import type { EntityManager } from 'typeorm';
import type { AuditDatabase } from './audit-database.js';
import { columnOf } from './columns.js';
import type { Shape } from './columns.js';
import { besideTransactions } from './insert-rows.js';
import { dataSourceOf, runStatement } from './run-statement.js';
import type { Statement, StatementOptions } from './run-statement.js';
import { answer } from './store-error.js';
import { storedId, storedIdAfter } from './stored-id.js';
import { readRows } from './stored-row.js';
import type { StoredValue } from './stored-row.js';
import { bytesOf, dialectOf, placeholders, quotedTable } from './table-name.js';
import type { AuditTable, SqlDialect } from './table-name.js';

/** A row of an answer: ids and codes are texts, bigints may be strings. */
export type Row = Record<string, string | number | null>;

/** A value of a statement, other SQL, or what either is on one database. */
export type SqlPart = StoredValue | Sql | ((dialect: SqlDialect) => SqlPart);

/** SQL for every supported database, with its values apart. Made by {@link sql}. */
export class Sql {
  constructor(
    readonly texts: readonly string[],
    readonly parts: readonly SqlPart[],
  ) {}
}

/**
 * SQL for every supported database. What is put in is a value, which never becomes part of the text, unless it is `Sql` itself. A word
 * that begins with `audit_` is a table: it gets its prefix, its schema and quotes. All other names stand without quotes, so none may be a
 * reserved word of a database, nor a function as MySQL's mode IGNORE_SPACE knows them, such as `count`.
 *
 * @example
 * ```ts
 * sql`SELECT id FROM audit_events WHERE tenant_id = ${tenantId} AND id < ${id(before)} ${limit(10)}`;
 * ```
 */
export function sql(texts: TemplateStringsArray, ...parts: SqlPart[]): Sql {
  return new Sql(texts, parts);
}

/** A text as SQL. It must be the library's: nothing in it is escaped, and words that begin with `audit_` are tables here, too. */
export function raw(text: string): Sql {
  return new Sql([text], []);
}

/** A number in the text itself, for where a database takes no value. */
export function number(value: number): Sql {
  return raw(String(Math.trunc(value)));
}

/** The parts one after another. */
export function list(parts: readonly SqlPart[], separator = ', '): Sql {
  return new Sql(['', ...parts.slice(1).map(() => separator), ''], parts);
}

/** One of the conditions is met. */
export function any(conditions: readonly SqlPart[]): Sql {
  return sql`(${list(conditions, ' OR ')})`;
}

/** `LIMIT`, of which MySQL prepares no value. */
export function limit(rows: number): Sql {
  return sql`LIMIT ${number(rows)}`;
}

/** An id as a value, see `storedId`. */
export function id(text: string): SqlPart {
  return (dialect) => storedId(dialect, text);
}

/** The value with which the ids after one begin, see `storedIdAfter`. */
export function idAfter(text: string): SqlPart {
  return (dialect) => storedIdAfter(dialect, text);
}

/** Columns of a table that goes by an alias, to be selected. @param prefix of their names in the answer */
export function columnsOf(alias: string, shape: Shape, prefix = ''): Sql {
  return list(
    Object.entries(shape).map(([name, { most }]) => {
      const value = `${alias}.${columnOf(name)}`;
      return sql`${most === undefined ? raw(value) : upTo(most, value)} AS ${raw(prefix + columnOf(name))}`;
    }),
  );
}

/** The statement as the database of the manager takes it. */
export function statementOf(manager: EntityManager, statement: Sql): Statement {
  const dataSource = dataSourceOf(manager);
  const dialect = dialectOf(dataSource);
  const next = placeholders(dialect);
  const values: StoredValue[] = [];
  const withTables = (text: string) =>
    text.replace(/\baudit_[a-z_]+/g, (name) => quotedTable(dataSource, name as AuditTable));
  const write = (part: SqlPart): string => {
    if (typeof part === 'function') return write(part(dialect));
    if (part instanceof Sql) {
      const { texts, parts } = part;
      return texts
        .map((text, at) => withTables(text) + (at < parts.length ? write(parts[at]!) : ''))
        .join('');
    }
    values.push(part);
    return next();
  };
  return { text: write(statement), values };
}

/**
 * What the statement answers.
 *
 * @param manager whose transaction it is part of
 * @param isCommitted without it, and without a manager, a transaction that is open on SQLite shows what may be rolled back
 * @throws AuditError `AUDIT_STORE_UNAVAILABLE`
 */
export async function ask<T extends object = Row>(
  database: AuditDatabase,
  statement: Sql,
  {
    manager,
    isCommitted = false,
    ...options
  }: StatementOptions & {
    readonly manager?: EntityManager | undefined;
    readonly isCommitted?: boolean;
  } = {},
): Promise<T[]> {
  const executor = manager ?? database.ready().manager;
  const dataSource = dataSourceOf(executor);
  const dialect = dialectOf(dataSource);
  const { text, values } = statementOf(executor, statement);
  const asked =
    isCommitted && !manager && dialect === 'sqlite'
      ? besideTransactions(dataSource, (driver) => driver.prepare(text).all(...values) as T[])
      : runStatement<T[]>(executor, { text, values }, options);
  return readRows(dialect, await answer(asked));
}

/** How many rows there are. @param from SQL of what comes after `FROM` */
export async function countRows(database: AuditDatabase, from: Sql): Promise<number> {
  const [row] = await ask(database, sql`SELECT COUNT(*) AS total FROM ${from}`);
  return Number(row?.['total'] ?? 0);
}

/** The text, or NULL where it is longer. A table may have lost its constraints, and what anybody may have written must not fill the memory. */
function upTo(bytes: number, column: string): SqlPart {
  return (dialect) => raw(`CASE WHEN ${bytesOf(dialect, column)} <= ${bytes} THEN ${column} END`);
}

/**
 * The column holds a number that a process can have given away. A greater one is not exact in JavaScript, and the next one after it
 * may not fit into the column; SQLite takes any type in any column.
 */
export function isNumber(column: string): SqlPart {
  return (dialect) => {
    const isTyped = dialect === 'sqlite' ? ` AND typeof(${column}) = 'integer'` : '';
    return raw(`${column} >= 1 AND ${column} <= ${Number.MAX_SAFE_INTEGER}${isTyped}`);
  };
}

/** The column holds an id of 16 bytes. SQLite takes anything in a table that has lost its checks, and what is no id is equal to none. */
export function isId(column: string): SqlPart {
  return (dialect) =>
    raw(dialect === 'sqlite' ? `typeof(${column}) = 'blob' AND length(${column}) = 16` : '1 = 1');
}

/** The lowest or highest id of a group, as its text or its bytes. PostgreSQL knows none of a `uuid`. */
export function extremeId(which: 'MIN' | 'MAX', column: string): SqlPart {
  return (dialect) =>
    raw(dialect === 'postgres' ? `${which}(CAST(${column} AS text) COLLATE "C")` : `${which}(${column})`);
}

/** The column's text contains the other. */
export function contains(column: string, text: SqlPart): SqlPart {
  return (dialect) => sql`${raw(dialect === 'postgres' ? 'strpos' : 'instr')}(${raw(column)}, ${text}) > 0`;
}
