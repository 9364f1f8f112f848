import { AuditError } from '../event/audit-error.js';
import { withoutUrlSecrets } from '../event/url-secrets.js';

/**
 * What a failed insert means for the events in it.
 *
 * - `away`: the database can't take anything now (unreachable, restarting, read-only, deadlock, full): try again.
 * - `duplicate`: some of the ids are stored already, as after a lost acknowledgement.
 * - `refused`: the database will never take this batch as it is: an event in it is at fault.
 * - `unclear`: nobody can tell which: it answered with a trigger's own error or a missing right, or the driver threw by itself.
 */
export type StoreFailure = 'away' | 'duplicate' | 'refused' | 'unclear';

/**
 * SQLSTATE classes that tell of the database's state: connection (08), transaction state and rollback (25, 40),
 * authorization (28), resources (53), object not in a usable state (55), operator intervention (57), system error (58).
 */
const AWAY_STATE = /^(08|25|28|40|53|55|57|58)[0-9A-Z]{3}$/;

/** Class 22 is a data exception, 23 a constraint, 54 a program limit (SQL:2016, PostgreSQL appendix A). */
const REFUSED_STATE = /^(22|23|54)[0-9A-Z]{3}$/;

/**
 * MySQL's own errors of the event: 1153 packet too large; 1264 out of range; 1265, 1292, 1366 wrong value; 1300 wrong
 * string; 1406 too long; 3819 check constraint.
 */
const REFUSED_ERRNO = new Set([1153, 1264, 1265, 1292, 1300, 1366, 1406, 3819]);

/**
 * MySQL's own errors of the server, where SQLSTATE tells nothing: 1021, 1114 full. 1026, 1030 disk. 1037 memory.
 * 1040, 1203 too many connections. 1053 shutdown. 1180, 3100 COMMIT. 1020, 1205, 1206, 1213 locks. 1243, 1461, 1615 prepare
 * the statement again, or too many are prepared. 1290, 1836 read-only. 1317, 1927, 1969, 3024, 3169, 4031 interrupted.
 * From 8022 on TiDB: COMMIT, the schema, or one of its parts.
 */
const AWAY_ERRNO = new Set([
  1020, 1021, 1026, 1030, 1037, 1040, 1053, 1114, 1180, 1203, 1205, 1206, 1213, 1243, 1290, 1317, 1461, 1615,
  1836, 1927, 1969, 3024, 3100, 3169, 4031, 8022, 8028, 9001, 9002, 9003, 9004, 9005, 9007,
]);

/** What the trigger says that refuses a row that is there already on SQLite, before its key does. */
export const REPLACE_REFUSED = 'the row is there already';

/** What JavaScript itself throws, as where a driver is given a value that it can't send: no server has answered. */
const FAULTS = new Set(['TypeError', 'RangeError', 'SyntaxError', 'ReferenceError']);

/** Tells failures apart by SQLSTATE (PostgreSQL's `code`, mysql2's `sqlState`), MySQL's error number and SQLite's result code. */
export function classifyStoreError(error: unknown): StoreFailure {
  if (error instanceof AuditError && error.code === 'AUDIT_INVALID_EVENT') return 'refused';
  const { code, errno, sqlState, message, name } = driverFieldsOf(error);
  if (code === 'SQLITE_CONSTRAINT_TRIGGER' && message.endsWith(REPLACE_REFUSED)) return 'duplicate';
  if (code === '23505' || errno === 1062 || code === 'SQLITE_CONSTRAINT_PRIMARYKEY') return 'duplicate';
  const state = sqlState ?? code ?? '';
  if (REFUSED_STATE.test(state) || (errno !== undefined && REFUSED_ERRNO.has(errno))) return 'refused';
  if (/^SQLITE_(CONSTRAINT|TOOBIG|MISMATCH|RANGE)/.test(state)) return 'refused';
  if (AWAY_STATE.test(state) || (errno !== undefined && AWAY_ERRNO.has(errno))) return 'away';
  if (name !== undefined) return 'unclear';
  // An SQLSTATE is only ever the server's answer.
  return /^[0-9A-Z]{2}[0-9A-Z]{3}$/.test(state) && /\d/.test(state) ? 'unclear' : 'away';
}

/**
 * Whether the tables, or the database itself, are not there: SQLSTATE 42P01 and 3D000 of PostgreSQL; of MySQL 1146, 1049, and 1046 on a
 * connection whose database was dropped.
 */
export function areTablesMissing(error: unknown): boolean {
  const { code, errno, message } = driverFieldsOf(error instanceof AuditError ? error.cause : error);
  if (code === 'SQLITE_ERROR') return message.startsWith('no such table');
  return code === '42P01' || code === '3D000' || [1046, 1049, 1146].includes(errno ?? 0);
}

/** Whether the server takes no changes, at least on this connection: SQLSTATE 25006; of MySQL 1290, 1792 and 1836. */
export function isReadOnly(error: unknown): boolean {
  const { code, errno } = driverFieldsOf(error);
  return code === '25006' || [1290, 1792, 1836].includes(errno ?? 0);
}

/** Whether the database has undone the transaction for the sake of another one, as to end a deadlock: SQLSTATE class 40. */
export function isRolledBack(error: unknown): boolean {
  const { code, sqlState } = driverFieldsOf(error);
  return (sqlState ?? code ?? '').startsWith('40');
}

/** What the database calls the error, such as `22001`: fit for a log, since it never quotes a value. */
export function codeOfStoreError(error: unknown): string {
  const { code, sqlState, errno } = driverFieldsOf(error);
  return (
    [code, sqlState === code ? undefined : sqlState].filter(Boolean).join(' ') || String(errno ?? 'unknown')
  );
}

/** What the driver said, in one line without the statement and its values. */
export function describeStoreError(error: unknown): string {
  const { code, message } = driverFieldsOf(error);
  const firstLine = withoutUrlSecrets((message.split('\n')[0] ?? '').replace(/\.$/, ''));
  return code && !firstLine.includes(code) ? `${code}: ${firstLine}` : firstLine;
}

/** What the driver itself says of the error. */
export function driverFieldsOf(error: unknown): {
  code?: string;
  errno?: number;
  sqlState?: string;
  message: string;
  /** Where JavaScript itself threw it. */
  name?: string;
} {
  // TypeORM's QueryFailedError keeps the driver's own error; Node's AggregateError (dual-stack connects) a list.
  const outer = error as { driverError?: unknown; errors?: unknown[] } | null;
  const inner = (outer?.driverError ?? outer?.errors?.[0] ?? error) as Record<string, unknown> | null;
  return {
    ...(typeof inner?.['code'] === 'string' && { code: inner['code'] }),
    ...(typeof inner?.['errno'] === 'number' && { errno: inner['errno'] }),
    ...(typeof inner?.['sqlState'] === 'string' && { sqlState: inner['sqlState'] }),
    message: typeof inner?.['message'] === 'string' ? inner['message'] : String(error),
    ...(FAULTS.has(String(inner?.['name'])) && { name: String(inner?.['name']) }),
  };
}

/** What the database answers; the driver's errors as the library's own. */
export async function answer<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    throw unavailable(error);
  }
}

/** The library's own error for one of the driver's. */
export function unavailable(cause: unknown): AuditError {
  if (cause instanceof AuditError) return cause;
  return new AuditError(
    'AUDIT_STORE_UNAVAILABLE',
    `The audit database can't be reached, or refused a statement: ${describeStoreError(cause)}. Try again later.`,
    { cause },
  );
}
