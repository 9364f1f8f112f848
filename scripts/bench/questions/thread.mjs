// Measures what delivery and sealing, in their thread, cost the main thread: `npm run bench -- --only thread [rounds] [requests a second]`. One
// application, on Node 24 with MariaDB, gets as many requests a second all the time. By turns its thread stores and seals their events, or
// waits, since a lock holds the table of events: so nothing differs but the work of the thread. Linux, with two cores or more.
//
// What else shares a core, or a core's hyper-thread, makes a thread slower by far more than what is measured here. So the main thread has one
// core alone, and all others have the rest, where a program that only burns time keeps them busy in either case.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { atEndOfRun, endRun } from '../../../test/support/harness/end-of-run.mjs';
import { AskedProcess } from '../asked-process.mjs';
import { installPlatforms } from '../platforms.mjs';
import { BenchServer } from '../servers.mjs';
import { figureOf, show } from '../statistics.mjs';

const [ROUNDS = '60', PER_SECOND = '3000'] = process.argv.slice(2);
const CONNECTIONS = 32;
const SECONDS = 1;
const OTHER_CORES = `1-${availableParallelism() - 1}`;

const folder = mkdtempSync(join(tmpdir(), 'audit-bench-'));
atEndOfRun({ folder });
try {
  const server = await BenchServer.find('mysql');
  const [platform] = await installPlatforms(['node24-nest12'], folder);
  const database = await server.create();
  const application = new AskedProcess(platform.application, 'the application', platform.program);
  const clients = new AskedProcess('clients.mjs', 'the process of the clients');
  const port = await application.ask('start', {
    options: { database, delivery: { directory: join(folder, 'journal') } },
  });
  const send = async (seconds) => {
    const asked = { port, connections: CONNECTIONS, call: 'GET', perSecond: Number(PER_SECOND), seconds };
    const { answered, failed } = await clients.ask('pace', asked);
    if (failed > 0) throw new Error(`${failed} requests failed`);
    return answered;
  };
  /** @returns microseconds of the main thread for each request */
  const measure = async () => {
    await send(SECONDS / 3);
    const before = application.mainThreadMicros();
    const answered = await send(SECONDS);
    return (application.mainThreadMicros() - before) / answered;
  };
  const { type: _type, username: user, ...address } = database;
  const holder = await createConnection({ ...address, user });
  const turns = {
    stores: measure,
    waits: async () => {
      await holder.query('LOCK TABLES audit_events WRITE');
      try {
        return await measure();
      } finally {
        await holder.query('UNLOCK TABLES');
      }
    },
  };

  // The thread begins with the first events.
  await send(SECONDS);
  await application.ask('settle');
  place(application.pid, clients.pid);
  const times = { stores: [], waits: [] };
  for (let round = 0; round <= Number(ROUNDS); round += 1) {
    // Whatever changes from turn to turn counts for either.
    const order = round % 2 === 0 ? ['stores', 'waits'] : ['waits', 'stores'];
    for (const turn of order) {
      const micros = await turns[turn]();
      await application.ask('settle');
      // The first warms up.
      if (round > 0) times[turn].push(micros);
    }
    const [stores, waits] = ['stores', 'waits'].map((turn) => times[turn].at(-1)?.toFixed(1));
    if (round > 0) console.error(`round ${round}: ${stores} µs where it stores, ${waits} µs where it waits`);
  }
  await holder.end();
  await clients.end();
  await application.ask('close');
  await application.end();
  const added = times.stores.map((micros, round) => micros - times.waits[round]);
  console.log(
    `${PER_SECOND} requests a second, ${ROUNDS} rounds of ${SECONDS} s each:\n` +
      `the main thread takes ${show(figureOf(times.stores), 1, ' µs')} a request while its thread stores and seals, and ` +
      `${show(figureOf(times.waits), 1, ' µs')} while it waits; pair by pair ${show(figureOf(added), 1, ' µs')} more, on average ${meanOf(added)}.`,
  );
} finally {
  await endRun();
}

/** With the half of the interval in which it is by 95 of 100. */
function meanOf(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  return `${mean.toFixed(1)} ± ${(1.96 * Math.sqrt(variance / values.length)).toFixed(1)} µs`;
}

/** Gives the main thread of the application the first core alone, and keeps the others busy. */
function place(pid, ...others) {
  const pin = (cores, id) => execFileSync('taskset', ['-p', '-c', cores, String(id)], { stdio: 'ignore' });
  for (const thread of readdirSync(`/proc/${pid}/task`))
    pin(Number(thread) === pid ? '0' : OTHER_CORES, thread);
  for (const other of [...others, process.pid]) pin(OTHER_CORES, other);
  for (let core = 1; core < availableParallelism(); core += 1) {
    const burn = ['-c', String(core), 'chrt', '--idle', '0', process.execPath, '-e', 'for (;;);'];
    const burner = spawn('taskset', burn, { stdio: 'ignore', detached: true });
    atEndOfRun({ processGroup: burner.pid, signal: 'SIGKILL' });
  }
}
