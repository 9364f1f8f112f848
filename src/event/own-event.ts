import { AuditError } from './audit-error.js';
import { ownProperties } from './own-properties.js';
import { present } from './present.js';

/**
 * An event that somebody gives, read once: what a getter answers the next time counts for nothing.
 *
 * @throws AuditError `AUDIT_INVALID_EVENT` naming the property that can't be read
 */
export function ownEvent<T>(event: T): T {
  if (typeof event !== 'object' || event === null) return event;
  return ownProperties(
    event,
    (field) =>
      new AuditError(
        'AUDIT_INVALID_EVENT',
        `The audit event was not recorded: ${field ?? 'it'} can't be read, since reading it throws.`,
        { ...present('field', field) },
      ),
  );
}
