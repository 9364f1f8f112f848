import { fold, normalize } from './comparable-text.js';
import type { RuleCondition, RuleConditions } from './compliance-rule.js';
import { compareDecimals, decimalOf } from './decimal.js';
import type { EventValues } from './event-values.js';
import { formOf, formsOf, isTooMuchText } from './sent-value.js';

/** Whether a condition is met by the event that the values are of. */
export type Predicate = () => boolean;

/**
 * The operators. One meaning of a value for all of them:
 *
 * - Nothing is converted: `'5'` is not `5`. Only `greater_than` and `less_than` also read a text that JavaScript reads as a
 *   number, since facts keep bigints and decimals as texts; plain decimals are compared exactly, whatever the size.
 * - Texts are compared in Unicode's composed form (NFC), with `ignoreCase` in lower case as well.
 * - On a list a condition is met where one of its elements meets it. For `contains` that is an element that is equal; on
 *   a text it is a part of it.
 * - `not_equals`, `not_contains` and `not_in` are met exactly where the operator without `not_` is not: so also where there
 *   is no such field. All others are not met there.
 * - `matches` looks for the pattern anywhere in a text. It takes time in proportion to the text (RE2), whatever the pattern.
 *
 * Before a handler, of what the client sent (`details.body`, `details.query`, `resourceId`), more is met, so that no spelling gets by:
 *
 * - A text counts as the number or boolean that it spells, and these as their texts.
 * - `not_equals` and `not_in` are met where one of several values is another one.
 * - `contains` is met where one of several values has the text as a part.
 * - `matches` is met where there is more text than it searches.
 *
 * @param conditions checked ones
 * @param values whose `compile` is to be called once all conditions are compiled; of requests before their handler, or of events
 */
export function compileConditions(conditions: RuleConditions, values: EventValues): Predicate {
  if ('all' in conditions) {
    const parts = conditions.all.map((part) => compileConditions(part, values));
    return () => parts.every((part) => part());
  }
  if ('any' in conditions) {
    const parts = conditions.any.map((part) => compileConditions(part, values));
    return () => parts.some((part) => part());
  }
  return compileCondition(conditions, values);
}

function compileCondition(condition: RuleCondition, values: EventValues): Predicate {
  const { field, operator, value, ignoreCase = false } = condition;
  const isSent = values.isSent(field);
  const read = values.reader(field, ignoreCase);
  if (operator === 'matches') {
    const isFound = values.matcher(field, value as string, ignoreCase);
    return isSent ? () => isTooMuchText(read()) || isFound() : isFound;
  }
  const form = ignoreCase ? fold : normalize;
  const given = [value].flat().map((one) => (typeof one === 'string' ? form(one) : one));
  // A rule can only write the id of a route as a text, also where it is a number.
  const isId = field === 'resourceId' && !operator.startsWith('not_');
  const wanted = new Set<unknown>(isSent ? given.flatMap(isId ? formsOf : formOf) : given);
  const isWanted = isSent
    ? (one: unknown) => formsOf(one).some((spelled) => wanted.has(spelled))
    : (one: unknown) => wanted.has(one);
  const [part] = given;
  const isPart = (one: unknown) => typeof part === 'string' && String(one).includes(part);
  const isContained = () => {
    const found = read();
    return Array.isArray(found) ? found.some(isWanted) : typeof found === 'string' && isPart(found);
  };
  switch (operator) {
    case 'equals':
    case 'in':
      return () => isMetByOne(read(), isWanted);
    case 'not_equals':
    case 'not_in':
      return () => !isMetByOne(read(), isWanted) || (isSent && isMetByOne(read(), (one) => !isWanted(one)));
    case 'contains':
      return isSent ? () => isMetByOne(read(), (one) => isWanted(one) || isPart(one)) : isContained;
    case 'not_contains':
      return () => !isContained();
    case 'greater_than':
      return compared(read, value as string | number, 1);
    case 'less_than':
      return compared(read, value as string | number, -1);
  }
}

function isMetByOne(value: unknown, isMet: (one: unknown) => boolean): boolean {
  return Array.isArray(value) ? value.some(isMet) : value !== undefined && isMet(value);
}

function compared(read: () => unknown, bound: string | number, sign: 1 | -1): Predicate {
  const exact = decimalOf(bound)!;
  const isBeyond = (value: unknown) => {
    if (typeof value === 'number' && typeof bound === 'number') return (value - bound) * sign > 0;
    const found = decimalOf(value);
    if (found !== undefined) return compareDecimals(found, exact) * sign > 0;
    // `1e999` is no number that can be compared, but beyond all of them.
    return typeof value === 'string' && Number(value) === sign * Infinity;
  };
  return () => isMetByOne(read(), isBeyond);
}
