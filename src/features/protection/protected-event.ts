import type { AuditLogEvent, AuditValue } from '../../event/audit-log-event.js';
import { FACT_LIMITS } from '../../event/flatten.js';
import { PROTECTED_FIELDS_KEY, PROTECTED_VALUE } from '../../event/protected-marks.js';
import { protectedFieldsOf, withoutMarks } from '../../recorder/hidden-event.js';
import { ENCRYPTED_OVERHEAD } from './encrypted-values.js';
import type { ProtectedValues } from './encrypted-values.js';
import { isNeeded, placeOf } from './protection-options.js';
import type { Protection } from './protection-options.js';

/**
 * A copy of the event without the values that are to be protected, and these.
 *
 * @returns `undefined` where it has none of them
 */
export function withoutValues(
  event: AuditLogEvent,
  protection: Protection,
): { event: AuditLogEvent; values: Record<string, AuditValue> } | undefined {
  const { fields, isProtectedFact } = protection;
  const values: Record<string, AuditValue> = {};
  const present = fields.filter((field) => event[field] !== undefined);
  for (const field of present) values[field] = event[field]!;
  const rest: AuditLogEvent = { ...event, details: { ...event.details }, metadata: { ...event.metadata } };
  for (const field of present) delete rest[field];
  const hidesKey = namesSomebody(event, protection);
  // Word for word it must not stand elsewhere, as the key of a finding.
  const repeated = new Set(present.map((field) => event[field]));
  const repeats = (value: AuditValue) => [value].flat().some((item) => repeated.has(String(item)));
  for (const record of ['details', 'metadata'] as const) {
    for (const [key, value] of Object.entries(rest[record])) {
      const name = `${record}.${key}`;
      const isHidden = isProtectedFact(name) || repeats(value) || (hidesKey && name === 'details.key');
      if (!isHidden || isNeeded(name)) continue;
      values[name] = value;
      rest[record][key] = PROTECTED_VALUE;
    }
  }
  if (Object.keys(values).length === 0) return undefined;
  if (present.length > 0) rest.metadata[PROTECTED_FIELDS_KEY] = [...present];
  return { event: rest, values };
}

/** Whether the event is a finding of detection whose key is of a kind that is protected. */
function namesSomebody({ action, details }: AuditLogEvent, { fields, isProtectedFact }: Protection): boolean {
  if (!action.startsWith('detection.')) return false;
  const { by } = details;
  if (by === 'address') return fields.includes('ipAddress');
  return fields.includes('userId') || (by === 'account' && isProtectedFact('details.account'));
}

/**
 * Takes the largest values out of the facts until the encrypted rest fits into `metadata`.
 *
 * @returns whether something did not fit
 */
export function fitValues(event: AuditLogEvent, values: Record<string, AuditValue>): boolean {
  const room = FACT_LIMITS.bytes - sizeOf(event.metadata) - ENCRYPTED_OVERHEAD - 256;
  let size = sizeOf(values);
  if (encoded(size) <= room) return false;
  const bySize = Object.entries(values)
    .filter(([name]) => name.includes('.'))
    .map(([name, value]) => ({ name, size: sizeOf({ [name]: value }) }))
    .sort((a, b) => b.size - a.size);
  for (const { name, size: freed } of bySize) {
    if (encoded(size) <= room) break;
    const { record, key } = placeOf(name);
    event[record][key] = '[withheld]';
    delete values[name];
    size -= freed;
  }
  return true;
}

function sizeOf(facts: Readonly<Record<string, AuditValue>>): number {
  return Buffer.byteLength(JSON.stringify(facts));
}

function encoded(bytes: number): number {
  return Math.ceil((bytes * 4) / 3);
}

/** The event with its values in their places. Values of fields that it does not say it has are left out. */
export function revealed(event: AuditLogEvent, values: ProtectedValues): AuditLogEvent {
  const shown = withoutMarks(event);
  for (const field of protectedFieldsOf(event)) shown[field] = String(values[field] ?? '[unreadable]');
  for (const [name, value] of Object.entries(values)) {
    if (!name.includes('.')) continue;
    const { record, key } = placeOf(name);
    if (shown[record][key] === PROTECTED_VALUE) shown[record][key] = value;
  }
  return shown;
}
