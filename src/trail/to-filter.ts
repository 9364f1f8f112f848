import { safeText, TEXT_LIMITS } from '../event/safe-text.js';
import { invalidQuery } from '../event/audit-error.js';
import { canonicalIp } from '../event/ip-address.js';
import { defined } from '../event/present.js';
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
  const { from, to, minRiskScore, maxRiskScore, details, metadata, text } = query;
  return defined({
    tenantId,
    id: list(query.id, 36),
    userId: ids('userId'),
    action: exact?.length ? exact : undefined,
    actionPrefix: prefixes?.length ? prefixes.map(checkPrefix) : undefined,
    resource: list(query.resource, TEXT_LIMITS.resource),
    resourceId: ids('resourceId'),
    ipAddress: list(query.ipAddress, 64)?.map((address) => canonicalIp(address) ?? address),
    userAgent: list(query.userAgent, TEXT_LIMITS.userAgent),
    sessionId: ids('sessionId'),
    severity: list(query.severity, 16),
    category: list(query.category, 32),
    outcome: list(query.outcome, 16),
    complianceFlag: list(query.complianceFlag, 128),
    from,
    to,
    minRiskScore,
    maxRiskScore,
    details,
    metadata,
    text: text === undefined ? undefined : safeText(text, 512),
  });
}

function list(value: Texts | undefined, limit: number): readonly string[] | undefined {
  return value === undefined ? undefined : [value].flat().map((text) => safeText(text, limit));
}

function checkPrefix(prefix: string): string {
  if (prefix !== '' && !prefix.includes('*')) return prefix;
  throw invalidQuery('action', 'action may end in one *, after at least one character, as in "invoice.*"');
}
