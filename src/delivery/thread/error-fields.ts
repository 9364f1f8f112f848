import { AuditError } from '../../event/audit-error.js';
import type { AuditErrorCode } from '../../event/audit-error.js';
import { driverFieldsOf } from '../../store/store-error.js';

/** What is left of an error on its way to another thread: all that decides what is made of it. */
export interface ErrorFields {
  readonly message: string;
  /** Of an `AuditError`. */
  readonly audit?: { readonly code: AuditErrorCode; readonly field?: string };
  readonly cause?: ErrorFields;
  /** The driver's, see `classifyStoreError`. */
  readonly code?: string;
  readonly errno?: number;
  readonly sqlState?: string;
  readonly name?: string;
}

export function toFields(error: unknown): ErrorFields {
  if (!(error instanceof AuditError)) return driverFieldsOf(error);
  const { code, field, message, cause } = error;
  return {
    message,
    audit: { code, ...(field !== undefined && { field }) },
    ...(cause !== undefined && { cause: toFields(cause) }),
  };
}

export function revive({ message, audit, cause, ...fields }: ErrorFields): Error {
  const because = cause && revive(cause);
  if (!audit) return Object.assign(new Error(message, because && { cause: because }), fields);
  const { code, field } = audit;
  return new AuditError(code, message, {
    ...(field !== undefined && { field }),
    ...(because && { cause: because }),
  });
}
