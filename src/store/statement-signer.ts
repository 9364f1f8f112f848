// What keys sign of this process, in time.
import { AuditError } from '../event/audit-error.js';
import { RateLimitedLog } from '../event/audit-logger.js';
import type { AuditLogger } from '../event/audit-logger.js';
import type { NoteSigner, NoteVerifier } from '../ledger/keys.js';
import { signStatement } from '../ledger/statement.js';
import type { StatementKind } from '../ledger/statement.js';
import { describeStoreError } from './store-error.js';
import { answerWithin } from './within.js';

/** Who signs what a process says of its sources and its dead letters, and for which log. */
export interface StatementAuthority {
  readonly signer: NoteSigner;
  readonly origin: string;
}

/** Whose notes and dead letters are believed. */
export interface StatementTrust {
  /** Without any, every letter is as good as another, and no note is believed. */
  readonly verifiers: readonly NoteVerifier[];
  /** The log that a statement must belong to; where it is not known, any, and for letters that of one of the keys. */
  readonly origin?: string | undefined;
}

/** How long a key may take to sign: it may be elsewhere, such as in a KMS. */
const SIGN_PATIENCE_MS = 10_000;
/** So long a key is not asked again that did not sign: others wait for what is to be kept. */
const PAUSE_MS = 30_000;

/** Signs what this process says of a row. What can't be signed in time is kept without: it must not be lost. */
export class StatementSigner {
  private readonly warnings: RateLimitedLog;
  private failedAt = -Infinity;

  constructor(
    private readonly authority: StatementAuthority,
    logger: AuditLogger,
  ) {
    this.warnings = new RateLimitedLog(logger);
  }

  /**
   * Never throws.
   *
   * @param about what the warning calls it, such as `The dead letter of the event 0198…`
   * @returns the signed note; `undefined` where the key did not sign it
   */
  async sign(kind: StatementKind, lines: readonly string[], about: string): Promise<string | undefined> {
    const { signer, origin } = this.authority;
    let cause: unknown = new Error('it failed a moment ago');
    if (performance.now() - this.failedAt >= PAUSE_MS) {
      try {
        return await signatureInTime(signStatement({ kind, origin, lines }, signer));
      } catch (error) {
        cause = error;
        this.failedAt = performance.now();
      }
    }
    this.warnings.error(
      kind,
      `${about} is kept without a signature, so that nothing vouches for it: the key ${signer.name} could not sign it (${describeStoreError(cause)}).`,
    );
    return undefined;
  }
}

/** What a key signs, if it does within ten seconds. @throws Error without an answer in time; what the key throws */
export function signatureInTime<T>(signing: Promise<T>): Promise<T> {
  return answerWithin(SIGN_PATIENCE_MS, signing);
}

/**
 * The same, where nothing is done without a signature.
 *
 * @throws AuditError `AUDIT_NOT_SEALED` where the key fails or does not answer
 */
export async function signInTime<T>(signer: NoteSigner | undefined, sign: () => Promise<T>): Promise<T> {
  try {
    return await signatureInTime(sign());
  } catch (cause) {
    throw new AuditError(
      'AUDIT_NOT_SEALED',
      `The key ${signer?.name} did not sign: ${describeStoreError(cause)}. Nothing was done; it can be tried again.`,
      { cause },
    );
  }
}
