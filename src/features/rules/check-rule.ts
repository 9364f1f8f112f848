import { AuditError } from '../../event/audit-error.js';
import { CATEGORIES, SEVERITIES } from '../../event/audit-log-event.js';
import { filledList, group, option, parsed, ruled, yesNo } from '../../event/option-schema.js';
import type { OptionFault, OptionSchema } from '../../event/option-schema.js';
import { conditionsIn, conditionsSchema, quoted, show, wordOf } from './check-condition.js';
import { isHandled, RULE_ACTIONS } from './compliance-rule.js';
import type { ComplianceHandlers, ComplianceRule } from './compliance-rule.js';
import { FIELDS_BEFORE_HANDLER, isKnownBeforeHandler } from './event-field.js';
import { PATTERN_LIMITS, sizeOfPattern } from './pattern-set.js';
import { isSentField } from './sent-value.js';

/** A checked rule: a copy, frozen, with its defaults filled in. */
export type CheckedRule = ComplianceRule & Required<Pick<ComplianceRule, 'actions' | 'enabled'>>;

/** Makes the error that says what is wrong at a path within the rule: `what` completes "conditions.all[0].operator …". */
export type Fault = (path: string, what: string) => AuditError;

/** Flags are listed in query strings with commas between them, and are 128 characters long at most. */
const ID = /^[A-Za-z0-9][A-Za-z0-9._:/()-]{0,127}$/;

const textUpTo = (most: number) =>
  option(
    (text) => typeof text === 'string' && text.trim() !== '' && text.length <= most,
    `a text of 1 to ${most} characters`,
  );

const ruleSchema = ruled(
  group(
    {
      id: option(
        (id) => typeof id === 'string' && ID.test(id),
        'up to 128 letters, digits and . _ - : / ( ), the first a letter or digit',
      ),
      name: textUpTo(200),
      description: textUpTo(1_000),
      clause: textUpTo(200),
      category: wordOf(CATEGORIES),
      severity: wordOf(SEVERITIES),
      conditions: conditionsSchema,
      actions: ruled(filledList(wordOf(RULE_ACTIONS), `a list of ${quoted(RULE_ACTIONS)}`), givenTwice),
      enabled: yesNo,
    } satisfies Record<keyof ComplianceRule, OptionSchema>,
    {
      required: ['id', 'name', 'category', 'severity', 'conditions'],
      write: '{ id, name, category, severity, conditions }',
    },
  ),
  tooLateToBlock,
);

/**
 * Makes the errors of a rule: of one in the options, `AUDIT_INVALID_OPTIONS` with its place there (`complianceRules.rules[2]`), of one
 * that is given at run time `AUDIT_INVALID_RULE`.
 */
export function faultOf(rule: unknown, place?: string): Fault {
  const { id } = Object(rule) as { readonly id?: unknown };
  const name = typeof id === 'string' ? ` ${show(id)}` : '';
  const where = place === undefined ? '' : ` of ${place}`;
  return (path, what) => {
    const field = [place, path].filter(Boolean).join('.');
    return new AuditError(
      place === undefined ? 'AUDIT_INVALID_RULE' : 'AUDIT_INVALID_OPTIONS',
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
  const checked = parsed(ruleSchema, given);
  if (checked.found) {
    const { at, kind, input, message } = checked.found;
    if (kind === 'unknown') throw fault(at, `is no property: write ${message}`);
    throw fault(at, kind === 'ruled' ? message : `is ${show(input)}: write ${message}`);
  }
  // It can be kept as JSON, which has no property without a value.
  const rule = JSON.parse(JSON.stringify(checked.value)) as ComplianceRule;
  return frozen({ ...rule, actions: rule.actions ?? ['log'], enabled: rule.enabled ?? true });
}

/** @throws the fault of an enabled rule that names an action which nobody does */
export function checkHandlers(rule: CheckedRule, handlers: ComplianceHandlers, fault: Fault): void {
  if (!rule.enabled) return;
  rule.actions.forEach((action, index) => {
    if (!isHandled(action) || handlers[action]) return;
    throw fault(
      `actions[${index}]`,
      `is '${action}', for which there is no handler: write complianceRules({ handlers: { ${action}: (finding) => … } })`,
    );
  });
}

/** The first of the words that is in the list a second time. */
export function givenTwice(words: readonly string[]): OptionFault | undefined {
  const twice = words.findIndex((word, index) => words.indexOf(word) < index);
  return twice < 0
    ? undefined
    : { at: [twice], fault: `is ${show(words[twice])} a second time: write it once` };
}

function tooLateToBlock({ actions, conditions }: ComplianceRule): OptionFault | undefined {
  if (!actions?.includes('block')) return undefined;
  for (const [at, { field, operator, value }] of conditionsIn(conditions)) {
    if (!isKnownBeforeHandler(field)) {
      return {
        at: ['conditions', ...at, 'field'],
        fault: `is ${show(field)}, which is not known yet when a request is blocked: write one of ${FIELDS_BEFORE_HANDLER.join(', ')}, or leave the action 'block' out`,
      };
    }
    // What a client sends may be long, and be made for the pattern.
    const size = operator === 'matches' && isSentField(field) ? sizeOfPattern(String(value)) : 0;
    if (size <= PATTERN_LIMITS.instructionsSent) continue;
    return {
      at: ['conditions', ...at, 'value'],
      fault: `compiles to ${size} instructions, more than the ${PATTERN_LIMITS.instructionsSent} with which a request may be kept waiting: write a shorter one, with smaller numbers in its { }, or leave the action 'block' out`,
    };
  }
  return undefined;
}

function frozen<T>(value: T): T {
  if (typeof value === 'object') for (const part of Object.values(value as object)) frozen(part);
  return Object.freeze(value);
}
