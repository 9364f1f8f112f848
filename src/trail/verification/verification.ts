// What a verification looks at, and what it is told.
import type { SourceNumber } from '../../event/sequence-set.js';
import type { Checkpoint } from '../../ledger/checkpoint.js';
import type { StoredNumbers } from '../../sealer/issued-numbers.js';
import type { LedgerRepository } from '../../store/ledger.repository.js';
import type { Repositories } from '../../store/repositories.js';
import type { Trust } from '../believed-checkpoints.js';
import type { ProblemList } from './problem-list.js';
import type { SourceOrder } from './source-order.js';

/** What a verification lends to whoever explains missing events. */
export interface VerifiedLog {
  readonly ledger: LedgerRepository;
  readonly problems: ProblemList;
  readonly trust: Trust;
}

/** The leaves whose events are missing rightly, as far as it is proved. */
export interface ExplainedLeaves {
  has(leafIndex: number): boolean;
  /** Reads what came since. */
  loadAgain(): Promise<void>;
}

/**
 * Says for one verification why leaves may have no event. It proves what it says: whoever may insert rows can write any record. What it
 * does not believe, it adds to the problems.
 */
export type ExplainsMissing = (log: VerifiedLog) => Promise<ExplainedLeaves>;

/** What whoever verifies knows by themselves. */
export interface VerifierKnowledge extends Trust {
  /** Of the features that are loaded. */
  readonly explanations: () => readonly ExplainsMissing[];
  /** What the process itself knows of its sources: the last number that each has given away. */
  readonly localSources: () => readonly SourceNumber[];
  /** Which numbers of these sources the database has stored, and of which events. */
  readonly storedNumbers: () => Promise<readonly StoredNumbers[]>;
  /** How long a missing number may still come. */
  readonly gapTimeoutMs: number;
  /** The newest checkpoint that the process has made or continued. */
  readonly lastSeen: () => Checkpoint | undefined;
}

/** What verification reads. */
export type LogStore = Omit<Repositories, 'events'>;

/** A verification under way. */
export interface Verification extends VerifiedLog, LogStore {
  readonly known: VerifierKnowledge;
  readonly order: SourceOrder;
  /** Leaves. */
  readonly size: number;
}

/** Tells which event has a number, of sources of this process; an empty text where none can have it. */
export async function ownersOf({
  storedNumbers,
}: VerifierKnowledge): Promise<(source: string, sequence: number) => string | undefined> {
  const stored = new Map((await storedNumbers()).map((one) => [one.source, one.ids]));
  return (source, sequence) => stored.get(source)?.get(sequence);
}
