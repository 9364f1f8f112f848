import { setTimeout as delay } from 'node:timers/promises';
import type { DataSource, EntityManager } from 'typeorm';
import { AuditError } from '../event/audit-error.js';
import { columnNamesOf } from './columns.js';
import type { Shape } from './columns.js';
import { dataSourceOf, inTransaction, runStatement } from './run-statement.js';
import type { Statement } from './run-statement.js';
import { storedValues } from './stored-row.js';
import type { StoredValue } from './stored-row.js';
import { dialectOf, placeholders, quotedTable } from './table-name.js';
import type { AuditTable, SqlDialect } from './table-name.js';

/** Rows of one table, each with its values in the order of the columns: ids and codes as texts. */
export interface TableRows {
  readonly table: AuditTable;
  readonly columns: Shape;
  readonly rows: readonly (readonly StoredValue[])[];
}

/**
 * Inserts the rows by one plain INSERT, which needs no other right.
 *
 * @param signal ends it, where it is part of no transaction, see `runStatement`
 * @throws the driver's error, see `classifyStoreError`; `AUDIT_STORE_UNAVAILABLE`
 */
export async function insertRows(
  manager: EntityManager,
  inserted: TableRows,
  signal?: AbortSignal,
): Promise<void> {
  await changeRows(manager, insertOf(dataSourceOf(manager), inserted), { signal });
}

/**
 * Runs one statement that changes rows, in the transaction of the manager; where it is the data source's own, in no transaction but its own.
 *
 * @param before a PRAGMA of SQLite
 * @throws the driver's error; `AUDIT_STORE_UNAVAILABLE`
 */
export async function changeRows(
  manager: EntityManager,
  statement: Statement,
  options: {
    readonly signal?: AbortSignal | undefined;
    readonly before?: string;
  } = {},
): Promise<void> {
  const dataSource = dataSourceOf(manager);
  if (manager !== dataSource.manager || dialectOf(dataSource) !== 'sqlite') {
    await runStatement(manager, statement, options);
    return;
  }
  await besideTransactions(dataSource, (driver) => {
    if (options.before !== undefined) driver.pragma(options.before);
    driver.prepare(statement.text).run(...statement.values);
  });
}

/** A statement of a transaction. */
export interface Step extends Statement {
  /** Of a question for a number called `total`: what it must be. */
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
export async function runTogether(dataSource: DataSource, steps: readonly Step[]): Promise<void> {
  const check = ({ count }: Step, row: { total?: unknown } | undefined) => {
    if (Number(row?.total) !== count) throw new NotAsExpectedError();
  };
  if (dialectOf(dataSource) === 'sqlite') {
    await besideTransactions(dataSource, (driver) =>
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
  await inTransaction(dataSource, async (run) => {
    for (const step of steps) {
      const rows = await run<{ total: unknown }[]>(step);
      if (step.count !== undefined) check(step, rows[0]);
    }
  });
}

/** The statement by which the rows are inserted. */
export function insertOf(dataSource: DataSource, { table, columns, rows }: TableRows): Statement {
  const dialect = dialectOf(dataSource);
  const names = columnNamesOf(columns);
  const places = placesOf(dialect, rows.length, names.length);
  return {
    text: `INSERT INTO ${quotedTable(dataSource, table)} (${names.join(',')}) VALUES ${places}`,
    values: storedValues(dialect, columns, rows),
  };
}

/** `(?,?),(?,?)` */
function placesOf(dialect: SqlDialect, rows: number, columns: number): string {
  const next = placeholders(dialect);
  const row = () => `(${Array.from({ length: columns }, next).join(',')})`;
  // Only PostgreSQL counts them.
  if (dialect !== 'postgres') return `${row()},`.repeat(rows).slice(0, -1);
  return Array.from({ length: rows }, row).join(',');
}

/** How long a batch waits for the end of a transaction on the same connection, before the delivery's own backoff. */
const TRANSACTION_PATIENCE_MS = 1_000;

/** What is used of the driver, better-sqlite3. */
export interface SqliteDriver {
  readonly inTransaction: boolean;
  prepare(sql: string): {
    run(...values: readonly unknown[]): unknown;
    get(...values: readonly unknown[]): { total?: unknown } | undefined;
    all(...values: readonly unknown[]): unknown[];
  };
  pragma(source: string): unknown;
  transaction(work: () => void): () => void;
}

/**
 * On SQLite TypeORM has one connection for everybody: while the application has a transaction open there, an INSERT
 * would be part of it, and be rolled back with it. So it waits for the end of the transaction; the driver is asked and
 * used in one synchronous step, since through TypeORM another BEGIN could come between.
 */
export async function besideTransactions<T>(
  dataSource: DataSource,
  work: (driver: SqliteDriver) => T,
): Promise<T> {
  const { databaseConnection } = dataSource.driver as unknown as { databaseConnection: SqliteDriver };
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
  return work(databaseConnection);
}
