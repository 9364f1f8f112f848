import { promisify } from 'node:util';
import type { DataSource } from 'typeorm';
import { AuditError } from '../event/audit-error.js';
import { executePrepared } from './prepared-statements.js';
import type { MysqlConnection } from './prepared-statements.js';

/** TypeORM's options of every dedicated data source: mysql2 encodes texts as it is told when it connects. */
export const DEDICATED_MYSQL_OPTIONS = { charset: 'utf8mb4', connectorPackage: 'mysql2' } as const;

/** What the server may have been told otherwise, by its configuration: how texts arrive, that none is cut silently, and that each statement commits. */
const SESSION = [
  'SET NAMES utf8mb4',
  'SET SESSION autocommit = 1',
  "SET SESSION sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'",
] as const;

/** Not in most character sets; in some, an encoded part of it is an apostrophe or a backslash. */
const PROBE = 'ħ¥\u{1f512}';

const HARMFUL_MODES = {
  NO_BACKSLASH_ESCAPES: 'mysql2 lets an apostrophe of any value become SQL',
  EMPTY_STRING_IS_NULL: 'no row is found that comes after an empty text',
};

const dedicated = new WeakSet<DataSource>();
const settled = new WeakMap<MysqlConnection, Promise<void>>();

/** Remembers that the data source is the library's alone: {@link settleSession} sets its sessions. */
export function markDedicated(dataSource: DataSource): DataSource {
  dedicated.add(dataSource);
  return dataSource;
}

/** Whether it is the library's alone; else the application shares it. */
export function isDedicated(dataSource: DataSource): boolean {
  return dedicated.has(dataSource);
}

/**
 * Sees, once for each connection, that texts arrive in the database as they are: sets the session of a dedicated connection, and
 * looks at that of one which the application shares, where a change would harm the application's own texts.
 *
 * @throws AuditError `AUDIT_INVALID_OPTIONS` where texts do not; the driver's error
 */
export function settleSession(dataSource: DataSource, connection: MysqlConnection): Promise<void> {
  let done = settled.get(connection);
  if (!done) {
    done = isDedicated(dataSource) ? setSession(connection) : checkSession(connection);
    settled.set(connection, done);
    // What has failed is tried again.
    done.catch(() => settled.delete(connection));
  }
  return done;
}

async function setSession(connection: MysqlConnection): Promise<void> {
  const query = queryOn(connection);
  for (const statement of SESSION) await query(statement);
  // InnoDB's own default. In READ COMMITTED, a binary log of statements lets nobody write.
  if (await readsUncommitted(connection))
    await query('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
}

/** Runs statements without values. */
function queryOn(connection: MysqlConnection): (text: string) => Promise<unknown> {
  return promisify(connection.query.bind(connection));
}

async function readsUncommitted(connection: MysqlConnection): Promise<boolean> {
  // No name of it is known to every server.
  const levels = (await queryOn(connection)(
    "SHOW SESSION VARIABLES WHERE Variable_name IN ('transaction_isolation', 'tx_isolation')",
  )) as readonly { readonly Value: string }[];
  return levels.some(({ Value }) => Value === 'READ-UNCOMMITTED');
}

async function checkSession(connection: MysqlConnection): Promise<void> {
  if (typeof connection.execute !== 'function') {
    throw refusal(
      'does not use mysql2',
      "npm install mysql2 and, with TypeORM 0.3, connectorPackage: 'mysql2'",
    );
  }
  const [row] = await executePrepared<Record<string, unknown>[]>(
    connection,
    'SELECT ? AS echo, HEX(?) AS bytes, @@character_set_client AS client, @@sql_mode AS mode, @@autocommit AS commits',
    [PROBE, PROBE],
  );
  const { echo, bytes, client, mode, commits } = row ?? {};
  const isUtf8 = client === 'utf8mb4' && echo === PROBE;
  if (!isUtf8 || bytes !== Buffer.from(PROBE).toString('hex').toUpperCase()) {
    throw refusal(
      `talks to the database in the character set ${String(client)}, in which texts change or become SQL`,
      "charset: 'utf8mb4' in its options, and nothing that changes the session",
    );
  }
  for (const [name, harm] of Object.entries(HARMFUL_MODES)) {
    if (!String(mode).includes(name)) continue;
    throw refusal(`has the sql_mode ${name}, in which ${harm}`, 'a sql_mode without it');
  }
  if (Number(commits) !== 1) {
    throw refusal(
      'has autocommit off, so that nothing that the audit writes would be committed',
      'SET SESSION autocommit = 1 on each of its connections',
    );
  }
  if (await readsUncommitted(connection)) {
    throw refusal(
      'reads in READ-UNCOMMITTED, so that events would be sealed which are rolled back',
      'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED on each of its connections',
    );
  }
}

function refusal(what: string, write: string): AuditError {
  return new AuditError(
    'AUDIT_INVALID_OPTIONS',
    `The audit can't share a data source that ${what}: write ${write}; or database for a connection of the audit's own.`,
    { field: 'dataSource' },
  );
}
