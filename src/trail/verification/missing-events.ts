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

/** Tells an event that was removed rightly from one that is missing. */
export class MissingEvents {
  /** What to add where an event is missing. */
  hint = '';

  /** @param hasRemovals whether events say that others were removed */
  constructor(
    private readonly explained: readonly ExplainedLeaves[],
    private readonly hasRemovals: () => Promise<boolean>,
  ) {}

  isExplained(leafIndex: number): boolean {
    return this.explained.some((leaves) => leaves.has(leafIndex));
  }

  /** Some event is missing: it may have been removed while the verification goes on. */
  async lookAgain(): Promise<void> {
    for (const leaves of this.explained) await leaves.loadAgain();
    if (this.explained.length > 0 || this.hint !== '' || !(await this.hasRemovals())) return;
    this.hint =
      " It may have been removed, with a record of retention that is not loaded: write features: [retention()], with import { retention } from 'nest-audit-trail/retention', or run nest-audit verify.";
  }
}
