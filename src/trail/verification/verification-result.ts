/** Everything that verification finds wrong. The list is closed; `docs/prove/tamper-evidence.md` explains each. */
export const PROBLEM_CODES = [
  /** A sealed event is not in the table. */
  'event_missing',
  /** An event is not what was sealed. */
  'event_changed',
  /** An event is in the table that no process numbered so, or whose number the log has given to another. */
  'event_inserted',
  /** A record of removed events is not signed by a trusted key, is another event's or log's, does not fit the leaves, or can't be read. */
  'removal_untrusted',
  /** A dead letter can't be read, is not its event's, or is not signed by a trusted key: it explains no missing number. */
  'letter_untrusted',
  /** An event says that a legal hold was placed or lifted, and no record that is signed by a trusted key says so. */
  'hold_untrusted',
  /** A leaf is not there. */
  'leaf_missing',
  /** A leaf is not what the checkpoints vouch for. */
  'leaf_changed',
  /** A leaf is outside of the log: no checkpoint vouches for it. */
  'leaf_inserted',
  /** A tile is not there. */
  'tile_missing',
  /** A tile is not what its leaves, or the tiles below, make it. */
  'tile_changed',
  /** The checkpoint that another one extends is not there. */
  'checkpoint_missing',
  /** A checkpoint is not the one of its leaves, or can't be read. */
  'checkpoint_changed',
  /** A checkpoint has no signature by a trusted key, or is one of another log. */
  'checkpoint_untrusted',
  /** Events of a source are missing: lost before they were stored, or removed before they were sealed. */
  'sequence_gap',
  /** The leaves of a source are not in the order of its numbers. */
  'sequence_disorder',
  /** A table is a view, or has row-level security, a rule, or a trigger that changes what is inserted. */
  'table_replaced',
  /** A row of `audit_sources` without a trusted signature says of a source what is not so, or can't be read. */
  'source_contradicted',
  /** A checkpoint that was kept elsewhere is of more leaves than the log has. */
  'log_truncated',
  /** A checkpoint that was kept elsewhere has another root than the log at that size. */
  'history_rewritten',
] as const;

export type AuditProblemCode = (typeof PROBLEM_CODES)[number];

/** Something that is wrong with the log, and where. */
export interface AuditProblem {
  readonly code: AuditProblemCode;
  /** What is wrong, for people. Never the content of an event. */
  readonly message: string;
  readonly eventId?: string;
  /** Counted from 0. */
  readonly leafIndex?: number;
  /** Leaves of the checkpoint that is meant. */
  readonly treeSize?: number;
  readonly source?: string;
  readonly sequence?: number;
}

export interface VerifyProgress {
  /** Leaves, and then events outside of the log, that were looked at. */
  readonly done: number;
  /** Of about so many. */
  readonly total: number;
}

export interface VerifyOptions {
  /** The first leaf to check, counted from 0. @defaultValue 0 */
  readonly from?: number;
  /** The leaf before which to end. @defaultValue the newest checkpoint's size */
  readonly to?: number;
  /**
   * Verifier keys: each checkpoint must be signed by one of them.
   * @defaultValue those of the options `ledger.signingKey` and `ledger.verifierKeys`
   */
  readonly keys?: readonly string[];
  /**
   * How many leaves the log had when it got its first key: up to there checkpoints may be without a signature.
   * @defaultValue the option `ledger.unsignedUntil`, 0
   */
  readonly unsignedUntil?: number;
  /**
   * The name of the log, which all of its checkpoints must have.
   * @defaultValue the option `ledger.origin`, else the name of the signing key, else that of the newest checkpoint that is believed
   */
  readonly origin?: string;
  /** Checkpoints that were kept elsewhere, as notes. The log must go on from each. */
  readonly checkpoints?: readonly string[];
  /** Most problems to list; the rest is counted. @defaultValue 100 */
  readonly maxProblems?: number;
  readonly onProgress?: (progress: VerifyProgress) => void;
  /** Ends it early, by the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface VerifyResult {
  /** Nothing is wrong. */
  readonly ok: boolean;
  /** Leaves of the newest checkpoint. */
  readonly treeSize: number;
  /** Base64 of the newest checkpoint's root; absent where there is none. */
  readonly rootHash?: string;
  /** Events that were compared with their leaves. */
  readonly events: number;
  /** Events that retention has removed, by records that hold: their leaves are there. Absent where there are none. */
  readonly removed?: number;
  /** Events that are stored and not sealed yet, those of dead letters included. */
  readonly pending: number;
  /**
   * Of them, those that are dead letters and not replayed: their numbers are missing in the log, and nothing but the letter
   * tells of them. Without keys anybody may have written it. Absent where there are none.
   */
  readonly deadLetters?: number;
  /** Checkpoints that were compared with their leaves. */
  readonly checkpoints: number;
  /** Of them, those that are not signed and need not be. */
  readonly unsigned: number;
  /** Whether signatures were checked: whether there were any keys to check them with. */
  readonly signaturesChecked: boolean;
  /** In the order of their places in the log; what has no place comes last. */
  readonly problems: readonly AuditProblem[];
  /** More problems than are listed. */
  readonly moreProblems?: number;
}
