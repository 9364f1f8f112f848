import type { AuditLogEvent } from '../event/audit-log-event.js';

/** The compliance rule that refuses a request. */
export interface BlockingRule {
  readonly id: string;
  readonly name: string;
}

/** What a client sent, by the first part of its keys in `details`; of several the first that has a value counts. */
export type SentParts = Readonly<Record<'query' | 'body', readonly unknown[]>>;

/** Who says whether a request may go on to its handler. */
export interface BlockJudge {
  /** Whether there is anything to ask: a request is only made an event for a judge that can refuse. */
  readonly canBlock: boolean;
  /**
   * @param event the request as far as it is known before its handler; it is not stored
   * @param sent is called only where something of it is asked for
   */
  blocking(event: AuditLogEvent, sent: () => SentParts): BlockingRule | undefined;
}
