import { CATEGORIES, OUTCOMES, SEVERITIES } from './audit-log-event.js';
import type { AuditLogEvent } from './audit-log-event.js';
import { isEventId, timestampOf } from './event-id.js';
import { safeText, TEXT_LIMITS } from './safe-text.js';

type Check = (value: unknown) => boolean;

/** The last millisecond that a UUIDv7 can hold. */
const LAST_TIMESTAMP = 2 ** 48 - 1;

const oneOf =
  (values: readonly string[]): Check =>
  (value) =>
    values.includes(value as string);
const integer =
  (last: number): Check =>
  (value) =>
    Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= last;
const text =
  (limit: number): Check =>
  (value) =>
    typeof value === 'string' && value !== '' && safeText(value, limit) === value;
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);

const CHECKS: Readonly<Record<keyof AuditLogEvent, Check>> = {
  id: isEventId,
  timestamp: integer(LAST_TIMESTAMP),
  tenantId: text(TEXT_LIMITS.tenantId),
  userId: optional(text(TEXT_LIMITS.userId)),
  action: text(TEXT_LIMITS.action),
  resource: text(TEXT_LIMITS.resource),
  resourceId: optional(text(TEXT_LIMITS.resourceId)),
  details: isFacts,
  ipAddress: optional(text(TEXT_LIMITS.ipAddress)),
  userAgent: optional(text(TEXT_LIMITS.userAgent)),
  sessionId: optional(text(TEXT_LIMITS.sessionId)),
  severity: oneOf(SEVERITIES),
  category: oneOf(CATEGORIES),
  outcome: oneOf(OUTCOMES),
  riskScore: integer(100),
  complianceFlags: (value) => Array.isArray(value) && value.every(isWellFormed),
  metadata: isFacts,
};
const NAMES = Object.keys(CHECKS) as (keyof AuditLogEvent)[];

/**
 * Whether the value is an event as the pipeline leaves it, complete and within its bounds. For what comes from where
 * somebody else may have written: it can still be invented.
 *
 * @param value parsed JSON
 */
export function isAuditEvent(value: unknown): value is AuditLogEvent {
  if (typeof value !== 'object' || value === null) return false;
  for (const name in value) if (!Object.hasOwn(CHECKS, name)) return false;
  const event = value as AuditLogEvent;
  if (!NAMES.every((name) => CHECKS[name](event[name]))) return false;
  // Times are compared through the ids.
  return timestampOf(event.id) === event.timestamp;
}

function isFacts(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  for (const key in value) {
    if (!isWellFormed(key) || !isFact((value as Readonly<Record<string, unknown>>)[key])) return false;
  }
  return true;
}

function isFact(fact: unknown): boolean {
  if (!Array.isArray(fact)) return typeof fact === 'boolean' || isFinite(fact) || isWellFormed(fact);
  return fact.every(isFinite) || fact.every(isWellFormed);
}

/** JSON can say `1e999`, which is read as infinite. */
function isFinite(value: unknown): boolean {
  return Number.isFinite(value);
}

function isWellFormed(value: unknown): boolean {
  return typeof value === 'string' && value.isWellFormed();
}
