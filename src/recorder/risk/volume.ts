import type { AuditLogEvent, AuditValue } from '../../event/audit-log-event.js';

/** The keys of `details` that hold a count of records, by default. */
export const VOLUME_KEYS: readonly string[] = ['recordCount', 'records', 'rows', 'count'];

/** How many records the event says that it is about: the highest of its counts; 0 where it has none. */
export function volumeOf({ details }: Pick<AuditLogEvent, 'details'>, keys: readonly string[]): number {
  let highest = 0;
  for (const key of keys) {
    if (Object.hasOwn(details, key)) highest = Math.max(highest, countOf(details[key]));
  }
  return highest;
}

/** A number, or the text of a whole one, as bigints are stored; 0 for all else. */
function countOf(value: AuditValue | undefined): number {
  const count = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  return typeof count === 'number' && Number.isFinite(count) ? count : 0;
}
