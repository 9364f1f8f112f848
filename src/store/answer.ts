import { AuditError } from '../event/audit-error.js';
import { describeStoreError } from './store-error.js';

/** What the database answers; the driver's errors as the library's own. */
export async function answer<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    throw unavailable(error);
  }
}

/** The library's own error for one of the driver's. */
export function unavailable(cause: unknown): AuditError {
  if (cause instanceof AuditError) return cause;
  return new AuditError(
    'AUDIT_STORE_UNAVAILABLE',
    `The audit database can't be reached, or refused a statement: ${describeStoreError(cause)}. Try again later.`,
    { cause },
  );
}
