import type { AuditEventInput } from '../event/audit-event-input.js';
import type { BlockingRule } from './block-judge.js';

/** An event on its way in: what is known of it. The recorder derives the rest, and makes it safe to store. */
export interface AuditEventDraft extends AuditEventInput {
  /** Where it was made before the event was complete, as for a request. */
  readonly id?: string;
  /** The compliance rule that refused the request. It was found, whatever the event itself shows. */
  readonly blockedBy?: BlockingRule;
}
