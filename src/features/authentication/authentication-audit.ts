import { invalidEvent } from '../../event/audit-error.js';
import type { AuditEventInput } from '../../event/audit-event-input.js';
import type { AuditLogEvent } from '../../event/audit-log-event.js';
import { mergeFacts } from '../../event/merge-facts.js';
import { defined } from '../../event/present.js';
import { firstFault, isFilledText } from '../../event/option-schema.js';
import { eventReadOnce } from '../../event/read-once.js';
import { safeId, TEXT_LIMITS } from '../../event/safe-text.js';
import type { AuditService } from '../../trail/audit.service.js';
import { AUTHENTICATION_ACTIONS, FAILURES } from './actions.js';
import type { AuthenticationInputs } from './inputs.js';
import { accountOf, KINDS } from './kinds.js';
import type { Given, Kind } from './kinds.js';

/** Records logins, sessions, tokens, rights and accounts, by the names of OWASP's Logging Vocabulary. Injected by Nest. */
export class AuthenticationAudit {
  constructor(private readonly audit: Pick<AuditService, 'record'>) {}

  /**
   * Records what has happened, see `docs/record/authentication.md`.
   *
   * @example
   * ```ts
   * await this.authentication.record('login', { outcome: 'failure', account: body.email });
   * ```
   * @throws AuditError as `AuditService.record()`
   */
  async record<Name extends keyof AuthenticationInputs>(
    name: Name,
    input: AuthenticationInputs[Name],
  ): Promise<AuditLogEvent> {
    return this.audit.record(eventOf(name, eventReadOnce(input)));
  }
}

/** @throws AuditError `AUDIT_INVALID_EVENT` naming the property */
function eventOf(name: keyof AuthenticationInputs, given: Given): AuditEventInput {
  if (!Object.hasOwn(KINDS, name)) {
    const known = Object.keys(KINDS).map((one) => `'${one}'`);
    throw invalidEvent('name', `record() knows ${known.join(', ')}`);
  }
  const kind = KINDS[name];
  checkInput(`record('${name}')`, given, kind);
  const { action: usual, about, facts, tell } = kind;
  const { account, expiresAt, outcome, resource } = given;
  const values: Readonly<Record<string, unknown>> = {
    ...given,
    account: accountOf(account),
    expiresAt: expiresAt && new Date(expiresAt),
  };
  const told = {
    action: (outcome === 'failure' && FAILURES[usual]) || usual,
    resourceId: values[about] as string | undefined,
    ...tell?.(given),
  };
  const {
    tenantId,
    userId,
    sessionId,
    ipAddress,
    userAgent,
    timestamp,
    severity,
    actorType,
    impersonatorId,
  } = { ...given, ...told.actor };
  const own = Object.fromEntries(facts.map((fact) => [fact, values[fact]]));
  return {
    ...AUTHENTICATION_ACTIONS[told.action],
    action: told.action,
    ...defined({ tenantId, userId, ipAddress, userAgent, timestamp, severity, resource, outcome }),
    ...defined({ resourceId: idOf(told.resourceId), sessionId: idOf(sessionId) }),
    details: mergeFacts({ reason: given.reason, ...own, ...told.details }, given.details),
    metadata: mergeFacts({ actorType, impersonatorId }, given.metadata),
  };
}

/** An id that a client may have sent, as that of a session or a token, is made safe to store, not refused. */
function idOf(value: string | undefined): string | undefined {
  return typeof value === 'string' ? safeId(value, TEXT_LIMITS.resourceId) : value;
}

/**
 * Checks what `AuditService.record()` would not see, since it becomes part of something else.
 *
 * @param call what was called, for the message: `record('login')`
 */
function checkInput(call: string, given: Given, { takes, needs }: Kind): void {
  const found = firstFault(takes, given);
  if (found) {
    const { at, kind, message } = found;
    if (kind === 'unknown') throw invalidEvent(at, `${call} has no property "${at}"; it takes ${message}`);
    if (at === '') throw invalidEvent(undefined, `${call} takes an object`);
    throw invalidEvent(at, `${at} of ${call} must be ${message}`);
  }
  const needed = typeof needs === 'function' ? needs(given) : needs;
  const missing = needed.find((name) => !isFilledText((given as Readonly<Record<string, unknown>>)[name]));
  if (missing !== undefined) {
    throw invalidEvent(missing, `${call} needs ${missing}, a text that is not empty`);
  }
}
