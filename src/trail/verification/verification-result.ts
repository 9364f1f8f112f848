/** Everything that verification finds wrong. The list is closed; `docs/prove/tamper-evidence.md` explains each. */
export const PROBLEM_CODES = [
  /**
   * A sealed event is not in the table, and no record of retention (`docs/comply/retention.md#what-an-auditor-sees`)
   * explains it. The message says if the feature `retention` is not listed. The leaf has the event's id.
   */
  'event_missing',
  /** An event, a column of it, or the wording of its JSON is not what was sealed. */
  'event_changed',
  /**
   * An event is not in the log and can't get there. Its number is taken or was not given by its process, or its
   * source had closed before. Or the row can't be read (`docs/reference/format.md#what-cant-be-read`), contradicts
   * itself, or has the id of a dead letter with another event.
   */
  'event_inserted',
  /**
   * A record of removed events is signed by none of the keys, can't be read, or does not fit its event, checkpoint or
   * leaves. Or it ignores a legal hold (`docs/comply/retention.md#legal-holds`) that was in force.
   */
  'removal_untrusted',
  /**
   * A dead letter (`docs/read/querying.md#dead-letters`) is signed by none of the keys, contradicts itself, or can't
   * be read. It explains no missing number and is not replayed.
   */
  'dead_letter_untrusted',
  /**
   * An event says that a legal hold (`docs/comply/retention.md#legal-holds`) was placed or lifted, without a record
   * that one of the keys has signed. It counts for nothing.
   */
  'hold_untrusted',
  /** A leaf is not there. */
  'leaf_missing',
  /**
   * A leaf is not what the next checkpoint vouches for. Where event, leaf and tile were changed alike, the leaves
   * since the checkpoint before are named.
   */
  'leaf_changed',
  /** A leaf is outside the log: before its first, or after the newest checkpoint. */
  'leaf_inserted',
  /** A full tile is not there. */
  'tile_missing',
  /** A tile does not fit its leaves, the tiles below it, or the size of the log. */
  'tile_changed',
  /** A checkpoint extends one that is not there. */
  'checkpoint_missing',
  /** A checkpoint can't be read, contradicts its note or its leaves, or claims more leaves than there are. */
  'checkpoint_changed',
  /**
   * A checkpoint is signed by none of the keys, or is of another log. Unsigned ones from before the first key
   * (`docs/prove/tamper-evidence.md#keys`) are not reported.
   */
  'checkpoint_untrusted',
  /**
   * Numbers of a source are missing: events were lost before they were stored, or removed before they were sealed.
   * Without keys, an unsigned note may be all that says so.
   */
  'sequence_gap',
  /** The leaves of a source are not in the order of its numbers. */
  'sequence_disorder',
  /**
   * A table is a view or a temporary one, or has row-level security, a rule, or a trigger that may change what is
   * inserted (why: `docs/reference/threat-model.md#an-attacker-with-the-database`).
   */
  'table_replaced',
  /**
   * A row of `audit_sources` without a trusted signature contradicts its source, or can't be read. It counts for
   * nothing (`docs/reference/guarantees.md#sources-and-their-numbers`), and the owner of the tables can delete it.
   */
  'source_contradicted',
  /** A checkpoint that was kept elsewhere, or that is signed, has more leaves than the log. */
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
