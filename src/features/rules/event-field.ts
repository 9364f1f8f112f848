import type { AuditLogEvent } from '../../event/audit-log-event.js';
import { EVENT_FIELDS as STORED_FIELDS } from '../../store/event-row.js';

/** The fields of an event that a condition can name; `details` and `metadata` by one of their keys. */
export const EVENT_FIELDS = STORED_FIELDS.map(({ name }) => name).filter(
  (name) => name !== 'details' && name !== 'metadata',
);

/** How the value of a field is read, `undefined` where the event has none; itself `undefined` where there can be no such field. */
export function readerOf(field: string): ((event: AuditLogEvent) => unknown) | undefined {
  const own = EVENT_FIELDS.find((name) => name === field);
  if (own) return (event) => event[own];
  const holder = field.split('.', 1)[0]!;
  const key = field.slice(holder.length + 1);
  if ((holder !== 'details' && holder !== 'metadata') || key === '') return undefined;
  // Inherited properties are none of its facts.
  return ({ [holder]: facts }) => (Object.hasOwn(facts, key) ? facts[key] : undefined);
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
