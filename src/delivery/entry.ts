import type { AuditLogEvent } from '../event/audit-log-event.js';
import { sizeOf } from '../store/event-size.js';
import type { Segment } from '../journal/segment.js';

/** At the front of an event's text, before anything that a client can say. */
const TIMESTAMP = /^.{1,100}?"timestamp":(\d{1,15}),/;

const ID = /^\{"id":"([0-9a-f-]{36})",/;

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
  /** The number that this process has given it, and of which source; `undefined` where another one did. */
  numbered: { readonly source: string; readonly sequence: number } | undefined = undefined;
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
  /** When it was released, or began where it was read back: Unix epoch, milliseconds. */
  since = 0;
  /** Called once the database has it. */
  onStored: (() => void) | undefined = undefined;

  private constructor(
    /** `undefined` where there is a text. */
    private whole: AuditLogEvent | undefined,
    /** The journal's; while that is not open yet, the queue's own. */
    public number: number,
    /** About, in UTF-16 code units. */
    public size: number,
    /** The intent that its event is yet to take the place of in the journal. */
    public intent: Intent | undefined,
  ) {}

  static entered(event: AuditLogEvent, number: number, intent: Intent | undefined): Entry {
    return new Entry(event, number, sizeOf(event), intent);
  }

  /** One that the journal had alone. It is not parsed before somebody asks for its event. */
  static read(text: string, number: number): Entry {
    const entry = new Entry(undefined, number, text.length, undefined);
    entry.text = text;
    entry.since = Number(TIMESTAMP.exec(text)?.[1] ?? 0);
    return entry;
  }

  get event(): AuditLogEvent {
    return this.whole ?? (JSON.parse(this.text!) as AuditLogEvent);
  }

  /** The event's, without parsing it where it is at the front of its text. */
  get id(): string {
    return this.whole?.id ?? ID.exec(this.text!)?.[1] ?? this.event.id;
  }

  /** As it turned out; it has no text yet. */
  set event(event: AuditLogEvent) {
    this.whole = event;
    this.text = undefined;
    this.size = sizeOf(event);
  }

  /** Keeps the text alone, where there is one: one object in memory instead of many, for as long as the event waits. */
  compact(): void {
    if (this.text !== undefined) this.whole = undefined;
  }
}
