import type { AuditDatabase } from './audit-database.js';
import { ask, sql } from './sql.js';
import { dialectOf, quoted, tableName } from './table-name.js';

/**
 * Whether somebody has protected data in this database: the table of the feature that does so has keys. Asked without that feature, so
 * the table need not be there.
 *
 * @throws AuditError `AUDIT_STORE_UNAVAILABLE`, also where this user may not read the table
 */
export async function hasProtectedData(database: AuditDatabase): Promise<boolean> {
  const dataSource = database.ready();
  const keys = tableName(dataSource, 'audit_keys');
  // A table of this name that the statements of this user find.
  const find = {
    sqlite: sql`SELECT 1 AS found FROM sqlite_master WHERE type = 'table' AND name = ${keys}`,
    mysql: sql`SELECT 1 AS found FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ${keys}`,
    postgres: sql`SELECT 1 AS found WHERE to_regclass(CAST(${quoted(dataSource, keys)} AS text)) IS NOT NULL`,
  };
  const [found] = await ask(database, find[dialectOf(dataSource)]);
  return (
    found !== undefined && (await ask(database, sql`SELECT 1 AS found FROM audit_keys LIMIT 1`)).length > 0
  );
}
