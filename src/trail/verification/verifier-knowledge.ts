import type { SourceNumber } from '../../event/sequence-set.js';
import type { Checkpoint } from '../../ledger/checkpoint.js';
import type { StoredNumbers } from '../../sealer/issued-numbers.js';
import type { DeadLetterRepository } from '../../store/dead-letter.repository.js';
import type { LedgerRepository } from '../../store/ledger.repository.js';
import type { SealingRepository } from '../../store/sealing.repository.js';
import type { SourceRepository } from '../../store/source.repository.js';
import type { Trust } from '../believed-checkpoints.js';
import type { ExplainsMissing, VerifiedLog } from './missing-events.js';
import type { SourceOrder } from './source-order.js';

/** What verification reads. */
export interface LogStore {
  readonly ledger: LedgerRepository;
  readonly sealing: SealingRepository;
  readonly sources: SourceRepository;
  readonly letters: DeadLetterRepository;
}

/** What whoever verifies knows by themselves. */
export interface VerifierKnowledge extends Partial<Trust> {
  /** Of the features that are loaded. */
  readonly explanations?: () => readonly ExplainsMissing[];
  /** What the process itself knows of its sources: the last number that each has given away. */
  readonly localSources?: () => readonly SourceNumber[];
  /** Which numbers of these sources the database has stored, and of which events. */
  readonly storedNumbers?: () => Promise<readonly StoredNumbers[]>;
  /** How long a missing number may still come. */
  readonly gapTimeoutMs?: number;
  /** The newest checkpoint that the process has made or continued. */
  readonly lastSeen?: () => Checkpoint | undefined;
}

/** A verification under way. */
export interface Verification extends VerifiedLog {
  readonly store: LogStore;
  readonly known: VerifierKnowledge;
  readonly order: SourceOrder;
  /** Leaves. */
  readonly size: number;
}
