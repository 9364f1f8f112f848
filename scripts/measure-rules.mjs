// Measures what compliance rules cost an event, for docs/rules.md: `npm run measure:rules`. Rounds of 200 rules, 50 of each
// shape, of each shape alone and of the packs, interleaved with an empty loop over the same events, which is taken off; medians
// and quartiles of microseconds of processor time per event. Needs a build, which the command makes, and no server.
import { RuleBook } from '../dist/esm/features/rules/rule-book.js';
import { RESOURCES } from './measure/mixed-events.mjs';
import { measurePerEvent } from './measure/per-event.mjs';

const EACH = 50;
const BUDGET = 20;

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

const names = Object.keys(SHAPES);
const PACKS = ['sox', 'gdpr', 'hipaa', 'pci-dss', 'iso-27001'];
const packs = new RuleBook({ packs: PACKS });
const books = new Map([
  [`200 rules, ${EACH} of each shape`, new RuleBook({ rules: names.flatMap((name) => rulesOf(name, EACH)) })],
  ...names.map((name) => [`${EACH} rules: ${name}`, new RuleBook({ rules: rulesOf(name, EACH) })]),
  [`all packs, ${packs.rules.length} rules`, packs],
]);

const works = new Map([...books].map(([name, book]) => [name, (event) => book.match(event).length]));
const [median] = measurePerEvent(works).values();
console.log(
  `\nThe budget for 200 rules is ${BUDGET} µs: ${median < BUDGET ? 'met' : 'MISSED'} (${median.toFixed(1)} µs).`,
);
if (median >= BUDGET) process.exitCode = 1;
