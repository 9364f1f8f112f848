import { timestampOf } from '../../event/event-id.js';
import type { AuditDatabase } from '../../store/audit-database.js';
import { ask, extremeId, isId, sqlOf } from '../../store/sql.js';
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
  const { dialect, q, table } = sqlOf(database);
  const [first, last] = [extremeId(dialect, 'MIN', q('id')), extremeId(dialect, 'MAX', q('id'))];
  const rows = await ask(
    database,
    `SELECT ${q('tenant_id')}, COUNT(*) AS ${q('events')}, ${first} AS ${q('first_id')}, ${last} AS ${q('last_id')}
      FROM ${table('audit_events')} WHERE 1 = 1${isId(dialect, q('id'))} GROUP BY ${q('tenant_id')} ORDER BY ${q('tenant_id')}`,
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
  const { dialect, table, next } = sqlOf(database);
  const names = database.tableNames.map(table);
  const plain = names.map((name) => name.split('`').join(''));
  const sizes = () => names.map(() => `pg_total_relation_size(CAST(${next()} AS regclass))`).join(' + ');
  const [row] = await {
    sqlite: () =>
      ask(
        database,
        'SELECT c.page_count * s.page_size AS bytes FROM pragma_page_count() c, pragma_page_size() s',
      ),
    postgres: () => ask(database, `SELECT ${sizes()} AS bytes`, names),
    mysql: () =>
      ask(
        database,
        `SELECT SUM(DATA_LENGTH + INDEX_LENGTH) AS bytes FROM information_schema.TABLES
          WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (${plain.map(next).join(', ')})`,
        plain,
      ),
  }[dialect]();
  return Number(row?.['bytes'] ?? 0);
}
