import type { AuditDatabase } from '../../store/audit-database.js';
import { ask, extremeId, isId, sqlOf } from '../../store/sql.js';

/** The events of one tenant. */
export interface TenantStorage {
  readonly tenantId: string;
  readonly events: number;
  /** Ids of the oldest and the newest. */
  readonly first: string;
  readonly last: string;
}

/** How much room the audit takes. */
export class StorageRepository {
  constructor(private readonly database: AuditDatabase) {}

  /** Of each; reads an index of all events. @throws AuditError `AUDIT_STORE_UNAVAILABLE` */
  async tenants(): Promise<TenantStorage[]> {
    const { dialect, q, table } = sqlOf(this.database);
    const [first, last] = [extremeId(dialect, 'MIN', q('id')), extremeId(dialect, 'MAX', q('id'))];
    const rows = await ask(
      this.database,
      `SELECT ${q('tenant_id')}, COUNT(*) AS ${q('events')}, ${first} AS ${q('first_id')}, ${last} AS ${q('last_id')}
        FROM ${table('audit_events')} WHERE 1 = 1${isId(dialect, q('id'))} GROUP BY ${q('tenant_id')} ORDER BY ${q('tenant_id')}`,
    );
    return rows.map((row) => ({
      tenantId: String(row['tenant_id']),
      events: Number(row['events']),
      first: String(row['first_id']),
      last: String(row['last_id']),
    }));
  }

  /**
   * Bytes of the audit's tables with their indexes, as the database counts them: MySQL and MariaDB as of their last
   * statistics. SQLite: of the whole file.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`
   */
  async bytes(): Promise<number> {
    const { dialect, table, next } = sqlOf(this.database);
    const names = this.database.tableNames.map(table);
    if (dialect === 'sqlite') {
      const [row] = await ask(
        this.database,
        'SELECT c.page_count * s.page_size AS bytes FROM pragma_page_count() c, pragma_page_size() s',
      );
      return Number(row?.['bytes'] ?? 0);
    }
    if (dialect === 'postgres') {
      const sizes = names.map(() => `pg_total_relation_size(CAST(${next()} AS regclass))`);
      const [row] = await ask(this.database, `SELECT ${sizes.join(' + ')} AS bytes`, names);
      return Number(row?.['bytes'] ?? 0);
    }
    const plain = names.map((name) => name.split('`').join(''));
    const [row] = await ask(
      this.database,
      `SELECT SUM(DATA_LENGTH + INDEX_LENGTH) AS bytes FROM information_schema.TABLES
        WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (${plain.map(next).join(', ')})`,
      plain,
    );
    return Number(row?.['bytes'] ?? 0);
  }
}
