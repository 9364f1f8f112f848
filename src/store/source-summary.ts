/**
 * What a row of `audit_sources` says of a source.
 *
 * - `started`: a process begins to number its events.
 * - `reached`: it has come to the sequence, and one before it is missing in the log.
 * - `resumed`: a process goes on with the numbers of one that ended before.
 * - `closed`: it ended in order; every event up to the sequence was delivered.
 * - `abandoned`: it ended without, and nobody goes on.
 */
export type SourceNoteKind = (typeof SOURCE_NOTE_KINDS)[number];

export const SOURCE_NOTE_KINDS = ['started', 'reached', 'resumed', 'closed', 'abandoned'] as const;

/** A run of sequences of which there is no event, both ends included. */
export interface AuditSequenceGap {
  readonly from: number;
  readonly to: number;
}

/** A process that numbers its events 1, 2, 3, …, and what the database holds of them. */
export interface AuditSource {
  /** UUID: `metadata.source` of its events. */
  readonly source: string;
  /**
   * `closed`: it ended in order. `unclean`: it ended without, so its last events may be missing. `open`: neither is
   * known.
   */
  readonly state: 'open' | 'closed' | 'unclean';
  /** The lowest sequence of its events and dead letters; absent where there is none. */
  readonly firstSequence?: number;
  /** The highest. */
  readonly lastSequence?: number;
  /** How many are in `audit_events`. */
  readonly events: number;
  /**
   * How many the database refused, and are not replayed yet; absent where there is none. Forged ones are among them:
   * `verify()` tells which (`docs/prove/tamper-evidence.md#verifying`).
   */
  readonly deadLetters?: number;
  /**
   * What is missing between 1 and the last sequence that is known of, lowest first: `{ from, to }`, both included, at
   * most 1,000. While a source is `open`, events on their way look like a gap.
   */
  readonly gaps: readonly AuditSequenceGap[];
  /** There are more gaps than are listed. */
  readonly moreGaps?: true;
  /**
   * Whether `state` and `process` are what a note says that one of the trusted keys has signed
   * (`docs/reference/guarantees.md#sources-and-their-numbers`). Absent where this process knows no key, or nothing
   * was noted.
   */
  readonly signed?: boolean;
  /** When its last event began or the last note was written, whichever is later: Unix epoch, milliseconds. */
  readonly lastSeen?: number;
  /** JSON that describes the process, as it was noted last. */
  readonly process?: string;
}
