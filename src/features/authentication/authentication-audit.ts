import type { AuditLogEvent } from '../../event/audit-log-event.js';
import { eventReadOnce } from '../../event/read-once.js';
import type { AuditService } from '../../trail/audit.service.js';
import type { AuthenticationInputs } from './inputs.js';
import { authenticationEvent } from './kinds.js';

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
    return this.audit.record(authenticationEvent(name, eventReadOnce(input)));
  }
}
