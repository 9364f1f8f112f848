import type { AuditLogger } from '../event/audit-logger.js';
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

/** What says what an event means. */
export type Judging = ReturnType<typeof judgingOf>;

export function judgingOf(
  { risk = {}, compliance, service }: AuditModuleOptions,
  redactor: Redactor,
  logger: AuditLogger,
) {
  const rules = new RuleBook(compliance);
  const ruleStage = new RuleStage(rules);
  const riskStage = new RiskStage(new RiskModel(risk));
  return {
    rules,
    ruleStage,
    blockJudge: new RequestJudge(rules, redactor.isSecretKey),
    riskStage,
    completer: new EventCompleter(redactor, logger, service, [riskStage, ruleStage]),
  };
}

/** Each recorded event calls the handlers of its rules. */
export function actionsOf(
  { compliance }: AuditModuleOptions,
  { ruleStage }: Judging,
  recorder: AuditRecorder,
  listeners: Listeners,
  logger: AuditLogger,
): RuleActions {
  const actions = new RuleActions(
    compliance?.handlers ?? {},
    (failure) => void recorder.record(failureDraft(failure)),
    logger,
  );
  listeners.watch((event, shown) => {
    for (const rule of ruleStage.asking(event)) actions.dispatch(rule, shown);
  });
  return actions;
}
