import { timestampOf } from '../../event/event-id.js';
import type { AuditDatabase } from '../../store/audit-database.js';
import { ask, extremeId, isId, list, sql } from '../../store/sql.js';
import { dialectOf, quoted, tableName } from '../../store/table-name.js';
import { splitScope } from '../../trail/audit-scope.js';
import type { AuditScope } from '../../trail/audit-scope.js';

/** The events of one tenant, and what they take. */
export interface AuditTenantStorage {
  readonly tenantId: string;
  /** Rows of `audit_events`. */
  readonly events: number;
  /** Its share of {@link AuditStorage.bytes} by its rows: an estimate. */
  readonly bytes: number;
  /** Unix epoch, milliseconds. */
  readonly oldest: number;
  readonly newest: number;
}

export interface AuditStorage {
  /** Rows of `audit_events`, of the tenants that are asked for. */
  readonly events: number;
  /** Bytes of all tables of the audit with their indexes, as the database counts them; of a single tenant its estimated share. */
  readonly bytes: number;
  /** Unix epoch, milliseconds; absent where there are none. */
  readonly oldest?: number;
  readonly newest?: number;
  /** In the order of their names. */
  readonly tenants: readonly AuditTenantStorage[];
}

/** How much is stored. @throws AuditError `AUDIT_INVALID_QUERY`; `AUDIT_STORE_UNAVAILABLE` */
export async function storageOf(database: AuditDatabase, scope: AuditScope): Promise<AuditStorage> {
  const { tenantId } = splitScope(scope);
  const rows = await ask(
    database,
    sql`SELECT tenant_id, COUNT(*) AS events, ${extremeId('MIN', 'id')} AS first_id, ${extremeId('MAX', 'id')} AS last_id
      FROM audit_events WHERE ${isId('id')} GROUP BY tenant_id ORDER BY tenant_id`,
  );
  const bytes = await bytesOf(database);
  const total = rows.reduce((sum, row) => sum + Number(row['events']), 0);
  const tenants = rows
    .map((row) => ({
      tenantId: String(row['tenant_id']),
      events: Number(row['events']),
      bytes: Math.round((bytes * Number(row['events'])) / total),
      oldest: timestampOf(String(row['first_id'])),
      newest: timestampOf(String(row['last_id'])),
    }))
    .filter((one) => tenantId === undefined || one.tenantId === tenantId);
  return {
    events: tenants.reduce((sum, { events }) => sum + events, 0),
    bytes: tenantId === undefined ? bytes : (tenants[0]?.bytes ?? 0),
    ...(tenants.length > 0 && {
      oldest: Math.min(...tenants.map(({ oldest }) => oldest)),
      newest: Math.max(...tenants.map(({ newest }) => newest)),
    }),
    tenants,
  };
}

/** Of the audit's tables with their indexes, as the database counts them: MySQL and MariaDB as of their last statistics. SQLite: of the whole file. */
async function bytesOf(database: AuditDatabase): Promise<number> {
  const dataSource = database.ready();
  const names = database.tableNames.map((name) => tableName(dataSource, name));
  // A partitioned table has nothing itself, and one that is not has no partitions.
  const sizes = names.map((name) => {
    const table = sql`CAST(${quoted(dataSource, name)} AS regclass)`;
    return sql`pg_total_relation_size(${table}) + COALESCE((SELECT SUM(pg_total_relation_size(t.relid))
      FROM pg_partition_tree(${table}) t WHERE t.level > 0), 0)`;
  });
  const bytes = {
    sqlite: sql`SELECT c.page_count * s.page_size AS bytes FROM pragma_page_count() c, pragma_page_size() s`,
    mysql: sql`SELECT SUM(DATA_LENGTH + INDEX_LENGTH) AS bytes FROM information_schema.TABLES
      WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (${list(names)})`,
    postgres: sql`SELECT ${list(sizes, ' + ')} AS bytes`,
  };
  const [row] = await ask(database, bytes[dialectOf(dataSource)]);
  return Number(row?.['bytes'] ?? 0);
}
