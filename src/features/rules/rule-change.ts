import type { AuditEventInput } from '../../event/audit-event-input.js';
import { raise } from '../../event/raised-event.js';
import type { ComplianceRule } from './compliance-rule.js';
import { RULE_CREATED, RULE_DELETED, RULE_UPDATED } from './raised-events.js';

/** The event of a change of the rules: which one, what it was, and what it is now. */
export function ruleChange(
  id: string,
  rulesBefore: readonly ComplianceRule[],
  rulesAfter: readonly ComplianceRule[],
): AuditEventInput {
  const find = (rules: readonly ComplianceRule[]) => rules.find((rule) => rule.id === id);
  const [before, after] = [find(rulesBefore), find(rulesAfter)];
  const change = before ? (after ? RULE_UPDATED : RULE_DELETED) : RULE_CREATED;
  return { ...raise(change, { before, after }), resourceId: id };
}
