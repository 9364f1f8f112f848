import type { NumberedRow } from '../../store/event-row.js';
import type { AuditProblem } from './verification-result.js';

/** The problem of an event that is not in the log and can't get there. @param why after "and" */
export function insertedEvent({ id, source, sequence }: NumberedRow, why: string): AuditProblem {
  return {
    code: 'event_inserted',
    eventId: String(id),
    ...(source !== null && { source: String(source) }),
    ...(sequence !== null && { sequence: Number(sequence) }),
    message: `Event ${String(id)} is not in the log, and ${why}.`,
  };
}
