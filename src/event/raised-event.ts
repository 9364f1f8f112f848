import type { AuditCategory, AuditOutcome, AuditSeverity } from './audit-log-event.js';

/**
 * An event that the library raises by itself. What raises it has action and classes from here, and `docs/reference/events.md`
 * has the rest as well, so that they can't differ.
 */
export interface RaisedEvent {
  readonly action: string;
  readonly resource: string;
  readonly category: AuditCategory;
  readonly severity: AuditSeverity;
  /** The usual one. */
  readonly outcome: AuditOutcome;
  /** Markdown; so are the texts below. */
  readonly when: string;
  readonly tenant: string;
  /** What each key of `details` is. */
  readonly details: Readonly<Record<string, string>>;
}

/** The event as it is recorded; the details are those of its table, no others. */
export function raise<Raised extends RaisedEvent>(
  { action, resource, category, severity, outcome }: Raised,
  details: Readonly<{ [Key in keyof Raised['details']]?: unknown }>,
) {
  return { action, resource, category, severity, outcome, details };
}
