import type { AuditFacts, AuditLogEvent } from './audit-log-event.js';

/** An event that shares nothing with the original. */
export function copyEvent(event: AuditLogEvent): AuditLogEvent {
  return {
    ...event,
    details: copyFacts(event.details),
    complianceFlags: [...event.complianceFlags],
    metadata: copyFacts(event.metadata),
  };
}

function copyFacts(facts: AuditFacts): AuditFacts {
  const copy = { ...facts };
  for (const key in copy) {
    const value = copy[key];
    if (Array.isArray(value)) copy[key] = [...value] as string[] | number[];
  }
  return copy;
}
