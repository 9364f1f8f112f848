// What the two halves of delivery tell each other: the one that writes the log, in the main thread, and the one that reads it and
// stores, which may be in a thread of its own. All of it is plain data.
import type { AuditLogEvent } from '../event/audit-log-event.js';
import type { Place } from '../journal/segment.js';

/** A number that this process has given to an event, and of which source. */
export interface Numbered {
  readonly source: string;
  readonly sequence: number;
}

/** A segment of the log, and how much is written to it so far. */
export interface SegmentSize {
  readonly number: number;
  /** Bytes. */
  readonly size: number;
}

/** The log as the reader finds it when it begins. */
export interface LogStart {
  readonly directory: string;
  /** Whose its files are. */
  readonly uid: number;
  /** The source that writes to the log now. */
  readonly source: string;
  /** Its numbers up to here were given away before: this reader does not know to which events. */
  readonly sequence: number;
  /** The source that numbers what could not be written to the log when it was entered. */
  readonly memorySource: string;
  /** Of damage up to this segment the writer has told already. */
  readonly lastRecovered: number;
  /** Numbers of events that are stored already, both ends included. */
  readonly stored: readonly (readonly [from: number, to: number])[];
  /** How many lines of an event a later one takes the place of. */
  readonly superseded: readonly (readonly [number: number, lines: number])[];
}

/** An event that no file has. */
export interface UnwrittenEvent {
  readonly number: number;
  readonly event: AuditLogEvent;
  readonly numbered: Numbered | undefined;
}

/** Where the line of an event is that somebody waits for. */
export interface Wanted extends Place {
  readonly number: number;
  readonly length: number;
}

/** What is new since the last news. */
export interface LogNews {
  /** Counts the news. */
  readonly turn: number;
  /** Segments that are new or have grown. */
  readonly segments: readonly SegmentSize[];
  /** The last sequence that the log's source gave away. */
  readonly sequence: number;
  /** Numbers of all events that can still change, since their answers have not left. The others are settled. */
  readonly open: readonly number[];
  /** Events that have one line more, which takes the place of those before. */
  readonly amended: readonly number[];
  /** Events that are not to be taken from the log: they come as unwritten ones. */
  readonly withdrawn: readonly number[];
  /** To be stored before all others. */
  readonly wanted: readonly Wanted[];
  readonly unwritten: readonly UnwrittenEvent[];
  /** Came as unwritten ones, and are in the log now. */
  readonly written: readonly number[];
  /** Numbers of sources of this process that no event will ever have, both ends included. */
  readonly skipped: readonly SkippedNumbers[];
}

/** Numbers that were given to events for which there was no room. */
export interface SkippedNumbers {
  readonly source: string;
  readonly from: number;
  to: number;
}

/** What became of a batch. */
export interface Progress {
  /** The newest news that the reader has. */
  readonly turn: number;
  /** All that the log had then is stored. */
  readonly isIdle: boolean;
  /** Events of the log that need not be read any more: stored, or dead letters. */
  readonly settled: readonly number[];
  /** The same of unwritten events. */
  readonly settledUnwritten: readonly number[];
  /** Events of the log that neither the database nor its dead letters take. */
  readonly kept: readonly KeptEvent[];
  /** The same of unwritten events: nobody has them. */
  readonly lost: readonly number[];
  readonly stored: number;
  readonly dead: number;
  /** What is before it in the log is not needed any more. */
  readonly needed: Place;
  /** When the oldest of those that wait began: Unix epoch, milliseconds. */
  readonly oldest: number | undefined;
}

/** An event that the log has to keep for the next start. */
export interface KeptEvent {
  readonly number: number;
  readonly event: AuditLogEvent;
}
