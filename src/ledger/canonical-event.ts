import type { AuditLogEvent } from '../event/audit-log-event.js';
import { canonicalJson } from './canonical-json.js';
import { leafHash } from './merkle.js';

/** An event whose records are the text of their canonical JSON, as the store keeps them. */
export type EventParts = Omit<AuditLogEvent, RecordName> & Readonly<Record<RecordName, string>>;
type RecordName = 'details' | 'complianceFlags' | 'metadata';

/** The fields of an event, in the order of RFC 8785: by UTF-16 code units. */
export const EVENT_NAMES = [
  'action',
  'category',
  'complianceFlags',
  'details',
  'id',
  'ipAddress',
  'metadata',
  'outcome',
  'resource',
  'resourceId',
  'riskScore',
  'sessionId',
  'severity',
  'tenantId',
  'timestamp',
  'userAgent',
  'userId',
] as const satisfies readonly (keyof AuditLogEvent)[];

/** Where the first two of those texts end. What is behind the last one has no such text, and ends only with the whole. */
const NEXT_FIELD = /,"(?:details|id)":/;

/** The JSON of RFC 8785 of the whole event: what its leaf in the log is the hash of. Fields that are absent are left out. */
export function canonicalEvent(event: AuditLogEvent): string {
  return textOf(event, canonicalJson);
}

/**
 * As {@link canonicalEvent}. What the parts say is taken as it is, so that any other text gives another leaf. Where they
 * end is not: one that is no JSON could go on into the next field, and the whole still be the text of a true event.
 */
export function canonicalEventOf(parts: EventParts): string {
  return textOf(parts, bounded);
}

/** The hash of the event's leaf. */
export function eventLeafHash(event: AuditLogEvent): Buffer {
  return leafHash(canonicalEvent(event));
}

/** @param jsonOf the JSON of a record */
function textOf<R>(
  event: { readonly [name in keyof AuditLogEvent]?: unknown } & Readonly<Record<RecordName, R>>,
  jsonOf: (record: R) => string,
): string {
  let text = '';
  for (const name of EVENT_NAMES) {
    const value = event[name];
    if (value === undefined) continue;
    const json = isRecord(name) ? jsonOf(event[name]) : JSON.stringify(value);
    text += `${text === '' ? '{' : ','}"${name}":${json}`;
  }
  return `${text}}`;
}

function isRecord(name: keyof AuditLogEvent): name is RecordName {
  return name === 'complianceFlags' || name === 'details' || name === 'metadata';
}

/** The text itself, where it can only end where it does; else what no event has there, a string. */
function bounded(text: string): string {
  // Parsing each costs a fifth of the time; without the name of a next field there is nowhere else to end.
  return !NEXT_FIELD.test(text) || isJson(text) ? text : JSON.stringify(text);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
