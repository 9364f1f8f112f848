// What the two halves of delivery tell each other: the one that writes the log, in the main thread, and the one that reads it and
// stores, which may be in a thread of its own. All of it is plain data.
import type { AuditLogEvent } from '../event/audit-log-event.js';
import type { JournalLoss } from '../journal/damage.js';
import type { Place } from '../journal/segment.js';
import type { NumberRange, NumberRanges, SourceNumber } from '../event/sequence-set.js';

/** What a loop is told when it begins. */
export interface LogStart {
  /** Who numbers events in this process. Numbers up to each were given away before: this loop does not know to which events. */
  readonly sources: readonly SourceNumber[];
  /** Where there is a journal. */
  readonly log?: ReadableLog;
}

/** The log as the reader finds it when it begins. */
export interface ReadableLog {
  readonly directory: string;
  /** Whose its files are. */
  readonly uid: number;
  /** The source that writes to the log now. */
  readonly source: string;
  /** The source that numbers what could not be written to the log when it was entered. */
  readonly memorySource: string;
  /** Earlier processes wrote the segments up to this one: their events are settled, and their damage is told. */
  readonly lastRecovered: number;
  /** Numbers that the reader passes over. */
  readonly done: NumberRanges;
}

/** What is new since the last news. */
export interface LogNews {
  readonly turn: number;
  /** Segments that are new or have grown, and how many bytes are written to each. */
  readonly segments: readonly { readonly number: number; readonly size: number }[];
  /** Who numbers events in this process, with the last number that each gave away. */
  readonly sources: readonly SourceNumber[];
  /** Events of the log that are settled, where the log could not be told. */
  readonly settled: NumberRanges;
  /** Events that no file has, or that somebody waits for. Their lines, where they have some, are passed over. */
  readonly events: readonly ToldEvent[];
  /** Numbers of sources of this process that no event will ever have: those for which there was no room had them. */
  readonly skipped: readonly NumberRange[];
  /** The writer holds files that are not in their places, and can't put them back yet. */
  readonly isMisplaced: boolean;
  /** Somebody waits: a failed attempt is made again at once. */
  readonly hurry: boolean;
}

export interface ToldEvent {
  readonly number: number;
  readonly event: AuditLogEvent;
  /** The number that this process has given it. */
  readonly numbered: SourceNumber | undefined;
  /** Somebody waits for it: it is stored before all others. */
  readonly isUrgent: boolean;
}

/** What became of a batch. */
export interface Progress {
  /** The newest news that the reader has. */
  readonly turn: number;
  /** All that the log had then is stored. */
  readonly isIdle: boolean;
  /** Events that need not be delivered any more: stored, or dead letters. */
  readonly settled: readonly number[];
  readonly refused: readonly Refusal[];
  readonly stored: number;
  /** Why the log can't be read; `undefined` where it can. */
  readonly unread?: string | undefined;
  /** Damaged places that the reader came by. */
  readonly losses: readonly JournalLoss[];
  /** What is before it in the log is stored, except events that can still change. */
  readonly through: Place;
  /** What is before it in the log is not needed any more. */
  readonly needed: Place;
}

/** An event that the database refuses. */
export interface Refusal {
  readonly number: number;
  readonly event: AuditLogEvent;
  /** Where its line is; `undefined` where it was sent. */
  readonly place: Place | undefined;
  /** What the database says, which may quote no value. */
  readonly code: string;
  /** It is a dead letter now; else its dead letters refuse it as well. */
  readonly isDead: boolean;
}
