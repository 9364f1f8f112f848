import { RateLimitedLog } from '../event/audit-logger.js';
import type { AuditLogger } from '../event/audit-logger.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { isEventId } from '../event/event-id.js';
import { readRow } from './event-row.js';
import type { EventRow } from './event-row.js';

/** Reads the rows of events, counts those that are none, and says so in the log now and then. */
export class EventReader {
  private readonly warnings: RateLimitedLog;
  private found = 0;

  constructor(logger: AuditLogger) {
    this.warnings = new RateLimitedLog(logger);
  }

  /** How many rows were read that can't be read as events or dead letters, each as often as it was read. */
  get unreadable(): number {
    return this.found;
  }

  readonly read = (row: EventRow): AuditLogEvent => {
    const { event, unreadable } = readRow(row);
    if (unreadable.length > 0) this.note('event', event.id);
    return event;
  };

  note(what: 'event' | 'dead letter', id: unknown): void {
    this.found += 1;
    this.warnings.warn(
      what,
      `The stored ${what} ${isEventId(id) ? id : 'without a valid id'} can't be read: this library did not write it like this: somebody else has written or changed the row. nest-audit verify names each such row.`,
    );
  }
}
