import { timestampOf } from '../../event/event-id.js';
import type { StorageRepository } from './storage.repository.js';
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

/** How much is stored. */
export class StorageReport {
  constructor(private readonly repository: StorageRepository) {}

  /** @throws AuditError `AUDIT_INVALID_QUERY`; `AUDIT_STORE_UNAVAILABLE` */
  async of(scope: AuditScope): Promise<AuditStorage> {
    const { tenantId } = splitScope(scope);
    const all = await this.repository.tenants();
    const bytes = await this.repository.bytes();
    const rows = all.reduce((sum, { events }) => sum + events, 0);
    const tenants = all
      .filter((one) => tenantId === undefined || one.tenantId === tenantId)
      .map((one) => ({
        tenantId: one.tenantId,
        events: one.events,
        bytes: Math.round((bytes * one.events) / rows),
        oldest: timestampOf(one.first),
        newest: timestampOf(one.last),
      }));
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
}
