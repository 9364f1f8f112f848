import type { AuditFacts, AuditLogEvent } from '../event/audit-log-event.js';

/** About what an event takes in memory, in UTF-16 code units. Cheap: nothing is serialised. */
export function sizeOf(event: AuditLogEvent): number {
  return 1_000 + sizeOfFacts(event.details) + sizeOfFacts(event.metadata);
}

function sizeOfFacts(facts: AuditFacts): number {
  let size = 0;
  for (const key in facts) {
    const value = facts[key];
    size += key.length + 16;
    if (typeof value === 'string') size += value.length;
    else if (Array.isArray(value)) for (const item of value) size += String(item).length + 8;
  }
  return size;
}
