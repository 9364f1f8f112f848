// The results as the page `docs/benchmarks.md`. What people write about them is in `docs/performance.md`.
import { BUDGETS, isMet } from './budgets.mjs';
import { show } from './statistics.mjs';

/** @param {object} results as in `docs/benchmarks.json` */
export function renderPage(results) {
  return [
    '# Benchmarks',
    `Written by \`${results.command}\`; don't edit. [What the figures mean](performance.md) is a page of its own.`,
    machine(results.machine),
    'Figures are medians with the quartiles of interleaved rounds. A ratio is one of the same round, so that what else the machine does counts for both.',
    '## Budgets',
    table(
      ['', 'budget', 'measured', ''],
      BUDGETS.map((budget) => [
        budget.what,
        boundOf(budget),
        show(budget.of(results), budget.digits),
        verdict(isMet(budget, results)),
      ]),
    ),
    ...(results.requests ? requests(results.requests) : []),
    ...(results.database ? database(results.database) : []),
    ...(results.recovery ? recovery(results.recovery) : []),
    ...(results.pipeline ? pipeline(results.pipeline) : []),
    ...(results.faults.length > 0
      ? ['## What went wrong', ...results.faults.map((fault) => `- ${fault}`)]
      : []),
  ]
    .join('\n\n')
    .concat('\n');
}

function requests({ connections, load, rounds, seconds, subjects, missing, rivals }) {
  const rows = Object.entries(subjects);
  return [
    '## Requests',
    `A trivial handler on Express, asked on ${connections} connections: GET unless it says POST. ${rounds} rounds, ${seconds} s for each rate. Bare is the same application without audit; each POST is over the bare POST.`,
    '![Requests a second of each, over the bare application](benchmarks.svg)',
    table(
      [
        'at saturation',
        'requests/s',
        'over bare',
        'main thread, µs a request',
        'added',
        'process, µs a request',
        'memory, MiB',
      ],
      rows.map(([name, one]) => [
        name,
        show(one.perSecond, 0),
        show(one.ratios.perSecond),
        show(one.mainMicros, 0),
        show(one.added.mainMicros, 0),
        show(one.cpuMicros, 0),
        show(one.memoryMiB, 0),
      ]),
    ),
    table(
      [
        `at ${load} of the bare one's`,
        'p50, ms',
        'added',
        'p99, ms',
        'added',
        'rounds in which requests queued',
      ],
      rows.map(([name, one]) => [
        name,
        show(one.p50),
        show(one.added.p50),
        show(one.p99),
        show(one.added.p99),
        String(one.roundsThatQueued),
      ]),
    ),
    'What was asked and what was stored, warm-up included:',
    table(
      ['', 'requests answered', 'events stored'],
      rows
        .filter(([, { stored }]) => stored !== undefined)
        .map(([name, { expected, stored }]) => [name, String(expected), String(stored)]),
    ),
    `Others, from npm: ${Object.entries(rivals)
      .map(([name, version]) => `\`${name}\` ${version}`)
      .join(', ')}; each stores one row by \`repository.save()\`, as the tutorial's interceptor does.`,
    ...Object.entries(missing).map(([name, why]) => `\`${name}\` was not measured: ${why}.`),
  ];
}

function database({ events, ...kinds }) {
  return [
    '## Events into the database',
    `${events} events a round by \`record()\`, 500 calls at a time, until all are stored; over the driver alone, with the best of three sizes of INSERT, into a table with the same indexes.`,
    table(
      [
        '',
        'durable, events/s',
        'over the driver',
        'buffered, events/s',
        'over the driver',
        'driver alone, rows/s',
        'expected and stored',
      ],
      Object.entries(kinds).map(([type, { perSecond, ratios, expected, stored }]) => [
        type,
        show(perSecond.durable, 0),
        show(ratios.durable),
        show(perSecond.buffered, 0),
        show(ratios.buffered),
        show(perSecond.raw, 0),
        `${expected}: ${stored.durable}, ${stored.buffered}`,
      ]),
    ),
  ];
}

function recovery({ events, stored, recordedMs, openedMs, storedMs, perSecond }) {
  const seconds = (ms) => `${(ms / 1_000).toFixed(1)} s`;
  return [
    '## Recovery',
    `${events} events were recorded in ${seconds(recordedMs)} while the database was away, and the process was killed. The next one was open after ${seconds(openedMs)}, and had stored all ${stored} after ${seconds(storedMs)}: ${perSecond.toFixed(0)} a second.`,
  ];
}

function pipeline({ rounds, stages }) {
  return [
    '## Stage by stage',
    `Microseconds of processor time an event, each stage alone in a loop over 1,000 mixed events, ${rounds} rounds. In a request each of them is slower, since what it needs is no longer in the processor's caches.`,
    table(
      ['stage', 'µs an event'],
      Object.entries(stages).map(([name, figure]) => [name, show(figure)]),
    ),
  ];
}

function machine({ node, platform, cores, processor, memoryGiB, packages, servers }) {
  const versions = Object.entries(packages).map(([name, version]) => `${name} ${version}`);
  return [
    `Node ${node}; ${platform}, ${cores} cores (${processor}), ${memoryGiB} GiB; the clients and the databases are on the same machine.`,
    `${versions.join(', ')}.`,
    `${Object.values(servers).join('; ')}.`,
  ].join('\n');
}

function boundOf({ atLeast, atMost, digits }) {
  return atLeast === undefined ? `<= ${atMost.toFixed(digits)}` : `>= ${atLeast.toFixed(digits)}`;
}

function verdict(met) {
  if (met === undefined) return 'not measured';
  return met ? 'met' : '**not met**';
}

function table(head, rows) {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
