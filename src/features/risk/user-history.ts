import { firstIdOf } from '../../event/event-id.js';
import type { AuditDatabase } from '../../store/audit-database.js';
import { ask, id, limit as most, sql } from '../../store/sql.js';
import type { RiskHistory } from './risk-memory.js';

/** From where a user's last events came, newest first, by the index of tenant and user. It throws `AUDIT_STORE_UNAVAILABLE`. */
export function userHistory(database: AuditDatabase, limit = 200): RiskHistory {
  return async (tenantId, userId, before) => {
    const rows = await ask(
      database,
      sql`SELECT ip_address, user_agent FROM audit_events
        WHERE tenant_id = ${tenantId} AND user_id = ${userId} AND id < ${id(firstIdOf(before))}
        ORDER BY id DESC ${most(limit)}`,
    );
    return rows.map((row) => ({
      ...(row['ip_address'] !== null && { ipAddress: String(row['ip_address']) }),
      ...(row['user_agent'] !== null && { userAgent: String(row['user_agent']) }),
    }));
  };
}
