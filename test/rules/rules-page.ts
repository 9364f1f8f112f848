// The parts of docs/comply/rules.md and docs/reference/rule-packs.md that are made from the code: what is listed, what each operator takes and does, the packs.
import {
  COMPLIANCE_PACK_NAMES,
  RULE_ACTIONS,
  RULE_OPERATORS,
} from '../../src/features/rules/compliance-rule.js';
import type {
  CompliancePack,
  RuleAction,
  RuleConditions,
  RuleOperator,
  RuleValue,
} from '../../src/features/rules/compliance-rule.js';
import { bookOf } from '../../src/features/rules/compliance-options.js';
import { CONDITION_LIMITS } from '../../src/features/rules/check-condition.js';
import { EVENT_FIELDS, FIELDS_BEFORE_HANDLER } from '../../src/features/rules/event-field.js';
import { COMPLIANCE_PACKS } from '../../src/features/rules/packs/all.js';
import { PATTERN_LIMITS } from '../../src/features/rules/pattern-set.js';
import { ACTION_DEFAULTS } from '../../src/features/rules/rule-actions.js';
import { SEARCHED_LENGTH } from '../../src/features/rules/sent-value.js';
import { MAX_RULES } from '../../src/features/rules/rule-book.js';
import type { RuleBook } from '../../src/features/rules/rule-book.js';
import type { GeneratedParts } from '../support/docs/generated.js';
import { eventOf } from './event.js';

export function generatedParts(): GeneratedParts {
  return new Map([
    ['operators', operators()],
    ['fields', listed(EVENT_FIELDS)],
    ['fields before the handler', listed(FIELDS_BEFORE_HANDLER)],
    [
      'actions',
      table(
        ['Action', 'What it does'],
        RULE_ACTIONS.map((action) => [code(action), ACTIONS[action]]),
      ),
    ],
    ['limits', limits()],
    ...COMPLIANCE_PACK_NAMES.map((pack) => [pack, rulesOf(pack)] as const),
  ]);
}

/** What each operator means for one text, number or boolean. */
const MEANINGS: Readonly<Record<RuleOperator, string>> = {
  equals: 'is the value, and of its type',
  not_equals: 'the opposite of `equals`',
  contains: 'a text has the value as a part; a list has it as an element',
  not_contains: 'the opposite of `contains`',
  greater_than: 'is a greater number',
  less_than: 'is a smaller number',
  in: 'is one of the values, and of its type',
  not_in: 'the opposite of `in`',
  matches: 'a text has a part that the regular expression matches',
};

const ACTIONS: Readonly<Record<RuleAction, string>> = {
  log: 'nothing more than what every rule does: its id stands in `complianceFlags`',
  alert: 'calls the handler `alert` of the application',
  notify: 'calls the handler `notify`',
  escalate: 'calls the handler `escalate`',
  block: 'refuses the request with 403 after all guards and before its handler',
};

/** Each kind of value, by one that every operator that takes the kind takes. */
const VALUES: Readonly<Record<string, RuleValue | readonly RuleValue[]>> = {
  'a text': 'x',
  'a text of digits': '12.50',
  'a number': 7,
  'a boolean': true,
  'a list': ['x', 7, true],
};

function bookOn(conditions: RuleConditions): RuleBook {
  return bookOf({
    rules: [{ id: 'tried', name: 'Tried', category: 'compliance', severity: 'low', conditions }],
  });
}

function takes(operator: RuleOperator, kind: string): boolean {
  try {
    bookOn({ field: 'details.tried', operator, value: VALUES[kind]! });
    return true;
  } catch {
    return false;
  }
}

function operators(): string {
  const rows = RULE_OPERATORS.map((operator) => {
    const kinds = Object.keys(VALUES).filter((kind) => takes(operator, kind));
    // Whoever takes any text takes digits.
    const named = kinds.includes('a text') ? kinds.filter((kind) => kind !== 'a text of digits') : kinds;
    const book = bookOn({ field: 'details.tried', operator, value: VALUES[kinds[0]!]! });
    const without = book.matching(eventOf());
    return [code(operator), named.join(', '), MEANINGS[operator], without.length > 0 ? 'met' : 'not met'];
  });
  return table(['Operator', 'Value', 'Met where the field', 'Without the field'], rows);
}

function limits(): string {
  const { timeLimitMs, retryDelaysMs, maxPending, parallel } = ACTION_DEFAULTS;
  return table(
    ['What', 'Bound'],
    [
      ['rules', MAX_RULES],
      ['groups within groups', CONDITION_LIMITS.depth],
      ['conditions of a rule', CONDITION_LIMITS.conditions],
      ['values of a list', CONDITION_LIMITS.values],
      ['characters of a pattern', PATTERN_LIMITS.length],
      ['instructions of a compiled pattern', PATTERN_LIMITS.instructions],
      ['the same, where a rule that blocks looks for it in what was sent', PATTERN_LIMITS.instructionsSent],
      ['characters that such a pattern is looked for in', SEARCHED_LENGTH],
      ['findings that wait for a handler', maxPending],
      ['handlers that run at the same time', parallel],
      ['a call of a handler', `${timeLimitMs / 1_000} s`],
      ['tries of a handler', retryDelaysMs.length + 1],
      ['waits between tries', retryDelaysMs.map((delay) => `${delay / 1_000} s`).join(', ')],
    ].map((row) => row.map(String)),
  );
}

function rulesOf(pack: CompliancePack): string {
  const rules = COMPLIANCE_PACKS[pack];
  const rows = rules.map(({ id, clause = '', severity, description = '' }) => [
    code(id),
    clause,
    code(severity),
    description,
  ]);
  const conditions = rules.map((rule) => `${rule.id}\n${written(rule.conditions, '  ')}`).join('\n');
  return `${table(['Rule', 'Clause', 'Severity', 'What it tells'], rows)}\n\n\`\`\`text\n${conditions}\n\`\`\``;
}

/** Conditions as a person reads them, a line each. */
function written(conditions: RuleConditions, indent: string): string {
  if ('field' in conditions) {
    const { field, operator, value, ignoreCase } = conditions;
    const shown = [value].flat().join(', ');
    return `${indent}${field} ${operator} ${shown}${ignoreCase ? ' (in any case)' : ''}`;
  }
  const [word, parts] =
    'all' in conditions ? (['all', conditions.all] as const) : (['any', conditions.any] as const);
  return [`${indent}${word} of`, ...parts.map((part) => written(part, `${indent}  `))].join('\n');
}

const code = (text: string) => `\`${text}\``;

function listed(words: readonly string[]): string {
  return words.map(code).join(',\n');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
