// The results as the page `docs/operate/benchmarks.md`. What people write about them is in `docs/operate/performance.md`.
import { isMet, judged, measured } from './budgets.mjs';
import { show } from './statistics.mjs';

/** @param {object} results as in `docs/operate/benchmarks.json` */
export function renderPage(results) {
  return [
    '# Benchmarks',
    `Written by \`${results.command}\`; don't edit. [What the figures mean](performance.md) is a page of its own.`,
    machine(results.machine),
    'Figures are medians with the quartiles of interleaved rounds. A ratio is one of the same round, so that what else the machine does counts for both.',
    '## Budgets',
    'Judged by the best: the least time and the most requests of all rounds, of audited, bare and floor alike. What else a shared machine does never makes anything faster.',
    table(
      ['', 'on', 'budget', 'best', 'median', ''],
      measured(results).map((budget) => [
        budget.what,
        budget.platform,
        boundOf(budget),
        budget.figure ? judged(budget.figure).toFixed(budget.digits) : '',
        show(budget.figure, budget.digits),
        verdict(isMet(budget)),
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

function requests({ connections, load, rounds, seconds, platforms, rivals }) {
  return [
    '## Requests',
    `A handler on Express that does next to nothing, asked on ${connections} connections: GET of one thing unless it says POST (with a body), list (its result is seen by an interceptor) or one row (read by TypeORM from MariaDB). ${rounds} rounds, ${seconds} s for each rate. Bare is the same application without audit; each POST, list and row is over the bare one. The floor is a hand-written middleware that appends one JSON line for each answer (\`scripts/bench/others.mjs\`).`,
    '![Requests a second of each, over the bare application](benchmarks.svg)',
    ...Object.values(platforms).flatMap((platform) => onPlatform(platform, load)),
    ...named(rivals),
  ];
}

function named(rivals) {
  const versions = Object.entries(rivals).map(([name, version]) => `\`${name}\` ${version}`);
  if (versions.length === 0) return [];
  return [
    `Others, from npm: ${versions.join(', ')}; each stores one row by \`repository.save()\`, as the tutorial's interceptor does.`,
  ];
}

function onPlatform({ node, nest, subjects, missing, profiles }, load) {
  const rows = Object.entries(subjects);
  return [
    `### Node ${node}, Nest ${nest}`,
    table(
      [
        'at saturation',
        'requests/s',
        'over bare',
        'main thread, µs a request',
        'added',
        'over the floor',
        'process, µs',
        'added',
        'database, µs',
        'memory, MiB',
      ],
      rows.map(([name, one]) => [
        name,
        show(one.perSecond, 0),
        show(one.ratios.perSecond),
        show(one.mainMicros, 0),
        show(one.added.mainMicros, 0),
        show(one.overFloor),
        show(one.cpuMicros, 0),
        show(one.added.cpuMicros, 0),
        show(one.databaseMicros, 0),
        show(one.memoryMiB, 0),
      ]),
    ),
    table(
      [
        `at ${load} of what durable can do`,
        'p50, ms',
        'p99, ms',
        'added',
        'rounds in which requests queued',
        'requests answered',
        'events stored',
      ],
      rows.map(([name, one]) => [
        name,
        show(one.p50),
        show(one.p99),
        show(one.added.p99),
        String(one.roundsThatQueued),
        String(one.expected ?? ''),
        String(one.stored ?? ''),
      ]),
    ),
    ...Object.entries(missing).map(([name, why]) => `\`${name}\` was not measured: ${why}.`),
    ...(profiles ? [profileTable(profiles)] : []),
  ];
}

/** Whose functions the main thread ran, of each way, the largest first. What takes less than a microsecond of all is left out. */
function profileTable(profiles) {
  const ways = Object.keys(profiles);
  const most = (owner) => Math.max(...ways.map((way) => profiles[way][owner] ?? 0));
  const owners = [...new Set(ways.flatMap((way) => Object.keys(profiles[way])))].filter(
    (owner) => most(owner) >= 1,
  );
  owners.sort((a, b) => most(b) - most(a));
  return table(
    ['own time of the functions of, µs a request', ...ways],
    owners.map((owner) => [owner, ...ways.map((way) => (profiles[way][owner] ?? 0).toFixed(1))]),
  );
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
        "server's CPU over the driver",
        'expected and stored',
      ],
      Object.entries(kinds).map(([type, { perSecond, ratios, serverRatio, expected, stored }]) => [
        type,
        show(perSecond.durable, 0),
        show(ratios.durable),
        show(perSecond.buffered, 0),
        show(ratios.buffered),
        show(perSecond.raw, 0),
        show(serverRatio),
        `${expected}: ${stored.durable}, ${stored.buffered}`,
      ]),
    ),
  ];
}

function recovery({ events, stored, heapFirstMiB, heapAllMiB, recordedMs, openedMs, storedMs, perSecond }) {
  const heap = heapAllMiB
    ? ` What lived in the main thread's heap was ${heapFirstMiB.toFixed(1)} MiB after a tenth of them, and ${heapAllMiB.toFixed(1)} MiB after all.`
    : '';
  const seconds = (ms) => `${(ms / 1_000).toFixed(1)} s`;
  return [
    '## Recovery',
    `${events} events were recorded in ${seconds(recordedMs)} while the database was away, and the process was killed. The next one was open after ${seconds(openedMs)}, and had stored all ${stored} after ${seconds(storedMs)}: ${perSecond.toFixed(0)} a second.${heap}`,
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
    `Node ${node} where no other is named; ${platform}, ${cores} cores (${processor}), ${memoryGiB} GiB; the clients and the databases are on the same machine.`,
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
