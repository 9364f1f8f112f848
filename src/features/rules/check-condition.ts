import * as v from 'valibot';
import { CATEGORIES, OUTCOMES, SEVERITIES } from '../../event/audit-log-event.js';
import { filledList, group, option, ruled, yesNo } from '../../event/option-schema.js';
import type { OptionFault, OptionSchema } from '../../event/option-schema.js';
import { showContents } from '../../event/show-value.js';
import { fold } from './comparable-text.js';
import { RULE_OPERATORS } from './compliance-rule.js';
import type { RuleCondition, RuleOperator, RuleValue } from './compliance-rule.js';
import { decimalOf } from './decimal.js';
import { EVENT_FIELDS, readerOf } from './event-field.js';
import { PATTERN_LIMITS, sizeOfPattern } from './pattern-set.js';

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

const CONDITIONS = '{ field, operator, value }, { all: [ … ] } or { any: [ … ] }';

const condition = ruled(
  group(
    {
      field: option(
        (field) => typeof field === 'string' && readerOf(field) !== undefined,
        `one of ${EVENT_FIELDS.join(', ')}, or details.<key> or metadata.<key>`,
      ),
      operator: wordOf(RULE_OPERATORS),
      value: option(() => true, 'a text, a number, a boolean, or a list of these'),
      ignoreCase: yesNo,
    } satisfies Record<keyof RuleCondition, OptionSchema>,
    {
      required: ['field', 'operator'],
      write: CONDITIONS,
    },
  ),
  (given: RuleCondition) => wrongValue(given) ?? unknownWord(given) ?? uselessCase(given),
);

const parts = filledList(v.lazy(schemaOf), 'a list with at least one condition');
const [all, any] = [
  group({ all: parts }, { required: ['all'] }),
  group({ any: parts }, { required: ['any'] }),
];

function schemaOf(given: unknown): OptionSchema {
  return { all, any, none: condition }[groupIn(given) ?? 'none'];
}

/** Conditions, and groups of them as deep as they may be. Whoever sends them must not choose how many are looked at. */
export const conditionsSchema: OptionSchema = v.pipe(
  ruled(
    option(() => true, CONDITIONS),
    outOfBounds,
  ),
  v.lazy(schemaOf),
  v.description(CONDITIONS),
);

function groupIn(given: unknown): 'all' | 'any' | undefined {
  if (typeof given !== 'object' || given === null) return undefined;
  return (['all', 'any'] as const).find((name) => Object.hasOwn(given, name));
}

function outOfBounds(given: unknown): OptionFault | undefined {
  let conditions = 0;
  for (const [at] of conditionsIn(given)) {
    conditions += 1;
    if (depthOf(at) > CONDITION_LIMITS.depth)
      return {
        at,
        fault: `is nested too deep: write at most ${CONDITION_LIMITS.depth} groups within another`,
      };
    if (conditions > CONDITION_LIMITS.conditions)
      return { at, fault: `is one too many: a rule has at most ${CONDITION_LIMITS.conditions} conditions` };
  }
  return undefined;
}

/** Every condition of the groups, and the way to it; what is nested too deep is answered as if it were one. */
export function* conditionsIn(
  given: unknown,
  at: OptionFault['at'] = [],
): Generator<readonly [at: OptionFault['at'], condition: RuleCondition]> {
  const name = depthOf(at) > CONDITION_LIMITS.depth ? undefined : groupIn(given);
  if (name === undefined) {
    yield [at, given as RuleCondition];
    return;
  }
  const within = (given as Readonly<Record<string, unknown>>)[name];
  for (const [index, part] of Array.isArray(within) ? within.entries() : [])
    yield* conditionsIn(part, [...at, name, index]);
}

/** Of a way of names of groups and places in them. */
function depthOf(at: OptionFault['at']): number {
  return at.length / 2;
}

/** One of these words. */
export function wordOf(words: readonly string[]): OptionSchema {
  return option((value) => words.includes(value as string), `one of ${quoted(words)}`);
}

export function quoted(words: readonly string[]): string {
  return words.map((word) => `'${word}'`).join(', ');
}

/** What was given, in a message: short, and nothing of what is in an object. */
export function show(value: unknown): string {
  return value === undefined ? 'missing' : showContents(value);
}

/** What each operator takes; completes "write … for equals". */
const TAKES: Readonly<Record<RuleOperator, readonly [accepts: (value: unknown) => boolean, write: string]>> =
  {
    equals: [isScalar, 'a text, a number or a boolean'],
    not_equals: [isScalar, 'a text, a number or a boolean'],
    contains: [isPart, 'a text that is not empty, or a number'],
    not_contains: [isPart, 'a text that is not empty, or a number'],
    greater_than: [isDecimal, "a number, or a text of digits such as '12345678901234567890.50'"],
    less_than: [isDecimal, "a number, or a text of digits such as '12345678901234567890.50'"],
    in: [isScalars, 'a list with at least one text, number or boolean'],
    not_in: [isScalars, 'a list with at least one text, number or boolean'],
    matches: [(value) => typeof value === 'string' && value !== '', 'a regular expression as a text'],
  };

function wrongValue({ operator, value }: RuleCondition): OptionFault | undefined {
  const [accepts, usual] = TAKES[operator];
  if (!accepts(value)) {
    const list = { equals: 'in', not_equals: 'not_in' }[operator as string];
    const write = list && Array.isArray(value) ? `a single value, or the operator ${list},` : usual;
    return fault(`is ${show(value)}: write ${write} for ${operator}`);
  }
  if (Array.isArray(value) && value.length > CONDITION_LIMITS.values)
    return fault(`has ${value.length} values: write at most ${CONDITION_LIMITS.values}`);
  return operator === 'matches' ? wrongPattern(value as string) : undefined;
}

function wrongPattern(pattern: string): OptionFault | undefined {
  if (pattern.length > PATTERN_LIMITS.length)
    return fault(`is a pattern of ${pattern.length} characters: write at most ${PATTERN_LIMITS.length}`);
  let size: number;
  try {
    size = sizeOfPattern(pattern);
  } catch (error) {
    return fault(
      `is no pattern that RE2 knows, which has no backreferences and no lookaround (${String((error as Error).message)}): write one without`,
    );
  }
  if (size <= PATTERN_LIMITS.instructions) return undefined;
  return fault(
    `compiles to ${size} instructions, more than ${PATTERN_LIMITS.instructions}: write a shorter one, with smaller numbers in its { }`,
  );
}

/** A word that the field never has would make a rule that never matches, and says nothing of it. */
function unknownWord({ field, operator, value, ignoreCase }: RuleCondition): OptionFault | undefined {
  const words = VOCABULARY[field];
  if (!words || !/^(not_)?(equals|in)$/.test(operator)) return undefined;
  const isWord = (one: unknown) =>
    words.includes(ignoreCase && typeof one === 'string' ? fold(one) : String(one));
  const unknown = [value].flat().find((one) => !isWord(one));
  if (unknown === undefined) return undefined;
  return fault(`is ${show(unknown)}, which ${field} never is: write one of ${quoted(words)}`);
}

function uselessCase({ operator, value, ignoreCase }: RuleCondition): OptionFault | undefined {
  const comparesText = !operator.endsWith('_than') && [value].flat().some((one) => typeof one === 'string');
  if (!ignoreCase || comparesText) return undefined;
  return { at: ['ignoreCase'], fault: 'has no meaning where no text is compared: leave it out' };
}

function fault(what: string): OptionFault {
  return { at: ['value'], fault: what };
}

function isScalar(value: unknown): value is RuleValue {
  return typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value);
}

function isScalars(value: unknown): boolean {
  // Not by `every` alone, which passes over holes.
  return Array.isArray(value) && value.length > 0 && Array.from<unknown>(value).every(isScalar);
}

function isPart(value: unknown): boolean {
  return isScalar(value) && typeof value !== 'boolean' && value !== '';
}

function isDecimal(value: unknown): boolean {
  return decimalOf(value) !== undefined;
}
