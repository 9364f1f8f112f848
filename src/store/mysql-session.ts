import type { DataSource } from 'typeorm';
import { AuditError } from '../event/audit-error.js';
import { executePrepared, queryPlain } from './prepared-statements.js';
import type { MysqlConnection } from './prepared-statements.js';

/** TypeORM's options of every own data source: mysql2 encodes texts as it is told when it connects. */
export const OWN_MYSQL_OPTIONS = { charset: 'utf8mb4', connectorPackage: 'mysql2' } as const;

/** What the server may have been told otherwise, by its configuration: how texts arrive, and that none is cut silently. */
const OWN_SESSION = [
  'SET NAMES utf8mb4',
  "SET SESSION sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'",
] as const;

/** Not in most character sets; in some, an encoded part of it is an apostrophe or a backslash. */
const PROBE = 'ħ¥\u{1f512}';

/** Data sources that the library has made. */
const own = new WeakSet<DataSource>();
const settled = new WeakMap<MysqlConnection, Promise<void>>();

/** Notes that the library has made the data source: {@link settleSession} sets its sessions. */
export function markOwn(source: DataSource): DataSource {
  own.add(source);
  return source;
}

/** Whether the library has made it; else the application shares it. */
export function isOwn(source: DataSource): boolean {
  return own.has(source);
}

/**
 * Sees, once for each connection, that texts arrive in the database as they are: sets the session of an own connection, and
 * looks at that of one which the application shares, where a change would harm the application's own texts.
 *
 * @throws AuditError `AUDIT_INVALID_OPTIONS` where texts do not; the driver's error
 */
export function settleSession(source: DataSource, connection: MysqlConnection): Promise<void> {
  let done = settled.get(connection);
  if (!done) {
    done = isOwn(source) ? setSession(connection) : checkSession(connection);
    settled.set(connection, done);
    // What has failed is tried again.
    done.catch(() => settled.delete(connection));
  }
  return done;
}

async function setSession(connection: MysqlConnection): Promise<void> {
  for (const statement of OWN_SESSION) await queryPlain(connection, statement);
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
    'SELECT ? AS echo, HEX(?) AS bytes, @@character_set_client AS client, @@sql_mode AS mode',
    [PROBE, PROBE],
  );
  const { echo, bytes, client, mode } = row ?? {};
  if (
    client !== 'utf8mb4' ||
    echo !== PROBE ||
    bytes !== Buffer.from(PROBE, 'utf8').toString('hex').toUpperCase()
  ) {
    throw refusal(
      `talks to the database in the character set ${String(client)}, in which texts change or become SQL`,
      "charset: 'utf8mb4' in its options, and nothing that changes the session",
    );
  }
  if (String(mode).includes('NO_BACKSLASH_ESCAPES')) {
    throw refusal(
      'has the sql_mode NO_BACKSLASH_ESCAPES, in which mysql2 lets an apostrophe of any value become SQL',
      'a sql_mode without it',
    );
  }
  if (String(mode).includes('EMPTY_STRING_IS_NULL')) {
    throw refusal(
      'has the sql_mode EMPTY_STRING_IS_NULL, in which no row is found that comes after an empty text',
      'a sql_mode without it',
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
