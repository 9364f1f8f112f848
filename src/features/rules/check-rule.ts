import { AuditError } from '../../event/audit-error.js';
import type { AuditErrorCode } from '../../event/audit-error.js';
import { CATEGORIES, SEVERITIES } from '../../event/audit-log-event.js';
import type { AuditCategory, AuditSeverity } from '../../event/audit-log-event.js';
import { checkConditions, checkKeys, quoted, show } from './check-condition.js';
import type { Fault } from './check-condition.js';
import { HANDLED_ACTIONS, RULE_ACTIONS } from './compliance-rule.js';
import type {
  ComplianceHandlers,
  ComplianceRule,
  HandledAction,
  RuleAction,
  RuleCondition,
  RuleConditions,
} from './compliance-rule.js';
import { FIELDS_BEFORE_HANDLER, isKnownBeforeHandler } from './event-field.js';
import { PATTERN_LIMITS, sizeOfPattern } from './pattern-set.js';
import { isSentField } from './sent-value.js';

const PROPERTIES = [
  'id',
  'name',
  'description',
  'clause',
  'category',
  'severity',
  'conditions',
  'actions',
  'enabled',
];

/** Flags are listed in query strings with commas between them, and are 128 characters long at most. */
const ID = /^[A-Za-z0-9][A-Za-z0-9._:/()-]{0,127}$/;

/** UTF-16 code units. */
const TEXT_LIMITS = { name: 200, description: 1_000, clause: 200 } as const;

/** A checked rule: a copy, frozen, with its defaults filled in. */
export type CheckedRule = ComplianceRule & Required<Pick<ComplianceRule, 'actions' | 'enabled'>>;

/**
 * Makes the errors of a rule: of one in the options, `AUDIT_INVALID_OPTIONS` with its place there (`complianceRules.rules[2]`), of one
 * that is given at run time `AUDIT_INVALID_RULE`.
 */
export function faultOf(rule: unknown, place?: string): Fault {
  const id = (rule as { readonly id?: unknown } | null | undefined)?.id;
  const name = typeof id === 'string' ? ` ${show(id)}` : '';
  const where = place === undefined ? '' : ` of ${place}`;
  const code: AuditErrorCode = place === undefined ? 'AUDIT_INVALID_RULE' : 'AUDIT_INVALID_OPTIONS';
  return (path, what) => {
    const field = [place, path].filter(Boolean).join('.');
    return new AuditError(
      code,
      `The compliance rule${name}${where} is refused: ${path === '' ? 'it' : path} ${what}.`,
      field === '' ? {} : { field },
    );
  };
}

/**
 * Checks everything about a rule that can be said of it alone.
 *
 * @throws the first fault
 */
export function checkRule(given: unknown, fault: Fault): CheckedRule {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw fault('', `is ${show(given)}: write { id, name, category, severity, conditions }`);
  }
  checkKeys(given, PROPERTIES, '', fault);
  const rule = given as Readonly<Record<string, unknown>>;
  if (typeof rule['id'] !== 'string' || !ID.test(rule['id'])) {
    throw fault(
      'id',
      `is ${show(rule['id'])}: write up to 128 letters, digits and . _ - : / ( ), the first a letter or digit`,
    );
  }
  for (const name of ['name', 'description', 'clause'] as const) checkText(rule[name], name, fault);
  if (!CATEGORIES.includes(rule['category'] as AuditCategory)) {
    throw fault('category', `is ${show(rule['category'])}: write one of ${quoted(CATEGORIES)}`);
  }
  if (!SEVERITIES.includes(rule['severity'] as AuditSeverity)) {
    throw fault('severity', `is ${show(rule['severity'])}: write one of ${quoted(SEVERITIES)}`);
  }
  if (rule['enabled'] !== undefined && typeof rule['enabled'] !== 'boolean') {
    throw fault('enabled', `is ${show(rule['enabled'])}: write true or false`);
  }
  const actions = checkActions(rule['actions'], fault);
  const conditions = checkConditions(rule['conditions'], fault);
  if (actions.includes('block')) checkBlock(conditions, 'conditions', fault);
  const { id, name, description, clause, category, severity, enabled } = given as ComplianceRule;
  return Object.freeze({
    id,
    name,
    ...(description !== undefined && { description }),
    ...(clause !== undefined && { clause }),
    category,
    severity,
    conditions,
    actions,
    enabled: enabled ?? true,
  });
}

/** @throws the fault of an enabled rule that names an action which nobody does */
export function checkHandlers(rule: CheckedRule, handlers: ComplianceHandlers, fault: Fault): void {
  if (!rule.enabled) return;
  rule.actions.forEach((action, index) => {
    if (!HANDLED_ACTIONS.includes(action as HandledAction) || handlers[action as HandledAction]) return;
    throw fault(
      `actions[${index}]`,
      `is '${action}', for which there is no handler: write complianceRules({ handlers: { ${action}: (finding) => … } })`,
    );
  });
}

function checkText(text: unknown, name: keyof typeof TEXT_LIMITS, fault: Fault): void {
  if (text === undefined && name !== 'name') return;
  if (typeof text !== 'string' || text.trim() === '' || text.length > TEXT_LIMITS[name]) {
    throw fault(name, `is ${show(text)}: write a text of 1 to ${TEXT_LIMITS[name]} characters`);
  }
}

function checkActions(actions: unknown, fault: Fault): readonly RuleAction[] {
  if (actions === undefined) return Object.freeze(['log'] as const);
  if (!Array.isArray(actions) || actions.length === 0) {
    throw fault('actions', `is ${show(actions)}: write a list of ${quoted(RULE_ACTIONS)}`);
  }
  const checked = Array.from(actions, (action: unknown, index) => {
    if (!RULE_ACTIONS.includes(action as RuleAction)) {
      throw fault(`actions[${index}]`, `is ${show(action)}: write one of ${quoted(RULE_ACTIONS)}`);
    }
    if (actions.indexOf(action) < index) {
      throw fault(`actions[${index}]`, `is '${action as RuleAction}' a second time: write it once`);
    }
    return action as RuleAction;
  });
  return Object.freeze(checked);
}

function checkBlock(conditions: RuleConditions, path: string, fault: Fault): void {
  if ('field' in conditions) {
    if (isKnownBeforeHandler(conditions.field)) {
      checkSentPattern(conditions, path, fault);
      return;
    }
    throw fault(
      `${path}.field`,
      `is ${show(conditions.field)}, which is not known yet when a request is blocked: write one of ${FIELDS_BEFORE_HANDLER.join(', ')}, or leave the action 'block' out`,
    );
  }
  const [group, parts] =
    'all' in conditions ? (['all', conditions.all] as const) : (['any', conditions.any] as const);
  parts.forEach((part, index) => checkBlock(part, `${path}.${group}[${index}]`, fault));
}

/** What a client sends may be long, and be made for the pattern. */
function checkSentPattern({ field, operator, value }: RuleCondition, path: string, fault: Fault): void {
  if (operator !== 'matches' || !isSentField(field)) return;
  const size = sizeOfPattern(value as string);
  if (size <= PATTERN_LIMITS.instructionsSent) return;
  throw fault(
    `${path}.value`,
    `compiles to ${size} instructions, more than the ${PATTERN_LIMITS.instructionsSent} with which a request may be kept waiting: write a shorter one, with smaller numbers in its { }, or leave the action 'block' out`,
  );
}
