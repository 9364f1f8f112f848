import type { AuditEventInput } from '../../event/audit-event-input.js';
import type { ComplianceRule } from './compliance-rule.js';

/** The event of a change of the rules: which one, what it was, and what it is now. */
export function ruleChange(
  id: string,
  rulesBefore: readonly ComplianceRule[],
  rulesAfter: readonly ComplianceRule[],
): AuditEventInput {
  const find = (rules: readonly ComplianceRule[]) => rules.find((rule) => rule.id === id);
  const [before, after] = [find(rulesBefore), find(rulesAfter)];
  const verb = before ? (after ? 'update' : 'delete') : 'create';
  return {
    action: `compliance-rule.${verb}`,
    resource: 'compliance-rule',
    resourceId: id,
    category: 'compliance',
    severity: 'high',
    details: { before, after },
  };
}
