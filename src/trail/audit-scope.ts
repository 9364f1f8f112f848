import { AuditError } from '../event/audit-error.js';
import { TEXT_LIMITS } from '../event/safe-text.js';

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
 * Takes out of a read's argument whether protected values are to be shown.
 *
 * @throws AuditError `AUDIT_INVALID_QUERY` on `reveal`
 */
export function splitReveal<T extends object>(query: T): { reveal: boolean; rest: Omit<T, 'reveal'> } {
  // Whether it is an object at all, the scope says.
  if (typeof query !== 'object' || query === null) return { reveal: false, rest: query };
  const { reveal = false, ...rest } = query as T & { reveal?: unknown };
  if (typeof reveal === 'boolean') return { reveal, rest };
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
  if (typeof query !== 'object' || query === null) {
    throw refuse('tenantId', 'a read needs an object with a tenantId, or the explicit allTenants: true');
  }
  const { tenantId, allTenants, ...rest } = query as T & { tenantId?: unknown; allTenants?: unknown };
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
  if (tenantId.length > TEXT_LIMITS.tenantId) {
    throw refuse('tenantId', `tenantId must not be longer than ${TEXT_LIMITS.tenantId} characters`);
  }
  return { tenantId, rest: rest as Omit<T, 'tenantId' | 'allTenants'> };
}

function refuse(field: string, reason: string): AuditError {
  return new AuditError('AUDIT_INVALID_QUERY', `The audit query is not valid: ${reason}.`, { field });
}
