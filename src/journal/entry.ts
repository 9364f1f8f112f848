import type { AuditLogEvent } from '../event/audit-log-event.js';
import type { Segment } from './segment.js';

/** A request that has begun, as the journal knows it. */
export interface Intent {
  readonly number: number;
  /** What is known of it so far, as JSON. */
  readonly body: string;
  segment: Segment;
}

/** An event on its way: entered when its answer is ready, released for delivery once that has left. */
export class Entry {
  /** Its JSON, as the journal has it. */
  text: string | undefined = undefined;
  /** Which segment has its last line; `undefined` while it is only in memory. */
  segment: Segment | undefined = undefined;
  /** Lines of it that the reader of the backlog has yet to come by. */
  unread = 0;
  /** Goes before the others, from memory. */
  urgent = false;
  /** Somebody waits for it: it was handed over before its answer left, and can't be amended any more. */
  committed = false;
  /** Counts those that were released, or read back, before it. */
  order = 0;
  /** When it was released: Unix epoch, milliseconds. */
  since = 0;
  /** Called once the database has it. */
  onStored: (() => void) | undefined = undefined;
  private whole: AuditLogEvent | undefined;

  /**
   * @param number the journal's; while that is not open yet, the queue's own
   * @param size as `sizeOf` counts
   * @param intent the intent that its event is yet to take the place of in the journal
   */
  constructor(
    event: AuditLogEvent,
    public number: number,
    public size: number,
    public intent: Intent | undefined,
  ) {
    this.whole = event;
  }

  get event(): AuditLogEvent {
    return this.whole ?? (JSON.parse(this.text!) as AuditLogEvent);
  }

  /** As it turned out; it has no text yet. */
  set event(event: AuditLogEvent) {
    this.whole = event;
    this.text = undefined;
  }

  /** Keeps the text alone, where there is one: one object in memory instead of many, for as long as the event waits. */
  compact(): void {
    if (this.text !== undefined) this.whole = undefined;
  }
}
