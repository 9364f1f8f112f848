import { CATEGORIES, OUTCOMES, SEVERITIES } from './audit-log-event.js';
import type { AuditFacts, AuditLogEvent } from './audit-log-event.js';
import { isFacts, isOneOf, isText, isTexts, isWellFormed, isWithin, LAST_TIME } from './event-checks.js';
import { isEventId, timestampOf } from './event-id.js';
import { safeText, TEXT_LIMITS } from './safe-text.js';

type Check = (value: unknown) => boolean;

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
  timestamp: isWithin(LAST_TIME),
  tenantId: text(TEXT_LIMITS.tenantId),
  userId: optional(text(TEXT_LIMITS.userId)),
  action: text(TEXT_LIMITS.action),
  resource: text(TEXT_LIMITS.resource),
  resourceId: optional(text(TEXT_LIMITS.resourceId)),
  details: (value) => isFacts(value, isWellFormed),
  ipAddress: optional(text(TEXT_LIMITS.ipAddress)),
  userAgent: optional(text(TEXT_LIMITS.userAgent)),
  sessionId: optional(text(TEXT_LIMITS.sessionId)),
  severity: isOneOf(SEVERITIES),
  category: isOneOf(CATEGORIES),
  outcome: isOneOf(OUTCOMES),
  riskScore: isWithin(100),
  complianceFlags: (value) => isTexts(value, isWellFormed),
  metadata: (value) => isFacts(value, isWellFormed) && areMarksOfLibrary(value),
};
const NAMES = Object.keys(CHECKS) as (keyof AuditLogEvent)[];

/** What stands under `protected`: encrypted values, or what became of them. */
const PROTECTED = /^(?:(?:v1|t1)\.[0-9a-f-]{36}\.[\w-]{38,}|erased|withheld)$/;

/** What only the library says in `metadata`: that something can't be read, reads alone say. */
function areMarksOfLibrary({ unreadable, protected: values, protectedFields }: AuditFacts): boolean {
  return (
    unreadable === undefined &&
    (values === undefined || (isText(values) && PROTECTED.test(values))) &&
    (protectedFields === undefined || isTexts(protectedFields))
  );
}

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
