// The feature `complianceRules`: nest-audit-trail/rules.
import { defineFeature } from '../../engine/audit-feature.js';
import { within } from '../../store/within.js';
import { bookOf } from './compliance-options.js';
import type { ComplianceOptions } from './compliance-rule.js';
import { ComplianceRules } from './compliance-rules.js';
import { failureDraft, RuleActions } from './rule-actions.js';
import { RuleStage } from './rule-stage.js';

export type {
  ComplianceFinding,
  ComplianceHandler,
  ComplianceHandlers,
  ComplianceOptions,
  CompliancePack,
  ComplianceRule,
  RuleAction,
  RuleCondition,
  RuleConditions,
  RuleOperator,
  RuleValue,
} from './compliance-rule.js';
export { ComplianceRules } from './compliance-rules.js';
export { COMPLIANCE_PACKS } from './packs/all.js';

declare module '../../engine/audit-feature.js' {
  interface FeatureOptions {
    readonly complianceRules?: ComplianceOptions;
  }
}

/**
 * Rules as data that flag events, call handlers of the application, and refuse requests before their handler. See `docs/comply/rules.md`. The
 * injected {@link ComplianceRules} reads and changes them.
 *
 * @example
 * ```ts
 * AuditModule.forRoot({ features: [complianceRules({ packs: ['sox'] })] })
 * ```
 */
export const complianceRules = defineFeature(
  'complianceRules',
  (options: ComplianceOptions, { recorder, logger }) => {
    const stage = new RuleStage(bookOf(options));
    const actions = new RuleActions(
      options.handlers ?? {},
      (failure) => void recorder.record(failureDraft(failure)),
      logger,
    );
    return {
      judge: stage,
      refuse: stage,
      observe: (event, shown) => {
        for (const rule of stage.asking(event)) actions.dispatch(rule, shown);
      },
      settle: async (patienceMs) => {
        await within(patienceMs, actions.idle());
        actions.close();
      },
      service: new ComplianceRules(stage, recorder),
    };
  },
  { service: ComplianceRules },
);
