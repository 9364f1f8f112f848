import { AuditError } from '../event/audit-error.js';
import type { NoteSigner } from '../ledger/keys.js';
import { describeStoreError } from '../store/store-error.js';
import { answerWithin } from '../store/within.js';

/** How long a key that is elsewhere may take to sign. */
export const SIGN_PATIENCE_MS = 10_000;

/**
 * What a key signs, within ten seconds: it may be elsewhere, such as in a KMS.
 *
 * @throws AuditError `AUDIT_NOT_SEALED` where it fails or does not answer
 */
export async function signInTime<T>({ name }: NoteSigner, sign: () => Promise<T>): Promise<T> {
  try {
    return await answerWithin(SIGN_PATIENCE_MS, sign());
  } catch (cause) {
    throw new AuditError(
      'AUDIT_NOT_SEALED',
      `The key ${name} did not sign: ${describeStoreError(cause)}. Nothing was done; try it again.`,
      { cause },
    );
  }
}
