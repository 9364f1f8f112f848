import { setTimeout as delay } from 'node:timers/promises';
import type { DataSource, EntityManager } from 'typeorm';
import { AuditError } from '../event/audit-error.js';
import { inTransaction, runOn, runStatement, runWithin } from './run-statement.js';
import type { StatementValues } from './run-statement.js';
import { storedValues } from './stored-row.js';
import { dialectOf, placeholders, quoted, tableName } from './table-name.js';
import type { AuditTable, SqlDialect } from './table-name.js';

/** The values of one row, in the order of its columns: ids and codes as texts. */
export type RowValues = StatementValues;

/** Rows of one table. */
export interface TableRows {
  readonly table: AuditTable;
  readonly columns: readonly string[];
  readonly rows: readonly RowValues[];
}

/**
 * Inserts the rows by one plain INSERT, which needs no other right, and on SQLite never becomes part of a transaction
 * of the application's.
 *
 * @param signal ends it, where it is part of no transaction, see `runStatement`
 * @throws the driver's error, see `classifyStoreError`; `AUDIT_STORE_UNAVAILABLE`
 */
export async function insertRows(
  executor: EntityManager,
  table: AuditTable,
  columns: readonly string[],
  rows: readonly RowValues[],
  signal?: AbortSignal,
): Promise<void> {
  const { connection } = executor as { connection: DataSource };
  const { text, values } = insertOf(connection, { table, columns, rows });
  if (executor !== connection.manager) await runWithin(executor, text, values);
  else if (dialectOf(connection) === 'sqlite') {
    await besideTransactions(connection, (driver) => driver.prepare(text).run(...values));
  } else await runStatement(connection, text, values, { signal });
}

/**
 * Inserts the rows of several tables, in this order: all of them or none.
 *
 * @param inserts few enough rows for one INSERT to each table; those without rows are passed over
 * @throws the driver's error, see `classifyStoreError`; `AUDIT_STORE_UNAVAILABLE`
 */
export async function insertTogether(connection: DataSource, inserts: readonly TableRows[]): Promise<void> {
  const statements = inserts
    .filter(({ rows }) => rows.length > 0)
    .map((insert) => insertOf(connection, insert));
  await runTogether(connection, statements);
}

/** A statement of a transaction. */
export interface Step {
  readonly text: string;
  readonly values: StatementValues;
  /** Of a question for a number called `count`: what it must be. */
  readonly count?: number;
}

/** The database is not as the transaction expects it to be; nothing was done. */
export class NotAsExpectedError extends Error {
  override readonly name = 'NotAsExpectedError';
}

/**
 * Runs the statements in one transaction: all of them or none.
 *
 * @throws NotAsExpectedError where a count is another one; the driver's error; `AUDIT_STORE_UNAVAILABLE`
 */
export async function runTogether(connection: DataSource, steps: readonly Step[]): Promise<void> {
  const check = ({ count }: Step, row: { count?: unknown } | undefined) => {
    if (Number(row?.count) !== count) throw new NotAsExpectedError();
  };
  if (dialectOf(connection) === 'sqlite') {
    await besideTransactions(connection, (driver) =>
      driver.transaction(() => {
        for (const step of steps) {
          const statement = driver.prepare(step.text);
          if (step.count === undefined) statement.run(...step.values);
          else check(step, statement.get(...step.values));
        }
      })(),
    );
    return;
  }
  await inTransaction(connection, async (runner) => {
    for (const step of steps) {
      const rows = await runOn<{ count: unknown }[]>(connection, runner, step.text, step.values);
      if (step.count !== undefined) check(step, rows[0]);
    }
  });
}

/** The statement by which the rows are inserted. */
export function insertOf(connection: DataSource, { table, columns, rows }: TableRows): Step {
  const dialect = dialectOf(connection);
  const places = placesOf(dialect, rows.length, columns.length);
  const names = columns.map((column) => connection.driver.escape(column)).join(',');
  const text = `INSERT INTO ${quoted(connection, tableName(connection, table))} (${names}) VALUES ${places}`;
  return { text, values: storedValues(dialect, table, columns, rows) };
}

/** `(?,?),(?,?)` */
function placesOf(dialect: SqlDialect, rows: number, columns: number): string {
  const next = placeholders(dialect);
  const row = () => `(${Array.from({ length: columns }, next).join(',')})`;
  // Only PostgreSQL counts them.
  if (dialect !== 'postgres') return `${row()},`.repeat(rows).slice(0, -1);
  return Array.from({ length: rows }, row).join(',');
}

/**
 * Runs one statement that changes rows, in no transaction but its own.
 *
 * @param before, after PRAGMAs of SQLite
 * @throws the driver's error; `AUDIT_STORE_UNAVAILABLE`
 */
export async function changeRows(
  connection: DataSource,
  text: string,
  values: StatementValues,
  pragmas: { readonly before?: string; readonly after?: string } = {},
): Promise<void> {
  if (dialectOf(connection) !== 'sqlite') {
    await runStatement(connection, text, values);
    return;
  }
  await besideTransactions(connection, (driver) => {
    if (pragmas.before !== undefined) driver.pragma(pragmas.before);
    driver.prepare(text).run(...values);
    if (pragmas.after !== undefined) driver.pragma(pragmas.after);
  });
}

/** How long a batch waits for the end of a transaction on the same connection, before the delivery's own backoff. */
const TRANSACTION_PATIENCE_MS = 1_000;

/** What is used of the driver, better-sqlite3. */
interface SqliteDriver {
  readonly inTransaction: boolean;
  prepare(sql: string): {
    run(...values: readonly unknown[]): unknown;
    get(...values: readonly unknown[]): { count?: unknown } | undefined;
  };
  pragma(source: string): unknown;
  transaction(work: () => void): () => void;
}

/**
 * On SQLite TypeORM has one connection for everybody: while the application has a transaction open there, an INSERT
 * would be part of it, and be rolled back with it. So it waits for the end of the transaction; the driver is asked and
 * used in one synchronous step, since through TypeORM another BEGIN could come between.
 */
async function besideTransactions(
  source: DataSource,
  work: (driver: SqliteDriver) => unknown,
): Promise<void> {
  const { databaseConnection } = source.driver as unknown as { databaseConnection: SqliteDriver };
  const deadline = Date.now() + TRANSACTION_PATIENCE_MS;
  while (databaseConnection.inTransaction) {
    if (Date.now() >= deadline) {
      throw new AuditError(
        'AUDIT_STORE_UNAVAILABLE',
        'A transaction of the application is open on the SQLite connection that the audit shares.',
      );
    }
    await delay(2);
  }
  work(databaseConnection);
}
