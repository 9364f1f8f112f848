import { AuditError } from '../event/audit-error.js';
import type { NoteSigner } from '../ledger/keys.js';
import { describeStoreError } from '../store/store-error.js';
import { within } from '../store/within.js';

/** How long a key that is elsewhere may take to sign. */
const SIGN_PATIENCE_MS = 10_000;

/**
 * What a key signs, within ten seconds: it may be elsewhere, such as in a KMS.
 *
 * @throws AuditError `AUDIT_NOT_SEALED` where it fails or does not answer
 */
export async function signInTime<T>({ name }: NoteSigner, sign: () => Promise<T>): Promise<T> {
  let signed: { readonly value: T } | undefined;
  let cause: unknown = new Error(`no answer within ${SIGN_PATIENCE_MS / 1_000} s`);
  try {
    await within(
      SIGN_PATIENCE_MS,
      sign().then((value) => (signed = { value })),
    );
  } catch (error) {
    cause = error;
  }
  if (signed) return signed.value;
  throw new AuditError(
    'AUDIT_NOT_SEALED',
    `The key ${name} did not sign: ${describeStoreError(cause)}. Nothing was done; try it again.`,
    { cause },
  );
}
