import type { LedgerRepository } from '../../store/ledger.repository.js';
import type { Trust } from '../believed-checkpoints.js';
import type { ProblemList } from './problem-list.js';

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
