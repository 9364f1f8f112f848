// Compliance rules of four shapes: what many of them cost an event.
import { RESOURCES } from './mixed-events.mjs';

const EACH = 50;

const of = (field, operator, value, more) => ({ field, operator, value, ...more });

/** The conditions of a rule, by its number. Each shape reads different fields, and holds for few of the events. */
const SHAPES = {
  'two fields that are equal': (n) => ({
    all: [of('action', 'equals', `${RESOURCES[n % 7]}.step-${n}`), of('outcome', 'equals', 'success')],
  }),
  'lists, groups and case': (n) => ({
    any: [
      of('metadata.roles', 'in', [`ROLE-${n}`, `AUDITOR-${n}`], { ignoreCase: true }),
      {
        all: [
          of('category', 'in', ['data_access', 'security']),
          of('details.tags', 'contains', `batch-${n}`),
          of('userAgent', 'contains', `ROBOT-${n}`, { ignoreCase: true }),
        ],
      },
    ],
  }),
  'numbers, large ones too': (n) => ({
    all: [
      of('details.amount', 'greater_than', 9_000 + n),
      of('details.total', 'less_than', '123456789012345678901234567890'),
      of('riskScore', 'greater_than', 50),
    ],
  }),
  'regular expressions': (n) =>
    n % 2 === 0
      ? of('metadata.path', 'matches', `^/(invoices|payments)/${n}[0-9]*/(approve|delete)$`)
      : of('userAgent', 'matches', `(bot|crawler|scanner-${n})/\\d+`, { ignoreCase: true }),
};

const rulesOf = (name, count) =>
  Array.from({ length: count }, (_, index) => ({
    id: `${name.replace(/\W+/g, '-')}-${index}`,
    name,
    category: 'compliance',
    severity: 'low',
    conditions: SHAPES[name](index),
  }));

/** By name: 200 rules, and the 50 of each shape alone. */
export function manyRules() {
  const names = Object.keys(SHAPES);
  return [
    [`200 rules, ${EACH} of each shape`, names.flatMap((name) => rulesOf(name, EACH))],
    ...names.map((name) => [`${EACH} rules: ${name}`, rulesOf(name, EACH)]),
  ];
}
