import { AsyncLocalStorage } from 'node:async_hooks';
import type { Socket } from 'node:net';
import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import { settleSession } from './mysql-session.js';
import { loggerOf, quietRunner } from './quiet-runner.js';
import { executePrepared } from './prepared-statements.js';
import type { MysqlConnection } from './prepared-statements.js';
import { isReadOnly } from './store-error.js';
import type { StoredValue } from './stored-row.js';
import { dialectOf } from './table-name.js';

/** A statement as the database takes it, with its values in the order of their places. */
export interface Statement {
  readonly text: string;
  readonly values: readonly StoredValue[];
}

/** How a statement runs that is part of no transaction. */
export interface StatementOptions {
  /**
   * Breaks the connection when it aborts: nothing else ends a statement that the server does not answer, and the pool makes
   * a new connection in its place.
   */
  readonly signal?: AbortSignal | undefined;
  /** Whether a replica may answer, where the data source has some. */
  readonly fromReplica?: boolean;
}

/** See {@link endedBy}. */
const signals = new AsyncLocalStorage<AbortSignal>();

/** Does the work. The signal ends each of its statements and transactions, where a statement is given no signal of its own. */
export function endedBy<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  return signals.run(signal, work);
}

/** What is known of the connections of mysql2 and pg. */
interface DriverConnection {
  readonly stream?: Socket;
  readonly connection?: { readonly stream?: Socket };
}

/**
 * Runs one statement in the transaction of the manager, or on a connection of its pool where it has none. Every statement of the
 * library that has values comes through here or {@link inTransaction}, so that no value is ever written into the text of a statement.
 *
 * @throws the driver's error; AuditError `AUDIT_INVALID_OPTIONS`, see `settleSession`
 */
export async function runStatement<T = unknown>(
  manager: EntityManager,
  statement: Statement,
  { signal = signals.getStore(), fromReplica = false }: StatementOptions = {},
): Promise<T> {
  const dataSource = dataSourceOf(manager);
  if (manager.queryRunner) return runOn<T>(dataSource, manager.queryRunner, statement);
  const runner = dataSource.createQueryRunner(fromReplica ? 'slave' : 'master');
  return connected(runner, signal, () => runOn<T>(dataSource, runner, statement));
}

/**
 * Does the work in a transaction: all of it, or nothing where it throws.
 *
 * @throws what the work throws; the driver's error
 */
export async function inTransaction(
  dataSource: DataSource,
  work: (run: <T>(statement: Statement) => Promise<T>) => Promise<void>,
): Promise<void> {
  const runner = dataSource.createQueryRunner('master');
  await connected(runner, signals.getStore(), async () => {
    const quiet = quietRunner(dataSource, runner);
    await quiet.startTransaction();
    try {
      await work((statement) => runOn(dataSource, runner, statement));
      await quiet.commitTransaction();
    } catch (error) {
      // The connection may be gone, and the transaction with it.
      await quiet.rollbackTransaction().catch(() => undefined);
      throw error;
    }
  });
}

/** Does the work on the runner's connection, which the signal breaks, and releases it. */
async function connected<T>(
  runner: QueryRunner,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  let connection: DriverConnection | undefined;
  const breakOff = () => (connection?.stream ?? connection?.connection?.stream)?.destroy();
  try {
    connection = (await runner.connect()) as DriverConnection | undefined;
    signal?.throwIfAborted();
    signal?.addEventListener('abort', breakOff, { once: true });
    return await work();
  } catch (error) {
    // Else the pool would hand out for ever what a failover has left there, of a server that is a replica now.
    if (isReadOnly(error)) breakOff();
    throw error;
  } finally {
    signal?.removeEventListener('abort', breakOff);
    await runner.release();
  }
}

/** The drivers of PostgreSQL and SQLite send values apart from the text by themselves. What TypeORM asks of mysql2 does not. */
async function runOn<T>(
  dataSource: DataSource,
  runner: QueryRunner,
  { text, values }: Statement,
): Promise<T> {
  // A runner that is released still has its connection, which is somebody else's by now: TypeORM refuses it.
  if (runner.isReleased) return (await runner.query(text, [...values])) as T;
  const connection = (await runner.connect()) as MysqlConnection;
  const quiet = quietRunner(dataSource, runner);
  if (dialectOf(dataSource) !== 'mysql') return (await quiet.query(text, [...values])) as T;
  await settleSession(dataSource, connection);
  if (values.length === 0) return (await quiet.query(text)) as T;
  // As TypeORM does with what it runs itself.
  const logger = loggerOf(dataSource);
  logger.logQuery(text, [...values], runner);
  try {
    return await executePrepared<T>(connection, text, values);
  } catch (error) {
    logger.logQueryError(error as Error, text, [...values], runner);
    throw error;
  }
}

/** The manager's data source, which TypeORM 0.3 calls its connection. */
export function dataSourceOf(manager: EntityManager): DataSource {
  return (manager as { connection: DataSource }).connection;
}
