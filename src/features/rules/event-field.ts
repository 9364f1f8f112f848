import type { AuditLogEvent } from '../../event/audit-log-event.js';

/** The fields of an event that a condition can name; `details` and `metadata` by one of their keys. */
export const EVENT_FIELDS = [
  'id',
  'timestamp',
  'tenantId',
  'userId',
  'action',
  'resource',
  'resourceId',
  'ipAddress',
  'userAgent',
  'sessionId',
  'severity',
  'category',
  'outcome',
  'riskScore',
  'complianceFlags',
] as const satisfies readonly (keyof AuditLogEvent)[];

export type EventField = (typeof EVENT_FIELDS)[number];

/** Where a condition looks: a field of the event itself, or a dotted key of its facts. */
export type FieldPath =
  | { readonly of: 'event'; readonly name: EventField }
  | { readonly of: 'details' | 'metadata'; readonly name: string };

/** What a path means; `undefined` where there can be no such field. */
export function fieldPathOf(field: string): FieldPath | undefined {
  if ((EVENT_FIELDS as readonly string[]).includes(field)) return { of: 'event', name: field as EventField };
  const [holder] = field.split('.', 1);
  const name = field.slice(holder!.length + 1);
  if ((holder !== 'details' && holder !== 'metadata') || name === '') return undefined;
  return { of: holder, name };
}

/** What is known of a request when every guard has passed and its handler has not begun: what `block` may look at. */
export const FIELDS_BEFORE_HANDLER = [
  'tenantId',
  'userId',
  'action',
  'resource',
  'resourceId',
  'ipAddress',
  'userAgent',
  'sessionId',
  'timestamp',
  'details.body.*',
  'details.query.*',
  'metadata.method',
  'metadata.path',
  'metadata.route',
  'metadata.handler',
  'metadata.requestId',
  'metadata.traceId',
  'metadata.actorType',
  'metadata.impersonatorId',
  'metadata.roles',
  'metadata.service',
  'metadata.serviceVersion',
] as const;

export function isKnownBeforeHandler(field: string): boolean {
  return FIELDS_BEFORE_HANDLER.some((known) =>
    known.endsWith('.*')
      ? field.startsWith(known.slice(0, -1)) && field.length >= known.length
      : field === known,
  );
}

/** The value under a path; `undefined` where the event has none. Inherited properties are none. */
export function readField(event: AuditLogEvent, path: FieldPath): unknown {
  if (path.of === 'event') return event[path.name];
  const facts = event[path.of];
  return Object.hasOwn(facts, path.name) ? facts[path.name] : undefined;
}
