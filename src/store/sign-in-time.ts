import { AuditError } from '../event/audit-error.js';
import type { NoteSigner } from '../ledger/keys.js';
import { describeStoreError } from './store-error.js';
import { answerWithin } from './within.js';

/** How long a key may take to sign: it may be elsewhere, such as in a KMS. */
const SIGN_PATIENCE_MS = 10_000;

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
