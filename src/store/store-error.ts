/**
 * What a failed insert means for the events in it.
 *
 * - `away`: the database can't take anything now (unreachable, restarting, read-only, deadlock, full): try again.
 * - `duplicate`: some of the ids are stored already, as after a lost acknowledgement.
 * - `refused`: the database will never take this batch as it is: an event in it is at fault.
 */
export type StoreFailure = 'away' | 'duplicate' | 'refused';

/**
 * Tells failures apart by SQLSTATE (PostgreSQL's `code`, mysql2's `sqlState`), MySQL's error number and SQLite's
 * result code. What is not known to be the event's own fault counts as `away`, so that nothing is given up wrongly.
 */
export function classifyStoreError(error: unknown): StoreFailure {
  const { code, errno, sqlState } = driverFieldsOf(error);
  if (code === '23505' || errno === 1062 || code === 'SQLITE_CONSTRAINT_PRIMARYKEY') return 'duplicate';
  // Class 22 is a data exception, 23 a constraint, 54 a program limit (SQL:2016, PostgreSQL appendix A).
  const state = sqlState ?? code ?? '';
  if (/^(22|23|54)[0-9A-Z]{3}$/.test(state)) return 'refused';
  // 1153: packet too large; 1406, 1366, 1264: too long, wrong encoding, out of range.
  if (errno !== undefined && [1153, 1264, 1366, 1406].includes(errno)) return 'refused';
  if (/^SQLITE_(CONSTRAINT|TOOBIG|MISMATCH|RANGE)/.test(state)) return 'refused';
  return 'away';
}

/** What the driver said, in one line without the statement and its values. */
export function describeStoreError(error: unknown): string {
  const { code, message } = driverFieldsOf(error);
  const firstLine = (message.split('\n')[0] ?? '').replace(/\.$/, '');
  return code && !firstLine.includes(code) ? `${code}: ${firstLine}` : firstLine;
}

function driverFieldsOf(error: unknown): {
  code?: string;
  errno?: number;
  sqlState?: string;
  message: string;
} {
  // TypeORM's QueryFailedError keeps the driver's own error; Node's AggregateError (dual-stack connects) a list.
  const outer = error as { driverError?: unknown; errors?: unknown[] } | null;
  const inner = (outer?.driverError ?? outer?.errors?.[0] ?? error) as Record<string, unknown> | null;
  return {
    ...(typeof inner?.['code'] === 'string' && { code: inner['code'] }),
    ...(typeof inner?.['errno'] === 'number' && { errno: inner['errno'] }),
    ...(typeof inner?.['sqlState'] === 'string' && { sqlState: inner['sqlState'] }),
    message: typeof inner?.['message'] === 'string' ? inner['message'] : String(error),
  };
}
