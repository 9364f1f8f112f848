import type { AuditLogEvent } from '../event/audit-log-event.js';
import type { AuditEventDraft } from './audit-event-draft.js';

/** What a stage says of an event; what is absent stays as it is. */
export interface Judgement {
  readonly riskScore?: number;
  /** Becomes `metadata.riskFactors`, where there are any. */
  readonly riskFactors?: readonly string[];
  /** All of them, those that it had before included. */
  readonly complianceFlags?: string[];
  /** A part of the stage failed: its name is added to `metadata.stageErrors`. */
  readonly failed?: boolean;
}

/** What was said of an event before its judgement: the application's own score, which no stage changes, and the rule that refused the request. */
export type GivenJudgement = Pick<AuditEventDraft, 'riskScore' | 'blockedBy'>;

/**
 * One step of the judgement of an event: says what it means, and changes nothing. One that throws costs what it would
 * have said, never the event: its name then stands in `metadata.stageErrors`.
 */
export interface Stage {
  readonly name: string;
  /** @param event with what the stages before said of it */
  judge(event: AuditLogEvent, given: GivenJudgement): Judgement | undefined;
}

/**
 * Writes down what a stage said. The event is the recorder's own, and nobody else has it yet: to copy it for each stage
 * would cost more than the stage.
 */
export function applyJudgement(event: AuditLogEvent, stage: string, judgement: Judgement): void {
  const { riskScore, riskFactors, complianceFlags, failed } = judgement;
  if (riskScore !== undefined) event.riskScore = riskScore;
  if (riskFactors?.length) event.metadata['riskFactors'] = [...riskFactors];
  if (complianceFlags) event.complianceFlags = complianceFlags;
  if (!failed) return;
  const before = event.metadata['stageErrors'];
  const names = Array.isArray(before) ? before.map(String) : [];
  if (!names.includes(stage)) event.metadata['stageErrors'] = [...names, stage];
}
