import { invalidQuery } from '../event/audit-error.js';
import { readOnce } from '../event/read-once.js';
import { isTenantId, TEXT_LIMITS } from '../event/safe-text.js';

/** Whose events a read may see: one tenant's, or, said in so many words, everybody's. Neither or both is an error. */
export type AuditScope =
  | { readonly tenantId: string; readonly allTenants?: never }
  | { readonly allTenants: true; readonly tenantId?: never };

/** The scope of a read that shows events. */
export type AuditReadScope = AuditScope & {
  /** Show protected values, to those who may see them; all others see `[protected]`. @defaultValue `false` */
  readonly reveal?: boolean;
};

/**
 * A copy of a read's argument, each property read once. It has no prototype, so that nothing that the prototypes of objects were given widens a
 * read.
 *
 * @throws AuditError `AUDIT_INVALID_QUERY`
 */
export function copyOfQuery<T extends object>(query: T): T {
  if (typeof query !== 'object' || query === null) {
    throw invalidQuery(
      'tenantId',
      'a read needs an object with a tenantId, or the explicit allTenants: true',
    );
  }
  const copy = readOnce(query, (field = 'tenantId') => invalidQuery(field, `${field} can't be read`));
  return { __proto__: null, ...copy } as T;
}

/**
 * Splits off whether protected values are to be shown.
 *
 * @throws AuditError `AUDIT_INVALID_QUERY` on `reveal`
 */
export function splitReveal<T extends object>(query: T): { reveal: boolean; rest: Omit<T, 'reveal'> } {
  const { reveal = false, ...rest } = copyOfQuery(query) as T & { reveal?: unknown };
  if (typeof reveal === 'boolean') return { reveal, rest };
  throw invalidQuery('reveal', 'reveal must be true or false');
}

/**
 * Splits the scope off a read's argument.
 *
 * @throws AuditError `AUDIT_INVALID_QUERY` on `tenantId` or `allTenants`
 */
export function splitScope<T extends object>(
  query: T,
): { tenantId?: string; rest: Omit<T, 'tenantId' | 'allTenants'> } {
  const { tenantId, allTenants, ...rest } = copyOfQuery(query) as T & Record<string, unknown>;
  if (allTenants !== undefined && allTenants !== true) {
    throw invalidQuery('allTenants', 'allTenants can only be true; leave it out and give a tenantId instead');
  }
  if (allTenants === true) {
    if (tenantId !== undefined) {
      throw invalidQuery('allTenants', 'tenantId and allTenants exclude each other; give one of them');
    }
    return { rest };
  }
  if (typeof tenantId !== 'string' || tenantId === '') {
    throw invalidQuery(
      'tenantId',
      'a read needs a tenantId (a text that is not empty), or the explicit allTenants: true',
    );
  }
  checkTenantId(tenantId);
  return { tenantId, rest };
}

/**
 * Refuses a tenant whose events are stored under another id, which could be somebody else's.
 *
 * @throws AuditError `AUDIT_INVALID_QUERY` on `tenantId`
 */
export function checkTenantId(tenantId: string): void {
  if (isTenantId(tenantId)) return;
  throw invalidQuery(
    'tenantId',
    `tenantId must be at most ${TEXT_LIMITS.tenantId} characters, without control characters and not one that ends in a digest: no tenant is stored under this one`,
  );
}
