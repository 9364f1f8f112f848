import type { AuditLogEvent } from '../event/audit-log-event.js';
import type { AuditEventDraft } from './audit-event-draft.js';

/**
 * One step of the judgement of an event: says what it means, and changes nothing else. One that throws costs what it would
 * have said, never the event: its name then stands in `metadata.stageErrors`.
 */
export interface Stage {
  readonly name: string;
  /** @param draft what was given, so that what the application says itself is left as it is */
  judge(event: AuditLogEvent, draft: AuditEventDraft): AuditLogEvent;
}

/** The event with one more failed stage. */
export function withStageError(event: AuditLogEvent, name: string): AuditLogEvent {
  const before = event.metadata['stageErrors'];
  const names = Array.isArray(before) ? before.map(String) : [];
  if (names.includes(name)) return event;
  return { ...event, metadata: { ...event.metadata, stageErrors: [...names, name] } };
}
