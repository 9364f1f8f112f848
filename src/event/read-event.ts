// An event as it was found where anybody may have written: reading it never throws, and what can't be read is said.
import { CATEGORIES, OUTCOMES, SEVERITIES } from './audit-log-event.js';
import type { AuditFacts, AuditLogEvent } from './audit-log-event.js';
import { isFacts, isOneOf, isText, isTexts, isWellFormed, isWithin, LAST_TIME } from './event-checks.js';
import { isEventId, timestampOf } from './event-id.js';
import { FACT_LIMITS, flattenFacts, UNREADABLE } from './flatten.js';
import { safeText, TEXT_LIMITS } from './safe-text.js';

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

type Check = (value: unknown) => boolean;

/** What a property of an event may be. */
interface Property {
  /** Whether it is as the public type says. */
  readonly isRight: Check;
  /** Whether it is as the pipeline leaves it, where that has narrower bounds. */
  readonly isBounded?: Check;
  /** What is read of what is not right. */
  readonly otherwise: (value: unknown) => unknown;
  readonly isOptional?: boolean;
}

function text(name: keyof typeof TEXT_LIMITS, isOptional = false): Property {
  const isBounded = (value: unknown) =>
    isText(value) && value !== '' && safeText(value, TEXT_LIMITS[name]) === value;
  return { isRight: isText, isBounded, otherwise: asText, isOptional };
}

function facts(isBounded: Check): Property {
  return { isRight: isFacts, isBounded, otherwise: readFacts };
}

/** In the order in which an event has them. */
const PROPERTIES: { readonly [name in keyof AuditLogEvent]-?: Property } = {
  // As it is, if it is a text: pages go on from it.
  id: { isRight: isEventId, otherwise: asText },
  timestamp: { isRight: isWithin(LAST_TIME), otherwise: () => 0 },
  tenantId: text('tenantId'),
  userId: text('userId', true),
  action: text('action'),
  resource: text('resource'),
  resourceId: text('resourceId', true),
  details: facts((value) => isFacts(value, isWellFormed)),
  ipAddress: text('ipAddress', true),
  userAgent: text('userAgent', true),
  sessionId: text('sessionId', true),
  severity: { isRight: isOneOf(SEVERITIES), otherwise: () => 'critical' },
  category: { isRight: isOneOf(CATEGORIES), otherwise: () => 'security' },
  outcome: { isRight: isOneOf(OUTCOMES), otherwise: () => 'partial' },
  riskScore: { isRight: isWithin(100), otherwise: () => 100 },
  complianceFlags: {
    isRight: isTexts,
    isBounded: (value) => isTexts(value, isWellFormed),
    otherwise: (value) => (Array.isArray(value) ? value.filter(isText) : []),
  },
  metadata: facts((value) => isFacts(value, isWellFormed) && areMarksOfLibrary(value)),
};
const NAMES = Object.keys(PROPERTIES) as (keyof AuditLogEvent)[];

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
  for (const name in value) if (!Object.hasOwn(PROPERTIES, name)) return false;
  const event = value as AuditLogEvent;
  const areAll = NAMES.every((name) => {
    const { isRight, isBounded = isRight, isOptional } = PROPERTIES[name];
    return event[name] === undefined ? isOptional : isBounded(event[name]);
  });
  // Times are compared through the ids.
  return areAll && timestampOf(event.id) === event.timestamp;
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
