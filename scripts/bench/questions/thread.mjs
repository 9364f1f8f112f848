// Measures what delivery and sealing, in their thread, cost the main thread: `npm run bench -- --only thread [rounds] [requests a second]`. One
// application, on Node 24 with MariaDB, gets as many requests a second all the time. By turns of half a second its thread stores and seals
// their events; or waits, since a lock holds the tables; or waits while another process records as many events in another database.
// What had to wait is stored in the turns after it, so that a request's share of the work is up to three times as large there.
//
// Any work on one core slows the others, by what they share of caches and memory: hence the other process, which costs the main thread that
// alone. And hence the main thread has one core alone, and all else the rest, where a program that only burns time keeps them busy in each
// turn. Last, a profile says what the main thread itself does for its thread. Linux, with two cores or more.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createConnection } from 'mysql2/promise';
import { atEndOfRun, endRun } from '../../../test/support/harness/end-of-run.mjs';
import { AskedProcess } from '../asked-process.mjs';
import { installPlatforms } from '../platforms.mjs';
import { BenchServer } from '../servers.mjs';
import { figureOf, show } from '../statistics.mjs';

const [ROUNDS = '200', PER_SECOND = '3000'] = process.argv.slice(2);
const CONNECTIONS = 32;
const TURN_MS = 500;
/** Rounds that warm up, and do not count. */
const FIRST_ROUNDS = 5;
const TURNS = ['stores', 'waits', 'elsewhere'];
const PER_ROUND = (Number(PER_SECOND) * TURN_MS * TURNS.length) / 1_000;
const PROFILED_SECONDS = 20;
const OTHER_CORES = `1-${availableParallelism() - 1}`;

const folder = mkdtempSync(join(tmpdir(), 'audit-bench-'));
atEndOfRun({ folder });
try {
  const server = await BenchServer.find('mysql');
  const [platform] = await installPlatforms(['node24-nest12'], folder);
  const database = await server.create();
  const application = new AskedProcess(platform.application, 'the application', platform.program);
  const clients = new AskedProcess('clients.mjs', 'the process of the clients');
  const other = new AskedProcess('writer.mjs', 'the other process');
  const port = await application.ask('start', {
    options: { database, delivery: { directory: join(folder, 'journal') } },
  });
  const send = (seconds) => {
    const asked = { port, connections: CONNECTIONS, call: 'GET', perSecond: Number(PER_SECOND), seconds };
    return clients.ask('pace', asked);
  };
  const elsewhere = { database: await server.create(), delivery: { directory: join(folder, 'elsewhere') } };
  await other.ask('open', elsewhere);
  await other.ask('record', 1);
  // The thread begins with the first events.
  await send(1);
  await application.ask('settle');
  place(application.pid, clients.pid, other.pid);

  const { type: _type, username: user, ...address } = database;
  const holder = await createConnection({ ...address, user });
  const [tables] = await holder.query("SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'");
  const lock = `LOCK TABLES ${tables.map((row) => `${Object.values(row)[0]} WRITE`).join(', ')}`;
  /** @returns microseconds of the main thread for each request */
  const measure = async (turn) => {
    await holder.query(turn === 'stores' ? 'UNLOCK TABLES' : lock);
    const recorded = turn === 'elsewhere' && other.ask('record', PER_ROUND);
    const begun = performance.now();
    const before = application.mainThreadMicros();
    await delay(TURN_MS);
    const micros = application.mainThreadMicros() - before;
    const requests = ((performance.now() - begun) / 1_000) * Number(PER_SECOND);
    await recorded;
    return micros / requests;
  };

  const times = { stores: [], waits: [], elsewhere: [] };
  const rounds = FIRST_ROUNDS + Number(ROUNDS);
  let isOver = false;
  const sent = send((rounds * TURNS.length * TURN_MS * 1.8) / 1_000).finally(() => (isOver = true));
  for (let round = 0; round < rounds; round += 1) {
    // Whatever changes from turn to turn counts for each.
    const first = round % TURNS.length;
    for (const turn of [...TURNS.slice(first), ...TURNS.slice(0, first)]) {
      const micros = await measure(turn);
      if (round >= FIRST_ROUNDS) times[turn].push(micros);
    }
    if (isOver) throw new Error(`the requests ended after ${round} rounds`);
  }
  await holder.end();
  const { failed, keptUp } = await sent;
  if (failed > 0 || keptUp < 0.99) throw new Error(`${failed} requests failed; ${keptUp} were sent in time`);
  await application.ask('startProfile');
  const { answered } = await send(PROFILED_SECONDS);
  const profile = await application.ask('stopProfileOfThread');
  await application.ask('settle');
  await clients.end();
  for (const process of [application, other]) {
    await process.ask('close');
    await process.end();
  }
  const overWaits = (turn) => times[turn].map((micros, round) => micros - times.waits[round]);
  console.log(
    `${PER_SECOND} requests a second, ${ROUNDS} rounds of turns of ${TURN_MS} ms. The main thread takes for a request:\n` +
      `  ${show(figureOf(times.waits), 1, ' µs')} while its thread waits;\n` +
      `  ${meanOf(overWaits('stores'))} more while its thread stores and seals;\n` +
      `  ${meanOf(overWaits('elsewhere'))} more while another process does;\n` +
      `  ${(profile.thread / answered).toFixed(1)} µs of it, by a profile of ${PROFILED_SECONDS} s, for what it tells its thread and hears of it.`,
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
