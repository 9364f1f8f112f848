// What auditing costs a request: the same application bare, audited in several ways, and with what else there is.
import { join } from 'node:path';
import { AskedProcess } from './asked-process.mjs';
import { installRivals, rivalVersions } from './rivals.mjs';
import { figureOf } from './statistics.mjs';
import { Subject } from './subject.mjs';

const CONNECTIONS = 32;
/** Of the bare application's requests a second, where latencies are measured. */
const LOAD = 0.5;
/** The share of requests that has to be sent in time, for latencies to be of requests and not of a queue. */
const KEPT_UP = 0.97;
const PACKS = ['sox', 'gdpr', 'hipaa', 'pci-dss', 'iso-27001'];

/** By name: the options of the audit besides database and journal, or `other`. The first of each method is what others are compared with. */
const SUBJECTS = {
  bare: {},
  'empty interceptor': { other: true },
  'empty close hooks': { other: true },
  buffered: { options: { delivery: { mode: 'buffered' } } },
  durable: { options: {} },
  strict: { options: { delivery: { mode: 'strict' } } },
  'durable, in the main thread': { options: { delivery: { thread: false } } },
  'durable, not sealing': { options: { ledger: { seal: false } } },
  'durable, with the result': { options: { policy: [{ level: 'response', match: { path: '/**' } }] } },
  'durable, all of the pipeline': {
    options: {
      policy: [{ level: 'response', match: { path: '/**' } }],
      compliance: { packs: PACKS },
      risk: { businessHours: { timeZone: 'Europe/Berlin', from: '08:00', to: '18:00' } },
    },
  },
  'bare, POST': { method: 'POST' },
  'durable, POST': { method: 'POST', options: {} },
  'tutorial interceptor': { other: true, stores: true },
  '@kitstack/nest-powertools': { other: true, stores: true, isRival: true },
  '@forlagshuset/nestjs-audit-logging': { other: true, stores: true, isRival: true },
};
/** In a quick run. */
const FEW = [
  'bare',
  'empty interceptor',
  'empty close hooks',
  'buffered',
  'durable',
  'strict',
  'tutorial interceptor',
  '@kitstack/nest-powertools',
];

/** What the audit says of itself, as of events that it dropped, has numbers too. */
const COUNT = `SELECT count(CASE WHEN action NOT LIKE 'audit.%' THEN 1 END) AS events,
  count(DISTINCT sequence) AS numbers, coalesce(max(sequence), 0) AS last FROM audit_events`;
const COUNT_LOG = 'SELECT count(*) AS events, count(*) AS numbers, max(id) AS last FROM log_entry';

/**
 * @param {{ server: import('./servers.mjs').BenchServer, folder: string, rounds: number, seconds: number, quick: boolean,
 *   say: (line: string) => void, complain: (fault: string) => void }} run
 */
export async function measureRequests({ server, folder, rounds, seconds, quick, say, complain }) {
  const rivals = await installRivals(join(folder, 'rivals'));
  if (rivals.missing) say(`the rivals are not measured: ${rivals.missing}`);
  const missing = {};
  const subjects = [];
  for (const [name, what] of Object.entries(SUBJECTS)) {
    if (quick && !FEW.includes(name)) continue;
    try {
      if (what.isRival && rivals.missing) throw new Error(rivals.missing);
      subjects.push(await start(name, what, server, folder, rivals.folder));
    } catch (error) {
      if (!what.isRival) throw error;
      missing[name] = String(error.message).split('\n')[0];
      say(`${name} is not measured: ${missing[name]}`);
    }
  }
  const clients = new AskedProcess('clients.mjs', 'the process of the clients');
  for (let round = 0; round <= rounds; round += 1) {
    const paces = {};
    for (const subject of subjects) {
      // The bare one of the method comes first.
      const paceOf = (perSecond) => (paces[subject.method] ??= Math.max(1, Math.round(perSecond * LOAD)));
      const wrong = await subject.measure(round, clients, CONNECTIONS, seconds, paceOf);
      for (const one of wrong) {
        if (subject.isOurs) complain(`Round ${round}, ${subject.name}: ${one}. It does not count.`);
        else say(`round ${round}, ${subject.name}: ${one}`);
      }
      say(`round ${round} of ${rounds}, ${inBrief(subject, round)}`);
    }
  }
  await clients.end();
  for (const subject of subjects) {
    await subject.close();
    if (!subject.isOurs) continue;
    for (const one of await subject.compareStored(0)) complain(`After the end, ${subject.name}: ${one}.`);
  }
  const bareOf = (method) => subjects.find((subject) => subject.method === method);
  return {
    connections: CONNECTIONS,
    load: LOAD,
    rounds,
    seconds,
    rivals: rivalVersions(),
    missing,
    subjects: Object.fromEntries(
      subjects.map((subject) => [subject.name, summary(subject, bareOf(subject.method))]),
    ),
  };
}

async function start(name, { method = 'GET', options, other, stores }, server, folder, rivalFolder) {
  const database = options || stores ? await server.create() : undefined;
  const count = async () => {
    const [row] = await server.query(database, [options ? COUNT : COUNT_LOG]);
    return Object.fromEntries(Object.entries(row).map(([column, value]) => [column, Number(value)]));
  };
  const subject = new Subject(name, method, database && count, options !== undefined);
  const directory = join(folder, name.replaceAll(/\W+/g, '-'));
  const audited = options && { database, ...options, delivery: { directory, ...options.delivery } };
  await subject.start({ ...(other && { other: name, database, folder: rivalFolder }), options: audited });
  return subject;
}

function summary(subject, bare) {
  const of = (value) =>
    figureOf(
      pairs(subject, bare)
        .map(([own, its]) => value(own, its))
        .filter(Number.isFinite),
    );
  const each = (name) => of((own) => own[name]);
  const ratio = (name) => of((own, its) => own[name] / its[name]);
  const added = (name) => of((own, its) => own[name] - its[name]);
  return {
    method: subject.method,
    perSecond: each('perSecond'),
    mainMicros: each('mainMicros'),
    cpuMicros: each('cpuMicros'),
    memoryMiB: each('memoryMiB'),
    p50: each('p50'),
    p99: each('p99'),
    ratios: { perSecond: ratio('perSecond'), mainMicros: ratio('mainMicros'), cpuMicros: ratio('cpuMicros') },
    added: { mainMicros: added('mainMicros'), p50: added('p50'), p99: added('p99') },
    addedShare: of((own, its) => own.mainMicros / its.mainMicros - 1),
    expected: subject.storesNothing ? undefined : subject.answered,
    stored: subject.storesNothing ? undefined : subject.stored,
    roundsThatQueued: pairs(subject, subject).filter(([{ keptUp }]) => keptUp < KEPT_UP).length,
  };
}

/** The results of the rounds that count for both. The first warmed up. */
function pairs(subject, other) {
  return subject.results.flatMap((result, round) =>
    round > 0 && result && other.results[round] ? [[result, other.results[round]]] : [],
  );
}

function inBrief({ name, results }, round) {
  const result = results[round];
  if (!result) return `${name} does not count`;
  const { perSecond, mainMicros, cpuMicros, p99 } = result;
  return `${name}: ${perSecond.toFixed(0)}/s, main thread ${mainMicros.toFixed(0)} µs, process ${cpuMicros.toFixed(0)} µs, p99 ${p99.toFixed(1)} ms`;
}
