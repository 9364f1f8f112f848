import { canonicalJson } from '../ledger/canonical-json.js';
import type { AuditLogEvent, AuditValue } from '../event/audit-log-event.js';

/** The conditions that ask for one of several exact values of the property of that name. */
export const EXACT_CONDITIONS = [
  'id',
  'userId',
  'resource',
  'resourceId',
  'ipAddress',
  'userAgent',
  'sessionId',
  'severity',
  'category',
  'outcome',
] as const;

type ExactConditions = { readonly [Name in (typeof EXACT_CONDITIONS)[number]]?: readonly string[] };

/**
 * Which events are meant, in its normal form: every condition that is present must hold. Made by `trail/` from a
 * checked query; the repository reads it as SQL, {@link matchesFilter} as a predicate on a live event.
 */
export interface EventFilter extends ExactConditions {
  /** Absent only where the caller asked for all tenants. */
  readonly tenantId?: string;
  readonly action?: readonly string[];
  /** Actions that begin with one of these, for example `invoice.` */
  readonly actionPrefix?: readonly string[];
  /** Any of these compliance rules matched. */
  readonly complianceFlag?: readonly string[];
  /** Unix epoch, milliseconds, inclusive. */
  readonly from?: number;
  /** Unix epoch, milliseconds, exclusive. */
  readonly to?: number;
  /** Inclusive. */
  readonly minRiskScore?: number;
  /** Inclusive. */
  readonly maxRiskScore?: number;
  /** Keys of `details` with exactly this value. */
  readonly details?: Readonly<Record<string, AuditValue>>;
  /** Keys of `metadata` with exactly this value. */
  readonly metadata?: Readonly<Record<string, AuditValue>>;
  /** Of this person: what they did, or what has values under one of their keys. */
  readonly subject?: { readonly userIds: readonly string[]; readonly keyIds: readonly string[] };
  /** Found anywhere in the text of the event, whatever the case of ASCII letters. */
  readonly text?: string;
}

/** The properties that free text is looked for in. */
export const TEXT_CONDITIONS = [
  'action',
  'resource',
  'resourceId',
  'userId',
  'ipAddress',
  'userAgent',
  'details',
  'metadata',
] as const;

/** Whether the event meets every condition: the same answer as the database's. */
export function matchesFilter(event: AuditLogEvent, filter: EventFilter): boolean {
  if (filter.tenantId !== undefined && event.tenantId !== filter.tenantId) return false;
  for (const name of EXACT_CONDITIONS) {
    const wanted = filter[name];
    const actual = event[name];
    if (wanted && (actual === undefined || !wanted.includes(actual))) return false;
  }
  if (filter.action || filter.actionPrefix) {
    const exact = filter.action?.includes(event.action) ?? false;
    if (!exact && !filter.actionPrefix?.some((prefix) => event.action.startsWith(prefix))) return false;
  }
  if (filter.complianceFlag && !filter.complianceFlag.some((flag) => event.complianceFlags.includes(flag))) {
    return false;
  }
  if (filter.from !== undefined && event.timestamp < filter.from) return false;
  if (filter.to !== undefined && event.timestamp >= filter.to) return false;
  if (filter.minRiskScore !== undefined && event.riskScore < filter.minRiskScore) return false;
  if (filter.maxRiskScore !== undefined && event.riskScore > filter.maxRiskScore) return false;
  if (filter.details && !containsFacts(event.details, filter.details)) return false;
  if (filter.metadata && !containsFacts(event.metadata, filter.metadata)) return false;
  if (filter.subject && !isOf(event, filter.subject)) return false;
  return filter.text === undefined || containsText(event, filter.text);
}

/** The text that the metadata of an event contain where it has values under this key. */
export function mentionOf(keyId: string): string {
  return `"protected":"v1.${keyId}.`;
}

function isOf({ userId, metadata }: AuditLogEvent, subject: NonNullable<EventFilter['subject']>): boolean {
  const text = canonicalJson(metadata);
  return (
    (userId !== undefined && subject.userIds.includes(userId)) ||
    subject.keyIds.some((keyId) => text.includes(mentionOf(keyId)))
  );
}

function containsFacts(
  facts: Readonly<Record<string, AuditValue>>,
  wanted: Readonly<Record<string, AuditValue>>,
): boolean {
  return Object.entries(wanted).every(
    ([key, value]) => Object.hasOwn(facts, key) && JSON.stringify(facts[key]) === JSON.stringify(value),
  );
}

function containsText(event: AuditLogEvent, text: string): boolean {
  const needle = lowerAscii(text);
  return TEXT_CONDITIONS.some((name) => {
    const value = event[name];
    if (value === undefined) return false;
    return lowerAscii(typeof value === 'string' ? value : canonicalJson(value)).includes(needle);
  });
}

/** Lower case of ASCII letters only: what every supported database can do alike. */
export function lowerAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
