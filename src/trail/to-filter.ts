import { safeText, TEXT_LIMITS } from '../event/safe-text.js';
import { invalidQuery } from '../event/audit-error.js';
import { canonicalIp } from '../event/ip-address.js';
import { present } from '../event/present.js';
import type { Redactor } from '../recorder/redaction/redactor.js';
import { formsOf } from '../recorder/stored-text.js';
import type { IdField } from '../recorder/stored-text.js';
import type { EventFilter } from '../store/event-filter.js';
import type { AuditFilter, CheckedQuery } from './audit-query.dto.js';

type Texts = string | readonly string[];

/** The store's filter for a checked query, its texts in the form in which events store theirs. */
export function toFilter(
  query: CheckedQuery<AuditFilter>,
  tenantId: string | undefined,
  redactor: Redactor,
): EventFilter {
  const ids = (name: IdField) => {
    const given = query[name];
    return given === undefined ? undefined : [given].flat().flatMap((id) => formsOf(redactor, name, id));
  };
  const actions = list(query.action, TEXT_LIMITS.action);
  const exact = actions?.filter((action) => !action.endsWith('*'));
  const prefixes = actions?.filter((action) => action.endsWith('*')).map((action) => action.slice(0, -1));
  return {
    ...present('tenantId', tenantId),
    ...present('id', list(query.id, 36)),
    ...present('userId', ids('userId')),
    ...(exact?.length && { action: exact }),
    ...(prefixes?.length && { actionPrefix: prefixes.map(checkPrefix) }),
    ...present('resource', list(query.resource, TEXT_LIMITS.resource)),
    ...present('resourceId', ids('resourceId')),
    ...present(
      'ipAddress',
      list(query.ipAddress, 64)?.map((address) => canonicalIp(address) ?? address),
    ),
    ...present('userAgent', list(query.userAgent, TEXT_LIMITS.userAgent)),
    ...present('sessionId', ids('sessionId')),
    ...present('severity', list(query.severity, 16)),
    ...present('category', list(query.category, 32)),
    ...present('outcome', list(query.outcome, 16)),
    ...present('complianceFlag', list(query.complianceFlag, 128)),
    ...present('from', query.from),
    ...present('to', query.to),
    ...present('minRiskScore', query.minRiskScore),
    ...present('maxRiskScore', query.maxRiskScore),
    ...present('details', query.details),
    ...present('metadata', query.metadata),
    ...present('text', query.text === undefined ? undefined : safeText(query.text, 512)),
  };
}

function list(value: Texts | undefined, limit: number): readonly string[] | undefined {
  return value === undefined ? undefined : [value].flat().map((text) => safeText(text, limit));
}

function checkPrefix(prefix: string): string {
  if (prefix !== '' && !prefix.includes('*')) return prefix;
  throw invalidQuery('action', 'action may end in one *, after at least one character, as in "invoice.*"');
}
