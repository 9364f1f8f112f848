import { firstIdOf } from '../../event/event-id.js';
import type { AuditDatabase } from '../../store/audit-database.js';
import { ask, sqlOf } from '../../store/sql.js';
import type { RiskHistory } from './risk-memory.js';

/** From where a user's last events came, newest first, by the index of tenant and user. It throws `AUDIT_STORE_UNAVAILABLE`. */
export function userHistory(database: AuditDatabase, limit = 200): RiskHistory {
  return async (tenantId, userId, before) => {
    const { q, table, next, id } = sqlOf(database);
    const rows = await ask(
      database,
      `SELECT ${q('ip_address')}, ${q('user_agent')} FROM ${table('audit_events')}
        WHERE ${q('tenant_id')} = ${next()} AND ${q('user_id')} = ${next()} AND ${q('id')} < ${next()}
        ORDER BY ${q('id')} DESC LIMIT ${Math.trunc(limit)}`,
      [tenantId, userId, id(firstIdOf(before))],
    );
    return rows.map((row) => ({
      ...(row['ip_address'] !== null && { ipAddress: String(row['ip_address']) }),
      ...(row['user_agent'] !== null && { userAgent: String(row['user_agent']) }),
    }));
  };
}
