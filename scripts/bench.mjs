// Measures what the audit costs and how fast it is: `npm run bench`, with `-- --help` for the rest. Writes `docs/operate/benchmarks.md`,
// `docs/operate/benchmarks.json` and `docs/operate/benchmarks.svg`; a run of a part, or a quick one, only prints.
//
// Uses the servers that the tests use (test/support/harness); journals and SQLite files are in the system's temporary folder (TMPDIR). Leaves
// nothing behind, also where it is interrupted. Ends with exit code 1 where an event was lost or doubled, or a ratio fell.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { atEndOfRun, endRun } from '../test/support/harness/end-of-run.mjs';
import { compare } from './bench/compare.mjs';
import { measureDatabase } from './bench/database.mjs';
import { describeMachine } from './bench/machine.mjs';
import { PLATFORMS } from './bench/platforms.mjs';
import { measurePipeline } from './bench/pipeline.mjs';
import { renderPlot } from './bench/plot.mjs';
import { measureRecovery } from './bench/recovery.mjs';
import { renderPage } from './bench/report.mjs';
import { measureRequests } from './bench/requests.mjs';
import { BenchServer } from './bench/servers.mjs';
import { show } from './bench/statistics.mjs';

const USAGE = `npm run bench -- [options]

  --quick            fewer of everything, in less than three minutes; prints only
  --only <part>      requests, database, recovery or pipeline; prints only
  --only <question>  what one decision rests on; prints only: doors, indexes, journal, retention, rows or thread, and after it what that
                     takes, as in --only rows postgres 140000
  --compare <file>   prints each ratio against the one recorded there, docs/operate/benchmarks.json, and says which fell
  --rounds <n>       rounds of the requests, 5 unless it is quick; with --only pipeline, rounds of its stages
  --profile          of the requests: also where the main thread's time goes, by room and by package
  --on <platform>    of the requests: ${Object.keys(PLATFORMS).join(', ')}; all of them unless it is quick`;

const PARTS = ['requests', 'database', 'recovery', 'pipeline'];
/** Each is a program of its own. */
const QUESTIONS = ['doors', 'indexes', 'journal', 'retention', 'rows', 'thread'];
const FULL = { rounds: 5, seconds: 1, databaseRounds: 3, events: 10_000, recovery: 1_000_000, stages: 101 };
const QUICK = { rounds: 2, seconds: 1, databaseRounds: 2, events: 4_000, recovery: 20_000, stages: 21 };

const faults = [];
const say = (line) => void process.stderr.write(`${line}\n`);
const complain = (fault) => {
  faults.push(fault);
  say(`!!! ${fault}`);
};

const args = readArguments();
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    interrupted = true;
    await endRun().catch(() => undefined);
    process.kill(process.pid, signal);
  });
}

try {
  const results = await run();
  const page = renderPage(results);
  if (args.writes && faults.length === 0) {
    writeFileSync('docs/operate/benchmarks.json', `${JSON.stringify(results, undefined, 2)}\n`);
    writeFileSync('docs/operate/benchmarks.svg', renderPlot(results));
    writeFileSync('docs/operate/benchmarks.md', page);
  }
  console.log(page);
  if (args.compare) printComparison(JSON.parse(readFileSync(args.compare, 'utf8')), results);
} catch (error) {
  // Of an interrupted run it only says that its processes have ended.
  if (!interrupted) complain(error.stack);
} finally {
  await endRun();
}
if (faults.length > 0) process.exitCode = 1;

async function run() {
  const folder = mkdtempSync(join(tmpdir(), 'audit-bench-'));
  atEndOfRun({ folder });
  const { size, parts, quick, profile, platforms } = args;
  const needed = parts.some((part) => part !== 'pipeline')
    ? ['mysql', ...(parts.includes('database') ? ['postgres'] : [])]
    : [];
  const servers = [];
  for (const kind of needed) servers.push(await BenchServer.find(kind));
  const [server] = servers;
  const common = { server, servers, folder, quick, say, complain };
  const measure = {
    requests: () =>
      measureRequests({
        ...common,
        profile,
        platforms,
        rounds: args.rounds ?? size.rounds,
        seconds: size.seconds,
      }),
    database: () => measureDatabase({ ...common, rounds: size.databaseRounds, events: size.events }),
    recovery: () => measureRecovery({ ...common, events: size.recovery }),
    pipeline: () =>
      measurePipeline({ ...common, rounds: (parts.length === 1 ? args.rounds : undefined) ?? size.stages }),
  };
  const results = {};
  for (const part of parts) results[part] = await measure[part]();
  return {
    command: 'npm run bench',
    measuredAt: new Date().toISOString().slice(0, 10),
    machine: describeMachine(Object.fromEntries(servers.map(({ kind, text }) => [kind, text]))),
    ...results,
    faults,
  };
}

function printComparison(before, now) {
  console.log('## Against the recorded figures\n');
  for (const { name, before: then, now: figure, isWorse } of compare(before, now)) {
    console.log(`${isWorse ? 'FELL' : 'ok  '}  ${name}: ${show(figure)}, recorded ${show(then)}`);
    if (isWorse) complain(`${name} fell from ${then.median.toFixed(2)} to ${figure.median.toFixed(2)}.`);
  }
}

/** Runs the program of a question, and ends as it does. */
function answer(question, given) {
  const program = fileURLToPath(new URL(`bench/questions/${question}.mjs`, import.meta.url));
  const { status } = spawnSync(process.execPath, [program, ...given], { stdio: 'inherit' });
  process.exit(status ?? 1);
}

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        quick: { type: 'boolean', default: false },
        only: { type: 'string' },
        compare: { type: 'string' },
        rounds: { type: 'string' },
        on: { type: 'string' },
        profile: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      console.log(USAGE);
      process.exit(0);
    }
    const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
    if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0))
      throw new Error('--rounds takes a number, 5');
    if (QUESTIONS.includes(values.only)) answer(values.only, positionals);
    if (values.only !== undefined && !PARTS.includes(values.only))
      throw new Error(`--only takes one of ${[...PARTS, ...QUESTIONS].join(', ')}`);
    if (positionals.length > 0) throw new Error(`There is no ${positionals[0]}`);
    const { quick, on } = values;
    const names = Object.keys(PLATFORMS);
    if (on !== undefined && !names.includes(on)) throw new Error(`--on takes one of ${names.join(', ')}`);
    return {
      quick,
      profile: values.profile,
      platforms: on === undefined ? names.slice(0, quick ? 1 : undefined) : [on],
      rounds,
      compare: values.compare,
      parts: values.only === undefined ? PARTS : [values.only],
      size: quick ? QUICK : FULL,
      writes: !quick && values.only === undefined && on === undefined,
    };
  } catch (error) {
    say(`${error.message}\n\n${USAGE}`);
    process.exit(2);
  }
}
