import { types } from 'node:util';

/** Every code that an {@link AuditError} can carry. The list is closed; `docs/reference/errors.md` explains each. */
export const AUDIT_ERROR_CODES = [
  /** An option is wrong, and the application does not start. */
  'AUDIT_INVALID_OPTIONS',
  /** `record()` was given something that is not an event. Nothing was recorded. */
  'AUDIT_INVALID_EVENT',
  /** A filter, a limit or a cursor is wrong. Nothing was read. */
  'AUDIT_INVALID_QUERY',
  /** The database can't be reached or refuses, or there is no room for an event. */
  'AUDIT_STORE_UNAVAILABLE',
  /** Something that must be audited can't be, or not in time. */
  'AUDIT_UNAVAILABLE',
  /** The log in the database is not what was sealed. */
  'AUDIT_LEDGER_BROKEN',
  /** An event is not in the log yet, or a checkpoint is not signed yet. */
  'AUDIT_NOT_SEALED',
  /** A compliance rule that was given at run time is wrong. Nothing has changed. */
  'AUDIT_INVALID_RULE',
  /** A compliance rule refused the request before its handler. */
  'AUDIT_BLOCKED',
  /** A legal hold covers what was to be erased. Nothing was erased. */
  'AUDIT_HELD',
] as const;

export type AuditErrorCode = (typeof AUDIT_ERROR_CODES)[number];

/** What a web framework is to answer where the error reaches it: the caller's fault, or the database's. */
const STATUS_CODES: Partial<Record<AuditErrorCode, number>> = {
  AUDIT_INVALID_QUERY: 400,
  AUDIT_INVALID_RULE: 400,
  AUDIT_BLOCKED: 403,
  AUDIT_HELD: 409,
  AUDIT_NOT_SEALED: 409,
  AUDIT_STORE_UNAVAILABLE: 503,
  AUDIT_UNAVAILABLE: 503,
};

/** The only error this library throws. The message says what happened and what to do. */
export class AuditError extends Error {
  override readonly name = 'AuditError';

  /**
   * @param code what kind of failure, for programs
   * @param message what happened and what to write or do instead, for people
   * @param options `field`: the option, event or query property at fault; `cause`: the original error
   */
  constructor(
    readonly code: AuditErrorCode,
    message: string,
    options: { readonly field?: string | undefined; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    if (options.field !== undefined) this.field = options.field;
    const statusCode = STATUS_CODES[code];
    if (statusCode === undefined) return;
    this.status = this.statusCode = statusCode;
    this.expose = statusCode < 500;
  }

  /** The option, event or query property at fault, where there is one. */
  readonly field?: string;

  /**
   * The shape of `http-errors`, which Nest's and Express's own error handling read: a wrong query that no filter of the
   * application takes is answered by 400 with its message, a missing database by 503 without.
   */
  readonly status?: number;
  readonly statusCode?: number;
  readonly expose?: boolean;
}

/** The error of a query. @param reason completes "The audit query is not valid: …" */
export function invalidQuery(field: string | undefined, reason: string): AuditError {
  return new AuditError('AUDIT_INVALID_QUERY', `The audit query is not valid: ${reason}.`, { field });
}

/** The error of an event. @param reason completes "The audit event was not recorded: …" */
export function invalidEvent(field: string | undefined, reason: string): AuditError {
  return new AuditError('AUDIT_INVALID_EVENT', `The audit event was not recorded: ${reason}.`, { field });
}

/** The error of a log that is not what was sealed. @param what a sentence without its end */
export function ledgerBroken(what: string): AuditError {
  return new AuditError('AUDIT_LEDGER_BROKEN', `${what}. nest-audit verify says what is wrong.`);
}

/** The class name of a thrown value, fit for `metadata.errorName`: never its message, which may hold secrets. Never throws. */
export function errorNameOf(thrown: unknown): string {
  // Also an error of another context, as of `node:vm`.
  if (!(thrown instanceof Error) && !types.isNativeError(thrown))
    return thrown === null ? 'null' : typeof thrown;
  try {
    return String(thrown.constructor?.name || thrown.name || 'Error');
  } catch {
    return 'Error';
  }
}
