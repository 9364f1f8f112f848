import type { Checkpoint } from '../ledger/checkpoint.js';
import type { SignedCheckpoint } from './ledger-options.js';

/** Who seals the log, for the rest of the process: in this thread or in another. */
export abstract class LogSealer {
  /** The newest checkpoint that this process has made or continued. */
  abstract readonly lastSeen: Checkpoint | undefined;

  /** Takes its turns from now on, in the background. */
  abstract start(): void;

  /**
   * Seals everything that is stored and due, and answers the newest checkpoint; where this process does not seal, only the
   * latter.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`; `AUDIT_LEDGER_BROKEN` where the log is not one that may be extended;
   *   `AUDIT_NOT_SEALED` where it can't be signed
   */
  abstract checkpoint(): Promise<SignedCheckpoint>;

  /** The log that it knew is gone: it goes on with the one that is there. @param origin of a new log; absent where no key names it */
  abstract beginAgain(origin: string | undefined): void;

  /** Seals what is left, within the time, and lets others go on. Never throws. */
  abstract close(patienceMs: number): Promise<void>;
}
