import { AuditError } from '../event/audit-error.js';
import { TEXT_LIMITS } from '../event/safe-text.js';

/** Whose events a read may see: one tenant's, or, said in so many words, everybody's. Neither or both is an error. */
export type AuditScope =
  | { readonly tenantId: string; readonly allTenants?: never }
  | { readonly allTenants: true; readonly tenantId?: never };

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
