// An event as it was found where anybody may have written: reading it never throws, and what can't be read is said.
import { CATEGORIES, OUTCOMES, SEVERITIES } from './audit-log-event.js';
import type { AuditFacts, AuditLogEvent } from './audit-log-event.js';
import { isFacts, isOneOf, isText, isTexts, isWithin, LAST_TIME } from './event-checks.js';
import { isEventId } from './event-id.js';
import { FACT_LIMITS, flattenFacts, UNREADABLE } from './flatten.js';
import { safeText } from './safe-text.js';

/** The key in `metadata` under which an event says which of its properties could not be read. */
export const UNREADABLE_KEY = 'unreadable';

/** The properties of an event as they were found. Each may be anything. */
export type EventParts = { readonly [name in keyof AuditLogEvent]?: unknown };

/** An event of the public type, and the properties that were not as an event has them. */
export interface ReadEvent {
  readonly event: AuditLogEvent;
  /** Empty where it is an event as the library writes it. */
  readonly unreadable: readonly (keyof AuditLogEvent)[];
}

/**
 * Reads an event from its parts. Of a wrong property, what can be read is kept. Where nothing can, it shows
 * the graver value, so that nobody overlooks it. `metadata.unreadable` names these properties.
 */
export function readEvent(parts: EventParts): ReadEvent {
  const unreadable: (keyof AuditLogEvent)[] = [];
  const read = <T>(name: keyof AuditLogEvent, isRight: (value: unknown) => value is T, other: T): T => {
    const value = parts[name];
    if (isRight(value)) return value;
    unreadable.push(name);
    return other;
  };
  const text = (name: keyof AuditLogEvent) => read(name, isText, UNREADABLE);
  const optional = (name: keyof AuditLogEvent) =>
    parts[name] === undefined ? {} : { [name]: read(name, isText, UNREADABLE) };
  const event: AuditLogEvent = {
    // As it is, if it is a text: pages go on from it.
    id: read('id', isEventId, isText(parts.id) ? parts.id : UNREADABLE),
    timestamp: read('timestamp', isWithin(LAST_TIME), 0),
    tenantId: text('tenantId'),
    ...optional('userId'),
    action: text('action'),
    resource: text('resource'),
    ...optional('resourceId'),
    details: read('details', isFacts, parts.details as AuditFacts),
    ...optional('ipAddress'),
    ...optional('userAgent'),
    ...optional('sessionId'),
    severity: read('severity', isOneOf(SEVERITIES), 'critical'),
    category: read('category', isOneOf(CATEGORIES), 'security'),
    outcome: read('outcome', isOneOf(OUTCOMES), 'partial'),
    riskScore: read('riskScore', isWithin(100), 100),
    complianceFlags: read('complianceFlags', isTexts, parts.complianceFlags as string[]),
    metadata: read('metadata', isFacts, parts.metadata as AuditFacts),
  };
  if (unreadable.length === 0) return { event, unreadable };
  event.details = readFacts(event.details);
  event.metadata = { ...readFacts(event.metadata), [UNREADABLE_KEY]: [...unreadable] };
  event.complianceFlags = Array.isArray(parts.complianceFlags) ? parts.complianceFlags.filter(isText) : [];
  return { event, unreadable };
}

/** What can be read of facts; of a text that is no JSON its beginning, under the key `[unreadable]`. */
export function readFacts(value: unknown): AuditFacts {
  if (isFacts(value)) return value;
  if (isText(value)) return { [UNREADABLE]: safeText(value, FACT_LIMITS.string) };
  if (typeof value !== 'object' || value === null) return {};
  return flattenFacts(value as Record<string, unknown>, () => false);
}

/** The value that the JSON says; the text itself where it is no JSON, which no part of an event but a text is. */
export function parsedJson(text: unknown): unknown {
  if (typeof text !== 'string') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
