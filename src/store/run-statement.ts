import type { Socket } from 'node:net';
import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import { settleSession } from './mysql-session.js';
import { loggerOf, quietRunner } from './quiet-runner.js';
import { executePrepared } from './prepared-statements.js';
import type { MysqlConnection } from './prepared-statements.js';
import type { StoredValue } from './stored-row.js';
import { dialectOf } from './table-name.js';

/** The values of a statement, in the order of its places. */
export type StatementValues = readonly StoredValue[];

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

/** What is known of the connections of mysql2 and pg. */
interface DriverConnection {
  readonly stream?: Socket;
  readonly connection?: { readonly stream?: Socket };
}

/**
 * Runs one statement on a connection of the pool. Every statement of the library that has values comes through here or
 * through {@link runWithin}, so that no value is ever written into the text of a statement.
 *
 * @throws the driver's error; AuditError `AUDIT_INVALID_OPTIONS`, see `settleSession`
 */
export async function runStatement<T = unknown>(
  source: DataSource,
  text: string,
  values: StatementValues = [],
  { signal, fromReplica = false }: StatementOptions = {},
): Promise<T> {
  const runner = source.createQueryRunner(fromReplica ? 'slave' : 'master');
  let connection: DriverConnection | undefined;
  const breakOff = () => (connection?.stream ?? connection?.connection?.stream)?.destroy();
  try {
    connection = (await runner.connect()) as DriverConnection | undefined;
    signal?.throwIfAborted();
    signal?.addEventListener('abort', breakOff, { once: true });
    return await runOn<T>(source, runner, text, values);
  } finally {
    signal?.removeEventListener('abort', breakOff);
    await runner.release();
  }
}

/**
 * Runs one statement in the transaction of the manager, or on a connection of its pool where it has none.
 *
 * @throws the driver's error; AuditError `AUDIT_INVALID_OPTIONS`, see `settleSession`
 */
export async function runWithin<T = unknown>(
  manager: EntityManager,
  text: string,
  values: StatementValues = [],
): Promise<T> {
  const { connection, queryRunner } = manager as { connection: DataSource; queryRunner?: QueryRunner };
  return queryRunner
    ? runOn<T>(connection, queryRunner, text, values)
    : runStatement<T>(connection, text, values);
}

/**
 * Does the work in a transaction: all of it, or nothing where it throws.
 *
 * @throws what the work throws; the driver's error
 */
export async function inTransaction(
  source: DataSource,
  work: (runner: QueryRunner) => Promise<void>,
): Promise<void> {
  const runner = source.createQueryRunner('master');
  try {
    await runner.connect();
    const quiet = quietRunner(source, runner);
    await quiet.startTransaction();
    try {
      await work(runner);
      await quiet.commitTransaction();
    } catch (error) {
      // The connection may be gone, and the transaction with it.
      await quiet.rollbackTransaction().catch(() => undefined);
      throw error;
    }
  } finally {
    await runner.release();
  }
}

/** The drivers of PostgreSQL and SQLite send values apart from the text by themselves. What TypeORM asks of mysql2 does not. */
export async function runOn<T>(
  source: DataSource,
  runner: QueryRunner,
  text: string,
  values: StatementValues,
): Promise<T> {
  // A runner that is released still has its connection, which is somebody else's by now: TypeORM refuses it.
  if (runner.isReleased) return (await runner.query(text, [...values])) as T;
  const connection = (await runner.connect()) as MysqlConnection;
  const quiet = quietRunner(source, runner);
  if (dialectOf(source) !== 'mysql') return (await quiet.query(text, [...values])) as T;
  await settleSession(source, connection);
  if (values.length === 0) return (await quiet.query(text)) as T;
  // As TypeORM does with what it runs itself.
  const logger = loggerOf(source);
  logger.logQuery(text, [...values], runner);
  try {
    return await executePrepared<T>(connection, text, values);
  } catch (error) {
    logger.logQueryError(error as Error, text, [...values], runner);
    throw error;
  }
}
