// Measures what compliance rules cost an event, for docs/rules.md: `npm run measure:rules`. Rounds of 200 rules, 50 of each
// shape, of each shape alone and of the packs, interleaved with an empty loop over the same events, which is taken off; medians
// and quartiles of microseconds of processor time per event. Needs a build, which the command makes, and no server.
import { availableParallelism, cpus, release } from 'node:os';
import { RuleBook } from '../dist/esm/pipeline/rules/rule-book.js';

/** Many and short: what else the machine does then spoils few of them. */
const ROUNDS = 101;
const EVENTS = 1_000;
const EACH = 50;
const BUDGET = 20;

const ACTIONS = ['read', 'list', 'create', 'update', 'delete', 'approve', 'export'];
const RESOURCES = ['invoice', 'payment', 'journal-entry', 'customer', 'user', 'report', 'audit-log'];
const AGENTS = [
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36',
  'curl/8.14.1',
  'Zürich-Buchhaltung/2.3 (Überweisungen)',
];

/** Mixed: reads and changes, successes and failures, with few facts and with many, of several users. */
function eventOf(index) {
  const resource = RESOURCES[index % RESOURCES.length];
  const verb = ACTIONS[(index * 3) % ACTIONS.length];
  const failed = index % 5 === 0;
  const reads = verb === 'read' || verb === 'list' || verb === 'export';
  return {
    id: `01a2092a-40f3-7618-b679-${String(index).padStart(12, '0')}`,
    timestamp: 1_795_450_093_811 + index,
    tenantId: `tenant-${index % 13}`,
    userId: `u-${index % 101}`,
    action: `${resource}.${verb}`,
    resource,
    resourceId: `${resource}-${index}`,
    details: {
      amount: (index * 37) % 10_000,
      total: `${index}12345678901234567890.50`,
      currency: index % 2 === 0 ? 'EUR' : 'CHF',
      tags: ['late', 'reviewed', `batch-${index % 7}`],
      ...(verb === 'export' && { recordCount: index * 11 }),
      ...(index % 3 === 0 && { 'changes.amount.before': index, 'changes.amount.after': index + 1 }),
    },
    ipAddress: `10.0.${index % 200}.7`,
    userAgent: AGENTS[index % AGENTS.length],
    severity: failed ? 'medium' : 'low',
    category: failed ? 'authorization' : reads ? 'data_access' : 'data_modification',
    outcome: failed ? 'failure' : 'success',
    riskScore: (index * 7) % 100,
    complianceFlags: [],
    metadata: {
      method: reads ? 'GET' : 'POST',
      path: `/${resource}s/${index}/${verb}`,
      route: `/${resource}s/:id/${verb}`,
      statusCode: failed ? 403 : 200,
      durationMs: 3.1,
      actorType: 'user',
      roles: index % 10 === 0 ? ['admin', 'bookkeeper'] : ['bookkeeper'],
      schemaVersion: 1,
      source: '01a2092a-37dd-7618-b679-271106589fe4',
      sequence: index,
    },
  };
}

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

const events = Array.from({ length: EVENTS }, (_, index) => eventOf(index));
const names = Object.keys(SHAPES);
const PACKS = ['sox', 'gdpr', 'hipaa', 'pci-dss', 'iso-27001'];
const packs = new RuleBook({ packs: PACKS });
const books = new Map([
  [`200 rules, ${EACH} of each shape`, new RuleBook({ rules: names.flatMap((name) => rulesOf(name, EACH)) })],
  ...names.map((name) => [`${EACH} rules: ${name}`, new RuleBook({ rules: rulesOf(name, EACH) })]),
  [`all packs, ${packs.rules.length} rules`, packs],
]);

// Rules that held. Used, so that nobody finds out that it need not be computed.
let used = 0;

/** The time of the processor, not of the clock: what else the machine does is not the rules' cost. */
function time(work) {
  const start = process.cpuUsage();
  for (const event of events) used += work(event);
  const { user, system } = process.cpuUsage(start);
  return (user + system) / EVENTS;
}

const quantile = (values, share) =>
  [...values].sort((a, b) => a - b)[Math.round(share * (values.length - 1))];

const times = new Map([...books.keys()].map((name) => [name, []]));
// The first rounds warm up.
for (let round = -5; round < ROUNDS; round += 1) {
  for (const [name, book] of books) {
    const took = time((event) => book.match(event).length);
    const empty = time((event) => event.complianceFlags.length);
    if (round >= 0) times.get(name).push(took - empty);
  }
}

console.log(
  `Node ${process.version}; ${process.platform} ${release()}, ${availableParallelism()} cores (${cpus()[0]?.model ?? 'unknown'}).\n` +
    `${EVENTS} mixed events, medians of ${ROUNDS} interleaved rounds, with the quartiles.\n`,
);
console.log('| per event | µs | quartiles |\n| --- | --- | --- |');
for (const [name, rounds] of times) {
  const [low, middle, high] = [0.25, 0.5, 0.75].map((share) => quantile(rounds, share).toFixed(2));
  console.log(`| ${name} | ${middle} | ${low}–${high} |`);
}
// Of rules that never hold, only the beginnings would have been measured.
if (used === 0) throw new Error('No rule held for any event.');
const [all] = times.values();
const median = quantile(all, 0.5);
console.log(
  `\nThe budget for 200 rules is ${BUDGET} µs: ${median < BUDGET ? 'met' : 'MISSED'} (${median.toFixed(1)} µs).`,
);
if (median >= BUDGET) process.exitCode = 1;
