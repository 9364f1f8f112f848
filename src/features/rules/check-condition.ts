import { CATEGORIES, OUTCOMES, SEVERITIES } from '../../event/audit-log-event.js';
import { showContents } from '../../event/show-value.js';
import type { AuditError } from '../../event/audit-error.js';
import { fold } from './comparable-text.js';
import { RULE_OPERATORS } from './compliance-rule.js';
import type { RuleCondition, RuleConditions, RuleOperator, RuleValue } from './compliance-rule.js';
import { decimalOf } from './decimal.js';
import { EVENT_FIELDS, fieldPathOf } from './event-field.js';
import { checkPattern, PATTERN_LIMITS } from './pattern-set.js';

/** Makes the error that says what is wrong at a path within the rule: `what` completes "conditions.all[0].operator …". */
export type Fault = (path: string, what: string) => AuditError;

/** Bounds of one rule, so that no rule can make an event expensive. */
export const CONDITION_LIMITS = {
  /** Groups within groups. */
  depth: 8,
  /** Conditions of a rule, in all its groups. */
  conditions: 256,
  /** Values of a list. */
  values: 1_000,
} as const;

const VOCABULARY: Readonly<Record<string, readonly string[]>> = {
  severity: SEVERITIES,
  category: CATEGORIES,
  outcome: OUTCOMES,
};

/**
 * The conditions, copied and frozen, so that nobody changes a rule behind the back of its book.
 *
 * @throws the first fault
 */
export function checkConditions(conditions: unknown, fault: Fault): RuleConditions {
  let room: number = CONDITION_LIMITS.conditions;
  const check = (given: unknown, path: string, depth: number): RuleConditions => {
    if (depth > CONDITION_LIMITS.depth) {
      throw fault(path, `is nested too deep: write at most ${CONDITION_LIMITS.depth} groups within another`);
    }
    if (typeof given !== 'object' || given === null || Array.isArray(given)) {
      throw fault(
        path,
        `is ${show(given)}: write { field, operator, value }, { all: [ … ] } or { any: [ … ] }`,
      );
    }
    const group = (['all', 'any'] as const).find((name) => Object.hasOwn(given, name));
    if (!group) {
      room -= 1;
      if (room < 0) {
        throw fault(path, `is one too many: a rule has at most ${CONDITION_LIMITS.conditions} conditions`);
      }
      return checkCondition(given as Readonly<Record<string, unknown>>, path, fault);
    }
    checkKeys(given, [group], path, fault);
    const parts = (given as Readonly<Record<string, unknown>>)[group];
    if (!Array.isArray(parts) || parts.length === 0) {
      throw fault(`${path}.${group}`, `is ${show(parts)}: write a list with at least one condition`);
    }
    // Not by map, which passes over holes.
    const checked = Array.from(parts, (part: unknown, index) =>
      check(part, `${path}.${group}[${index}]`, depth + 1),
    );
    return Object.freeze({ [group]: Object.freeze(checked) }) as unknown as RuleConditions;
  };
  return check(conditions, 'conditions', 0);
}

function checkCondition(given: Readonly<Record<string, unknown>>, path: string, fault: Fault): RuleCondition {
  checkKeys(given, ['field', 'operator', 'value', 'ignoreCase'], path, fault);
  const { field, operator, value, ignoreCase } = given;
  if (typeof field !== 'string' || !fieldPathOf(field)) {
    throw fault(
      `${path}.field`,
      `is ${show(field)}: write one of ${EVENT_FIELDS.join(', ')}, or details.<key> or metadata.<key>`,
    );
  }
  if (!RULE_OPERATORS.includes(operator as RuleOperator)) {
    throw fault(`${path}.operator`, `is ${show(operator)}: write one of ${quoted(RULE_OPERATORS)}`);
  }
  if (ignoreCase !== undefined && typeof ignoreCase !== 'boolean') {
    throw fault(`${path}.ignoreCase`, `is ${show(ignoreCase)}: write true or false`);
  }
  checkValue(operator as RuleOperator, value, `${path}.value`, fault);
  checkWords(field, operator as RuleOperator, value, ignoreCase === true, `${path}.value`, fault);
  if (ignoreCase && (isComparison(operator) || ![value].flat().some((one) => typeof one === 'string'))) {
    throw fault(`${path}.ignoreCase`, 'has no meaning where no text is compared: leave it out');
  }
  return Object.freeze({
    field,
    operator: operator as RuleOperator,
    value: Array.isArray(value) ? Object.freeze([...value]) : (value as RuleValue),
    ...(ignoreCase !== undefined && { ignoreCase }),
  });
}

const isComparison = (operator: unknown) => operator === 'greater_than' || operator === 'less_than';

function checkValue(operator: RuleOperator, value: unknown, path: string, fault: Fault): void {
  const wrong = (write: string) => fault(path, `is ${show(value)}: write ${write} for ${operator}`);
  switch (operator) {
    case 'equals':
    case 'not_equals':
      if (!isScalar(value)) {
        throw wrong(
          Array.isArray(value)
            ? `a single value, or the operator ${operator === 'equals' ? 'in' : 'not_in'},`
            : 'a text, a number or a boolean',
        );
      }
      return;
    case 'contains':
    case 'not_contains':
      if (!isScalar(value) || typeof value === 'boolean' || value === '') {
        throw wrong('a text that is not empty, or a number');
      }
      return;
    case 'greater_than':
    case 'less_than':
      if (!decimalOf(value)) throw wrong("a number, or a text of digits such as '12345678901234567890.50'");
      return;
    case 'in':
    case 'not_in':
      if (!Array.isArray(value) || value.length === 0 || !Array.from<unknown>(value).every(isScalar)) {
        throw wrong('a list with at least one text, number or boolean');
      }
      if (value.length > CONDITION_LIMITS.values) {
        throw fault(path, `has ${value.length} values: write at most ${CONDITION_LIMITS.values}`);
      }
      return;
    case 'matches':
      if (typeof value !== 'string' || value === '') throw wrong('a regular expression as a text');
      if (value.length > PATTERN_LIMITS.length) {
        throw fault(
          path,
          `is a pattern of ${value.length} characters: write at most ${PATTERN_LIMITS.length}`,
        );
      }
      try {
        checkPattern(value);
      } catch (error) {
        throw fault(
          path,
          `is no pattern that RE2 knows, which has no backreferences and no lookaround (${String((error as Error).message)}): write one without`,
        );
      }
  }
}

/** A word that the field never has would make a rule that never holds, and says nothing of it. */
function checkWords(
  field: string,
  operator: RuleOperator,
  value: unknown,
  ignoreCase: boolean,
  path: string,
  fault: Fault,
): void {
  const words = VOCABULARY[field];
  if (!words || !['equals', 'not_equals', 'in', 'not_in'].includes(operator)) return;
  const unknown = [value]
    .flat()
    .find((one) => !words.includes(ignoreCase && typeof one === 'string' ? fold(one) : (one as string)));
  if (unknown !== undefined) {
    throw fault(path, `is ${show(unknown)}, which ${field} never is: write one of ${quoted(words)}`);
  }
}

/** @throws the fault of a property that there is not */
export function checkKeys(given: object, known: readonly string[], path: string, fault: Fault): void {
  for (const key of Object.keys(given)) {
    if (!known.includes(key)) {
      const where = path === '' ? key : `${path}.${key}`;
      throw fault(where, `is no property: write ${known.join(', ')}`);
    }
  }
}

function isScalar(value: unknown): value is RuleValue {
  return typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value);
}

export function quoted(words: readonly string[]): string {
  return words.map((word) => `'${word}'`).join(', ');
}

/** What was given, in a message: short, and nothing of what is in an object. */
export function show(value: unknown): string {
  return value === undefined ? 'missing' : showContents(value);
}
