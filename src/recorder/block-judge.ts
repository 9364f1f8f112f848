import type { AuditLogEvent } from '../event/audit-log-event.js';

/** The compliance rule that refuses a request. */
export interface BlockingRule {
  readonly id: string;
  readonly name: string;
}

/** Who says whether a request may go on to its handler. */
export interface BlockJudge {
  /** Whether there is anything to ask: a request is only made an event for a judge that can refuse. */
  readonly canBlock: boolean;
  /**
   * What it reads of what the client sent, as keys of `details`: `body.payee.country`. All else of a body and a query need not
   * be looked at. The same list until it changes.
   */
  readonly sentKeys: readonly string[];
  /** @param event the request as far as it is known before its handler; it is not stored */
  blocking(event: AuditLogEvent): BlockingRule | undefined;
}
