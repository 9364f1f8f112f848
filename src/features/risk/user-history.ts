import { firstIdOf } from '../../event/event-id.js';
import type { AuditDatabase } from '../../store/audit-database.js';
import { ask, sqlOf } from '../../store/sql.js';

/** What the memory of risk reads: a user's last events, by the index of tenant and user. */
export class UserHistory {
  constructor(private readonly database: AuditDatabase) {}

  /**
   * From where the user's last events before a time (Unix epoch, milliseconds) came, newest first.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`
   */
  async before(
    tenantId: string,
    userId: string,
    before: number,
    limit = 200,
  ): Promise<{ ipAddress?: string; userAgent?: string }[]> {
    const { q, table, next, id } = sqlOf(this.database);
    const rows = await ask(
      this.database,
      `SELECT ${q('ip_address')}, ${q('user_agent')} FROM ${table('audit_events')}
        WHERE ${q('tenant_id')} = ${next()} AND ${q('user_id')} = ${next()} AND ${q('id')} < ${next()}
        ORDER BY ${q('id')} DESC LIMIT ${Math.trunc(limit)}`,
      [tenantId, userId, id(firstIdOf(before))],
    );
    return rows.map((row) => ({
      ...(row['ip_address'] !== null && { ipAddress: String(row['ip_address']) }),
      ...(row['user_agent'] !== null && { userAgent: String(row['user_agent']) }),
    }));
  }
}
