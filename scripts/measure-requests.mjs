// Measures what auditing costs a request: `npm run measure:requests -- [mysql|postgres] [--rounds N] [--quick]`.
//
// Four processes run the same application on Express, with a GET and a POST handler that do nothing: bare, and audited in
// each delivery mode with the default options, into a database of its own on one server. Interleaved rounds, after one
// that warms up: in each, one application after another answers as many requests as it can, and then half as many a
// second as the bare one could. Each is compared with the bare one of the same round.
//
// The processors' time is that of the application's process, until all its events are stored and sealed. What the database
// and the clients take is in no figure; where the machine has no cores to spare for them, it lowers the requests a second.
//
// After each turn the events stored are compared with the requests answered. A turn that lost an event, or made two of
// one request, does not count, and the measurement ends with exit code 1.
//
// Uses the servers that the tests use (test/harness); the journals are in the system's temporary folder (TMPDIR). Leaves
// nothing behind, also where it is interrupted.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { atEndOfRun, endRun } from '../test/harness/end-of-run.mjs';
import { describeAddress, findServer } from '../test/harness/find-server.mjs';
import { mysqlServer } from '../test/harness/mysql-server.mjs';
import { postgresServer } from '../test/harness/postgres-server.mjs';
import { AskedProcess } from './measure/asked-process.mjs';
import { printTables } from './measure/tables.mjs';
import { Subject } from './measure/subject.mjs';

const MODES = ['bare', 'buffered', 'durable', 'strict'];
const CONNECTIONS = 32;
/** Of the bare application's requests a second, where latencies are measured. */
const LOAD = 0.5;

const KINDS = {
  mysql: {
    server: mysqlServer,
    create: (name) => `CREATE DATABASE ${name}`,
    describe: `SELECT concat(version(), ' (innodb_flush_log_at_trx_commit = ', @@innodb_flush_log_at_trx_commit, ')') AS text`,
  },
  postgres: {
    server: postgresServer,
    create: (name) => `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`,
    describe: `SELECT 'PostgreSQL ' || current_setting('server_version') || ' (synchronous_commit = ' ||
      current_setting('synchronous_commit') || ', fsync = ' || current_setting('fsync') || ')' AS text`,
  },
};
/** What the audit says of itself, as of events that it dropped, has numbers too. */
const COUNT = `SELECT count(CASE WHEN action NOT LIKE 'audit.%' THEN 1 END) AS events,
  count(DISTINCT sequence) AS numbers, coalesce(max(sequence), 0) AS last FROM audit_events`;

const { dialect, rounds, seconds } = readArguments();
const loadBefore = loadavg()[0].toFixed(1);
const faults = [];

let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    interrupted = true;
    await endRun().catch(() => undefined);
    process.kill(process.pid, signal);
  });
}

try {
  await run();
} catch (error) {
  // Of an interrupted run it only says that its processes have ended.
  if (!interrupted) complain(error.stack);
} finally {
  await endRun();
}
if (faults.length > 0) process.exitCode = 1;

async function run() {
  const { server, create, describe } = KINDS[dialect];
  const found = await findServer(server);
  if ('missing' in found) throw new Error(`Nothing to measure with: ${found.missing}`);
  const address = found.server;
  const [{ text: database }] = await server.query(address, [describe]);
  say(`${server.label}: ${describeAddress(address)} (${found.note})`);

  const folder = mkdtempSync(join(tmpdir(), 'audit-measure-'));
  atEndOfRun({ folder });
  const prefix = `audit_measure_${randomBytes(4).toString('hex')}_`;
  if (!found.isPrivate) atEndOfRun({ kind: dialect, server: address, prefix });

  const subjects = [];
  for (const mode of MODES) {
    if (mode === 'bare') {
      const bare = new Subject(mode);
      await bare.start();
      subjects.push(bare);
      continue;
    }
    const own = { ...address, database: prefix + mode };
    await server.query(address, [create(own.database)]);
    const subject = new Subject(mode, async () => {
      const [{ events, numbers, last }] = await server.query(own, [COUNT]);
      return { events: Number(events), numbers: Number(numbers), last: Number(last) };
    });
    const directory = join(folder, mode);
    await subject.start({ database: { ...own, type: dialect }, delivery: { mode, directory } });
    subjects.push(subject);
  }

  const clients = new AskedProcess('clients.mjs', 'the process of the clients');
  for (let round = 0; round <= rounds; round += 1) {
    let pace;
    for (const subject of subjects) {
      // The bare one comes first.
      const paceOf = (perSecond) => (pace ??= Math.max(1, Math.round(perSecond * LOAD)));
      const wrong = await subject.measure(round, clients, CONNECTIONS, seconds, paceOf);
      for (const one of wrong) complain(`Round ${round}, ${subject.mode}: ${one}. It does not count.`);
    }
    say(`round ${round} of ${rounds}: ${subjects.map((subject) => inBrief(subject, round)).join('; ')}`);
  }
  await clients.end();
  for (const subject of subjects) {
    await subject.close();
    for (const one of await subject.compareStored(0)) complain(`After the end, ${subject.mode}: ${one}.`);
  }
  console.log(
    `Node ${process.version}, Nest ${versionOf('@nestjs/core')}, Express ${versionOf('express')}, autocannon ${versionOf('autocannon')}; ` +
      `${database}, ${found.note}; ${process.platform} ${release()}, ${availableParallelism()} cores ` +
      `(${cpus()[0]?.model ?? 'unknown'}), load ${loadBefore} before; journals on ${fileSystemOf(folder)}.\n` +
      `A GET and a POST in turn on ${CONNECTIONS} connections; ${rounds} interleaved rounds, ${seconds} s for each rate. ` +
      'Medians, with the quartiles.\n',
  );
  printTables(subjects, rounds);
  for (const fault of faults) console.log(`**${fault}**\n`);
}

function inBrief({ mode, results }, round) {
  const result = results[round];
  if (!result) return `${mode} does not count`;
  const { perSecond, cpuMicros, p99 } = result;
  return `${mode} ${perSecond.toFixed(0)}/s, ${cpuMicros.toFixed(0)} µs, p99 ${p99.toFixed(1)} ms`;
}

function complain(fault) {
  faults.push(fault);
  say(`!!! ${fault}`);
}

function say(line) {
  process.stderr.write(`${line}\n`);
}

function readArguments() {
  const usage = 'npm run measure:requests -- [mysql|postgres] [--rounds N] [--quick]';
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { rounds: { type: 'string' }, quick: { type: 'boolean' } },
    });
    const [name = 'mysql', ...more] = positionals;
    const count = Number(values.rounds ?? (values.quick ? 2 : 7));
    if (!(name in KINDS) || more.length > 0 || !Number.isInteger(count) || count < 1) {
      throw new Error('these arguments mean nothing');
    }
    return { dialect: name, rounds: count, seconds: values.quick ? 2 : 5 };
  } catch (error) {
    say(`${error.message}. Usage: ${usage}`);
    process.exit(2);
  }
}

function versionOf(name) {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')).version;
}

/** Where the system can say. */
function fileSystemOf(folder) {
  try {
    return execFileSync('df', ['-PT', folder], { encoding: 'utf8' }).trim().split('\n')[1].split(/\s+/)[1];
  } catch {
    return 'an unknown file system';
  }
}
