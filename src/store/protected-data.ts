import type { AuditDatabase } from './audit-database.js';
import { ask, sqlOf } from './sql.js';

/** A table of this name that the statements of this user find, as rows. */
const FIND = {
  sqlite: "SELECT 1 AS found FROM sqlite_master WHERE type = 'table' AND name = ?",
  mysql:
    'SELECT 1 AS found FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?',
  postgres: 'SELECT 1 AS found WHERE to_regclass(CAST($1 AS text)) IS NOT NULL',
} as const;

/**
 * Whether somebody has protected data in this database: the table of the feature that does so has keys. Asked without that feature, so
 * the table need not be there.
 *
 * @throws AuditError `AUDIT_STORE_UNAVAILABLE`, also where this user may not read the table
 */
export async function hasProtectedData(database: AuditDatabase): Promise<boolean> {
  const { dialect, table } = sqlOf(database);
  const keys = table('audit_keys');
  const [found] = await ask(database, FIND[dialect], [dialect === 'postgres' ? keys : keys.slice(1, -1)]);
  return found !== undefined && (await ask(database, `SELECT 1 AS found FROM ${keys} LIMIT 1`)).length > 0;
}
