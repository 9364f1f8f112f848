import type { AuditFacts, AuditLogEvent } from '../event/audit-log-event.js';
import { PROTECTED_FIELDS_KEY, PROTECTED_KEY, PROTECTED_VALUE } from '../event/protected-marks.js';
import { REDACTED_FIELDS } from './redaction/redaction-options.js';
import type { RedactedField } from './redaction/redaction-options.js';

/** Stand in `metadata` under {@link PROTECTED_KEY} instead of the values. */
export const ERASED = 'erased';
export const WITHHELD = 'withheld';

/** What is shown instead of a value. */
export type Placeholder = '[protected]' | '[erased]' | '[withheld]' | '[unreadable]';

/** Whether values of the event are encrypted, withheld or erased. */
export function isProtected({ metadata }: AuditLogEvent): boolean {
  return metadata[PROTECTED_KEY] !== undefined;
}

/** What the event itself says of its protected values. */
export function placeholderOf({ metadata }: AuditLogEvent): Placeholder {
  const values = metadata[PROTECTED_KEY];
  return values === ERASED || values === WITHHELD ? `[${values}]` : '[protected]';
}

/** The event as it is shown where its protected values are not. */
export function hidden(event: AuditLogEvent, placeholder: Placeholder): AuditLogEvent {
  const shown = withoutMarks(event);
  for (const field of protectedFieldsOf(event)) shown[field] = placeholder;
  for (const record of [shown.details, shown.metadata]) {
    for (const key of Object.keys(record)) if (record[key] === PROTECTED_VALUE) record[key] = placeholder;
  }
  return shown;
}

/** A copy of the event without what the library says in it of its protection. */
export function withoutMarks(event: AuditLogEvent): AuditLogEvent {
  const { [PROTECTED_KEY]: _values, [PROTECTED_FIELDS_KEY]: _fields, ...metadata } = event.metadata;
  return { ...event, details: { ...event.details }, metadata: metadata as AuditFacts };
}

/** Which fields outside of `details` and `metadata` the event says it has, protected. */
export function protectedFieldsOf({ metadata }: AuditLogEvent): RedactedField[] {
  const named = metadata[PROTECTED_FIELDS_KEY];
  return REDACTED_FIELDS.filter((field) => Array.isArray(named) && (named as string[]).includes(field));
}
