import { AuditError } from '../event/audit-error.js';
import { isEventId } from '../event/event-id.js';
import { present } from '../event/present.js';
import { unknownProperties } from '../event/unknown-properties.js';
import { checkQuery, DEFAULT_LIMIT } from './audit-query.dto.js';
import { splitScope } from './audit-scope.js';
import type { AuditScope } from './audit-scope.js';

/** Whose dead letters, and which page of them. */
export type AuditDeadLetterQuery = AuditScope & {
  /** Most letters in the answer, 1-1000. @defaultValue 50 */
  readonly limit?: number;
  /** The id of the event that the page begins behind: the last one of the page before. */
  readonly after?: string;
};

/**
 * Checks a query, whoever made it.
 *
 * @param notHere properties that have no meaning in this call
 * @throws AuditError `AUDIT_INVALID_QUERY`, naming the first wrong property
 */
export function checkDeadLetterQuery(
  query: AuditDeadLetterQuery,
  notHere: readonly string[] = [],
): { readonly tenantId?: string; readonly limit: number; readonly after?: string } {
  const { tenantId, rest } = splitScope(query);
  const { limit: asked, after, ...others } = rest;
  const unknown = unknownProperties(others, new Set());
  if (unknown) throw refuse(unknown.first, unknown.reason);
  for (const field of notHere) {
    if ((rest as Record<string, unknown>)[field] === undefined) continue;
    throw refuse(field, `${field} has no meaning here`);
  }
  const { limit = DEFAULT_LIMIT } = checkQuery({ ...present('limit', asked) });
  if (after !== undefined && !isEventId(after)) {
    throw refuse('after', 'after must be the id of the last event of the page before');
  }
  return { ...present('tenantId', tenantId), limit, ...present('after', after) };
}

function refuse(field: string, reason: string): AuditError {
  return new AuditError('AUDIT_INVALID_QUERY', `The audit query is not valid: ${reason}.`, { field });
}
