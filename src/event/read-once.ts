import { invalidEvent } from './audit-error.js';
import type { AuditError } from './audit-error.js';

/**
 * A copy of the object's own properties, each read once: what its prototypes have, nobody has said, and what a getter answers the next time
 * counts for nothing.
 *
 * @param refuse the error where a getter or a proxy throws, of the property that it was
 * @throws what `refuse` answers
 */
export function readOnce<T extends object>(source: T, refuse: (field?: string) => AuditError): T {
  const entries: [name: string, value: unknown][] = [];
  let field: string | undefined;
  try {
    // A list is none of what this is asked for, and stays one, so that it is refused as such.
    if (Array.isArray(source)) return source;
    for (field of Object.keys(source)) entries.push([field, source[field as keyof T]]);
  } catch {
    throw refuse(field);
  }
  return Object.fromEntries(entries) as T;
}

/**
 * An event that somebody gives, read once.
 *
 * @throws AuditError `AUDIT_INVALID_EVENT` naming the property that can't be read
 */
export function eventReadOnce<T>(event: T): T {
  if (typeof event !== 'object' || event === null) return event;
  const refuse = (field?: string) =>
    invalidEvent(field, `${field ?? 'it'} can't be read, since reading it throws`);
  return readOnce(event, refuse);
}
