import type { AuditLogger } from '../event/audit-logger.js';
import { Detector } from '../features/detection/detector.js';
import { findingDraft } from '../features/detection/finding.js';
import { RiskMemory } from '../features/risk/risk-memory.js';
import { failureDraft, RuleActions } from '../features/rules/rule-actions.js';
import { RequestJudge } from '../features/rules/request-judge.js';
import { RuleBook } from '../features/rules/rule-book.js';
import { RuleStage } from '../features/rules/rule-stage.js';
import type { AuditRecorder } from '../recorder/audit-recorder.js';
import { EventCompleter } from '../recorder/event-completer.js';
import type { Listeners } from '../recorder/listeners.js';
import type { Redactor } from '../recorder/redaction/redactor.js';
import { RiskModel } from '../recorder/risk/risk-model.js';
import { RiskStage } from '../recorder/risk/risk-stage.js';
import type { AuditModuleOptions } from './audit.options.js';
import type { Tables } from './tables.js';

/** What says what an event means. */
export type Judging = ReturnType<typeof judgingOf>;

export function judgingOf(
  { risk = {}, compliance, service }: AuditModuleOptions,
  { detections }: Tables,
  redactor: Redactor,
  logger: AuditLogger,
) {
  const rules = new RuleBook(compliance);
  const ruleStage = new RuleStage(rules);
  const memory = new RiskMemory(
    risk,
    (tenantId, userId, before) => detections.history(tenantId, userId, before),
    logger,
  );
  const riskStage = new RiskStage(new RiskModel(risk), memory);
  return {
    rules,
    ruleStage,
    blockJudge: new RequestJudge(rules, redactor.isSecretKey),
    memory,
    completer: new EventCompleter(redactor, logger, service, [riskStage, ruleStage]),
  };
}

/** What each recorded event sets off: handlers of rules are called, and detection looks at it. */
export function reactionsOf(
  { risk, compliance, detection = {} }: AuditModuleOptions,
  { detections }: Tables,
  { memory, ruleStage }: Judging,
  recorder: AuditRecorder,
  listeners: Listeners,
  logger: AuditLogger,
): { readonly actions: RuleActions; readonly detector: Detector } {
  const actions = new RuleActions(
    compliance?.handlers ?? {},
    (failure) => void recorder.record(failureDraft(failure)),
    logger,
  );
  const detector = new Detector(
    detection,
    detections,
    {
      report: (finding) => void recorder.record(findingDraft(finding)),
      store: (finding, id) => recorder.recordUnnumbered(findingDraft(finding, id)),
      flush: () => recorder.delivery.flush(),
    },
    logger,
    risk?.volumeKeys,
  );
  listeners.watch((event, shown) => {
    memory.note(event);
    detector.observe(event);
    for (const rule of ruleStage.asking(event)) actions.dispatch(rule, shown);
  });
  return { actions, detector };
}
