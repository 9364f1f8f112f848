// How many events a second get through `record()` into the database, over what the driver alone could store of the same rows.
import { join } from 'node:path';
import { AskedProcess } from './asked-process.mjs';
import { figureOf } from './statistics.mjs';

const MODES = ['buffered', 'durable'];
/** Rows of one statement; the best of these counts. PostgreSQL takes 65,535 values, SQLite 32,766. */
const SIZES = {
  mysql: [500, 1_000, 2_000],
  postgres: [500, 1_000, 2_000],
  'better-sqlite3': [500, 1_000, 1_500],
};

/** @param {{ servers: import('./servers.mjs').BenchServer[], folder: string, rounds: number, events: number }} run */
export async function measureDatabase({ servers, folder, rounds, events, say, complain }) {
  const results = { events };
  for (const server of [...servers, undefined]) {
    const type = server?.kind ?? 'better-sqlite3';
    results[type] = await measureOne({ server, type, folder, rounds, events, say, complain });
  }
  return results;
}

async function measureOne({ server, type, folder, rounds, events, say, complain }) {
  const writers = {};
  const databases = {};
  for (const mode of MODES) {
    databases[mode] = server ? await server.create() : { type, database: join(folder, `${mode}.sqlite`) };
    writers[mode] = new AskedProcess('writer.mjs', `the writer (${type}, ${mode})`);
    const directory = join(folder, `record-${type}-${mode}`);
    // Without room for all of them at once, what is left over would be dropped; and nobody waits for it.
    const delivery = { mode, directory, maxBuffered: 1_000_000, maxBufferedMegabytes: 4_096 };
    await writers[mode].ask('open', { database: databases[mode], delivery });
  }
  const raw = new AskedProcess('writer.mjs', `the driver (${type})`);
  const perSecond = { buffered: [], durable: [], raw: [] };
  const ratios = { buffered: [], durable: [] };
  /** What the server's processor did for the events in `durable`, and for the rows of the driver. */
  const work = { audited: [], alone: [] };
  const micros = async () => (await server?.cpuMicros()) ?? Number.NaN;
  for (let round = 0; round <= rounds; round += 1) {
    const rates = {};
    let before = 0;
    for (const mode of MODES) {
      before = await micros();
      rates[mode] = events / ((await writers[mode].ask('record', events)) / 1_000);
    }
    // The last of the modes is `durable`; what it is to be sealed counts for it.
    await writers.durable.ask('seal');
    const audited = (await micros()) - before;
    if (round === 0) await raw.ask('openRaw', { database: databases.durable, count: events });
    const sizes = [];
    const beforeRaw = await micros();
    for (const size of SIZES[type]) sizes.push(events / ((await raw.ask('insertRaw', size)) / 1_000));
    const alone = ((await micros()) - beforeRaw) / SIZES[type].length;
    rates.raw = Math.max(...sizes);
    say(
      `round ${round} of ${rounds}, ${type}: ${Object.entries(rates)
        .map(([name, rate]) => `${name} ${rate.toFixed(0)}/s`)
        .join(', ')}`,
    );
    // The first warms up.
    if (round === 0) continue;
    for (const [name, rate] of Object.entries(rates)) perSecond[name].push(rate);
    for (const mode of MODES) ratios[mode].push(rates[mode] / rates.raw);
    if (!(audited > 0 && alone > 0)) continue;
    work.audited.push(audited);
    work.alone.push(alone);
  }
  const expected = events * (rounds + 1);
  const stored = {};
  await raw.ask('close');
  await raw.end();
  for (const mode of MODES) {
    await writers[mode].ask('close');
    await writers[mode].end();
    stored[mode] = await countEvents(server, databases[mode]);
    if (stored[mode] !== expected)
      complain(`${type}, ${mode}: ${expected} events recorded, ${stored[mode]} stored. It does not count.`);
  }
  const figures = (lists, bestOf) =>
    Object.fromEntries(Object.entries(lists).map(([name, values]) => [name, figureOf(values, bestOf(name))]));
  const most = (name) => Math.max(...perSecond[name]);
  return {
    perSecond: figures(perSecond, most),
    ratios: figures(ratios, (mode) => most(mode) / most('raw')),
    serverRatio: figureOf(
      work.audited.map((micros, round) => micros / work.alone[round]),
      Math.min(...work.audited) / Math.min(...work.alone),
    ),
    expected,
    stored,
  };
}

async function countEvents(server, database) {
  const statement = `SELECT count(*) AS events, count(DISTINCT id) AS different FROM audit_events WHERE action NOT LIKE 'audit.%'`;
  if (server) {
    const [{ events, different }] = await server.query(database, [statement]);
    return Number(events) === Number(different) ? Number(events) : Number.NaN;
  }
  const { default: Sqlite } = await import('better-sqlite3');
  const connection = new Sqlite(database.database, { readonly: true });
  try {
    return connection.prepare(statement).get().events;
  } finally {
    connection.close();
  }
}
