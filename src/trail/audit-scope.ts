import { AuditError } from '../event/audit-error.js';
import { ownProperties } from '../event/own-properties.js';
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
 * A copy of a read's argument: its own properties alone, so that nothing that the prototypes of objects were given widens a read.
 *
 * @throws AuditError `AUDIT_INVALID_QUERY`
 */
export function ownQuery<T extends object>(query: T): T {
  if (typeof query !== 'object' || query === null) {
    throw refuse('tenantId', 'a read needs an object with a tenantId, or the explicit allTenants: true');
  }
  return ownProperties(query, (field = 'tenantId') => refuse(field, `${field} can't be read`));
}

/** What the object itself has under the name. */
export function ownValue(query: object, name: string): unknown {
  return Object.hasOwn(query, name) ? (query as Record<string, unknown>)[name] : undefined;
}

/**
 * Takes out of a read's argument whether protected values are to be shown.
 *
 * @throws AuditError `AUDIT_INVALID_QUERY` on `reveal`
 */
export function splitReveal<T extends object>(query: T): { reveal: boolean; rest: Omit<T, 'reveal'> } {
  const own = ownQuery(query);
  const { reveal: _reveal, ...rest } = own as T & { reveal?: unknown };
  const reveal = ownValue(own, 'reveal');
  if (reveal === undefined || typeof reveal === 'boolean') return { reveal: reveal ?? false, rest };
  throw refuse('reveal', 'reveal must be true or false');
}

/**
 * Takes the scope out of a read's argument.
 *
 * @throws AuditError `AUDIT_INVALID_QUERY` on `tenantId` or `allTenants`
 */
export function splitScope<T extends object>(
  query: T,
): { tenantId?: string; rest: Omit<T, 'tenantId' | 'allTenants'> } {
  const own = ownQuery(query);
  const { tenantId: _tenantId, allTenants: _allTenants, ...rest } = own as T & Record<string, unknown>;
  const [tenantId, allTenants] = [ownValue(own, 'tenantId'), ownValue(own, 'allTenants')];
  if (allTenants !== undefined && allTenants !== true) {
    throw refuse('allTenants', 'allTenants can only be true; leave it out and give a tenantId instead');
  }
  if (allTenants === true) {
    if (tenantId !== undefined) {
      throw refuse('allTenants', 'tenantId and allTenants exclude each other; give one of them');
    }
    return { rest: rest as Omit<T, 'tenantId' | 'allTenants'> };
  }
  if (typeof tenantId !== 'string' || tenantId === '') {
    throw refuse(
      'tenantId',
      'a read needs a tenantId (a text that is not empty), or the explicit allTenants: true',
    );
  }
  checkTenantId(tenantId);
  return { tenantId, rest: rest as Omit<T, 'tenantId' | 'allTenants'> };
}

/**
 * Refuses a tenant whose events are stored under another id, which could be somebody else's.
 *
 * @throws AuditError `AUDIT_INVALID_QUERY` on `tenantId`
 */
export function checkTenantId(tenantId: string): void {
  if (isTenantId(tenantId)) return;
  throw refuse(
    'tenantId',
    `tenantId must be at most ${TEXT_LIMITS.tenantId} characters, without control characters and not one that ends in a digest: no tenant is stored under this one`,
  );
}

function refuse(field: string, reason: string): AuditError {
  return new AuditError('AUDIT_INVALID_QUERY', `The audit query is not valid: ${reason}.`, { field });
}
