import type { AuditFacts } from '../event/audit-log-event.js';
import type { AuditEventInput } from '../event/audit-event-input.js';
import type { BlockingRule } from './block-judge.js';

/** The keys of `metadata` by which the capture of a request says something itself. */
export const CAPTURED_KEYS = [
  'method',
  'path',
  'route',
  'statusCode',
  'durationMs',
  'requestId',
  'traceId',
  'handler',
  'errorName',
  'stage',
  'actorType',
  'impersonatorId',
  'roles',
  'blockedBy',
  'aborted',
  'interrupted',
  'withheld',
  'stageErrors',
] as const;

/** What the application may say, each with or without a value. */
type Known = { readonly [Name in keyof AuditEventInput]: AuditEventInput[Name] | undefined };

/** An event on its way in: what is known of it. The recorder derives the rest, and makes it safe to store. */
export interface AuditEventDraft extends Known {
  readonly action: string;
  /** Where it was made before the event was complete, as for a request. */
  readonly id?: string;
  /**
   * What the library itself says in `metadata`, under {@link CAPTURED_KEYS}: flat, and what nobody else can say within bounds. It comes
   * before what is said there else, and counts over it. The recorder may change it.
   */
  readonly captured?: AuditFacts;
  /** The compliance rule that refused the request. It was found, whatever the event itself shows. */
  readonly blockedBy?: BlockingRule | undefined;
}
