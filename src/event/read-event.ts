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

/** How each property is read, in the order in which an event has them: whether it is right, and what it is where it is not. */
const PROPERTIES: { readonly [name in keyof AuditLogEvent]-?: Reading } = {
  // As it is, if it is a text: pages go on from it.
  id: { isRight: isEventId, otherwise: asText },
  timestamp: { isRight: isWithin(LAST_TIME), otherwise: () => 0 },
  tenantId: { isRight: isText, otherwise: asText },
  userId: { isRight: isText, otherwise: asText, isOptional: true },
  action: { isRight: isText, otherwise: asText },
  resource: { isRight: isText, otherwise: asText },
  resourceId: { isRight: isText, otherwise: asText, isOptional: true },
  details: { isRight: isFacts, otherwise: readFacts },
  ipAddress: { isRight: isText, otherwise: asText, isOptional: true },
  userAgent: { isRight: isText, otherwise: asText, isOptional: true },
  sessionId: { isRight: isText, otherwise: asText, isOptional: true },
  severity: { isRight: isOneOf(SEVERITIES), otherwise: () => 'critical' },
  category: { isRight: isOneOf(CATEGORIES), otherwise: () => 'security' },
  outcome: { isRight: isOneOf(OUTCOMES), otherwise: () => 'partial' },
  riskScore: { isRight: isWithin(100), otherwise: () => 100 },
  complianceFlags: {
    isRight: isTexts,
    otherwise: (value) => (Array.isArray(value) ? value.filter(isText) : []),
  },
  metadata: { isRight: isFacts, otherwise: readFacts },
};
const NAMES = Object.keys(PROPERTIES) as (keyof AuditLogEvent)[];

interface Reading {
  readonly isRight: (value: unknown) => boolean;
  readonly otherwise: (value: unknown) => unknown;
  readonly isOptional?: true;
}

/**
 * Reads an event from its parts. Of a wrong property, what can be read is kept. Where nothing can, it shows
 * the graver value, so that nobody overlooks it. `metadata.unreadable` names these properties.
 */
export function readEvent(parts: EventParts): ReadEvent {
  const unreadable: (keyof AuditLogEvent)[] = [];
  const read: { [name in keyof AuditLogEvent]?: unknown } = {};
  for (const name of NAMES) {
    const value = parts[name];
    const { isRight, otherwise, isOptional } = PROPERTIES[name];
    if (value === undefined && isOptional) continue;
    const isReadable = isRight(value);
    if (!isReadable) unreadable.push(name);
    read[name] = isReadable ? value : otherwise(value);
  }
  const event = read as unknown as AuditLogEvent;
  if (unreadable.length > 0) event.metadata = { ...event.metadata, [UNREADABLE_KEY]: [...unreadable] };
  return { event, unreadable };
}

function asText(value: unknown): string {
  return isText(value) ? value : UNREADABLE;
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
