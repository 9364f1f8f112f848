// What auditing costs a request: the same application bare, audited in several ways, and with what else there is; on each platform.
import { join } from 'node:path';
import { AskedProcess } from './asked-process.mjs';
import { installPlatforms } from './platforms.mjs';
import { installRivals, rivalVersions } from './rivals.mjs';
import { figureOf } from './statistics.mjs';
import { Subject } from './subject.mjs';

const CONNECTIONS = 32;
/** Seconds of a profile. */
const PROFILED = 5;
/** Reserved (tcpmux), and nobody's on a machine of today. */
const NOBODY_LISTENS = 1;
/** Of what `durable` could answer in the round before: the pace at which latencies are measured. */
const LOAD = 0.5;
/** The share of requests that has to be sent in time, for latencies to be of requests and not of a queue. */
const KEPT_UP = 0.97;

/**
 * By name: the options of the audit besides database and journal, or `other`. With `away` there is no database, so that nothing is measured
 * after the journal's line. The first of each call is what others are compared with.
 */
const SUBJECTS = {
  bare: {},
  floor: { other: 'floor' },
  'to the journal': { options: {}, away: true },
  buffered: { options: { delivery: { mode: 'buffered' } } },
  durable: { options: {} },
  strict: { options: { delivery: { mode: 'strict' } } },
  'tutorial interceptor': { other: 'tutorial interceptor', stores: true },
  '@kitstack/nest-powertools': { other: '@kitstack/nest-powertools', stores: true, isRival: true },
  '@forlagshuset/nestjs-audit-logging': {
    other: '@forlagshuset/nestjs-audit-logging',
    stores: true,
    isRival: true,
  },
  'bare, POST': { call: 'POST' },
  'floor, POST': { call: 'POST', other: 'floor' },
  'to the journal, POST': { call: 'POST', options: {}, away: true },
  'durable, POST': { call: 'POST', options: {} },
  'bare, list': { call: 'list' },
  'durable, list': { call: 'list', options: {} },
  'bare, one row': { call: 'row' },
  'durable, one row': { call: 'row', options: {} },
};
/** What is profiled, where that is asked for. */
const PROFILES = ['bare', 'floor', 'to the journal'].flatMap((name) => [name, `${name}, POST`]);
/** In a quick run. */
const FEW = [
  'bare',
  'floor',
  'to the journal',
  'durable',
  'strict',
  'tutorial interceptor',
  'bare, one row',
  'durable, one row',
];

/** What the audit says of itself, as of events that it dropped, has numbers too. */
export const COUNT = `SELECT count(CASE WHEN action NOT LIKE 'audit.%' THEN 1 END) AS events,
  count(DISTINCT sequence) AS numbers, coalesce(max(sequence), 0) AS last FROM audit_events`;
const COUNT_LOG = 'SELECT count(*) AS events, count(*) AS numbers, max(id) AS last FROM log_entry';

/**
 * @param {{ server: import('./servers.mjs').BenchServer, folder: string, rounds: number, seconds: number, quick: boolean,
 *   platforms: readonly string[], say: (line: string) => void, complain: (fault: string) => void }} run
 */
export async function measureRequests({ folder, platforms, rounds, seconds, ...run }) {
  const results = {};
  for (const platform of await installPlatforms(platforms, folder)) {
    results[platform.name] = await measureOn(platform, { rounds, seconds, ...run });
  }
  return {
    connections: CONNECTIONS,
    load: LOAD,
    rounds,
    seconds,
    rivals: run.quick ? {} : rivalVersions(),
    platforms: results,
  };
}

async function measureOn(platform, { server, rounds, seconds, quick, profile, say, complain }) {
  const rivals = quick ? {} : await installRivals(join(platform.folder, 'rivals'), platform.folder);
  const missing = {};
  const subjects = [];
  for (const [name, what] of Object.entries(SUBJECTS)) {
    if (quick && !FEW.includes(name)) continue;
    try {
      if (what.isRival && rivals.missing) throw new Error(rivals.missing);
      subjects.push(await start(name, what, server, platform, rivals.folder));
    } catch (error) {
      if (!what.isRival) throw error;
      missing[name] = String(error.message).split('\n')[0];
      say(`${name} is not measured: ${missing[name]}`);
    }
  }
  const clients = new AskedProcess('clients.mjs', 'the process of the clients');
  /** By call: requests a second. */
  const paces = {};
  for (let round = 0; round <= rounds; round += 1) {
    for (const subject of subjects) {
      const paceOf = (perSecond) => Math.max(1, Math.round(paces[subject.call] ?? perSecond * LOAD));
      const wrong = await subject.measure(round, clients, CONNECTIONS, seconds, paceOf);
      for (const one of wrong) {
        if (subject.isOurs) complain(`Round ${round}, ${subject.name}: ${one}. It does not count.`);
        else say(`round ${round}, ${subject.name}: ${one}`);
      }
      say(`${platform.name}, round ${round} of ${rounds}, ${inBrief(subject, round)}`);
    }
    for (const { name, call, results } of subjects) {
      if (name.startsWith('durable') && results[round]) paces[call] = results[round].perSecond * LOAD;
    }
  }
  const profiles = profile ? await profilesOf(subjects, clients) : undefined;
  await clients.end();
  for (const subject of subjects) {
    await subject.close();
    if (!subject.isOurs) continue;
    for (const one of await subject.compareStored(0)) complain(`After the end, ${subject.name}: ${one}.`);
  }
  const bareOf = (call) => subjects.find((subject) => subject.call === call);
  return {
    node: platform.node,
    nest: platform.nest,
    missing,
    profiles,
    subjects: Object.fromEntries(
      subjects.map((subject) => [
        subject.name,
        summary(subject, bareOf(subject.call), floorOf(subject, subjects)),
      ]),
    ),
  };
}

/** Of subjects that have no database: by whose function it is, microseconds of the main thread for each request. */
async function profilesOf(subjects, clients) {
  const profiles = {};
  for (const subject of subjects) {
    if (!PROFILES.includes(subject.name)) continue;
    profiles[subject.name] = await subject.profile(clients, CONNECTIONS, PROFILED);
  }
  return profiles;
}

async function start(
  name,
  { call = 'GET', options, other, stores, away },
  server,
  { folder, ...platform },
  rivalFolder,
) {
  const created = options || stores ? await server.create() : undefined;
  const database = away ? { ...created, port: NOBODY_LISTENS } : created;
  const count = async () => {
    const [row] = await server.query(database, [options ? COUNT : COUNT_LOG]);
    return Object.fromEntries(Object.entries(row).map(([column, value]) => [column, Number(value)]));
  };
  const subject = new Subject(
    name,
    call,
    platform,
    server,
    away ? undefined : database && count,
    options !== undefined,
  );
  const directory = join(folder, name.replaceAll(/\W+/g, '-'));
  const audited = options && { database, ...options, delivery: { directory, ...options.delivery } };
  await subject.start({
    ...(other && { other, database, folder: rivalFolder, file: `${directory}.journal` }),
    ...(call === 'row' && { rows: await server.create() }),
    ...(away && { away }),
    options: audited,
  });
  return subject;
}

/** The floor of the same call, where it was measured. */
function floorOf({ call }, subjects) {
  return subjects.find((subject) => subject.call === call && subject.name.startsWith('floor'));
}

function summary(subject, bare, floor) {
  const rounds = pairs(subject, bare, floor);
  const best = [0, 1, 2].map((place) => bestOf(rounds.flatMap((results) => results[place] ?? [])));
  const of = (value) =>
    figureOf(rounds.map((results) => value(...results)).filter(Number.isFinite), value(...best));
  const each = (name) => of((own) => own[name]);
  const ratio = (name) => of((own, its) => own[name] / its[name]);
  const added = (name) => of((own, its) => own[name] - its[name]);
  return {
    call: subject.call,
    perSecond: each('perSecond'),
    mainMicros: each('mainMicros'),
    cpuMicros: each('cpuMicros'),
    databaseMicros: subject.storesNothing ? undefined : each('databaseMicros'),
    memoryMiB: each('memoryMiB'),
    p50: each('p50'),
    p99: each('p99'),
    ratios: { perSecond: ratio('perSecond') },
    added: { mainMicros: added('mainMicros'), cpuMicros: added('cpuMicros'), p99: added('p99') },
    overFloor:
      floor &&
      of((own, its, least) => (own.mainMicros - its.mainMicros) / (least.mainMicros - its.mainMicros)),
    expected: subject.storesNothing ? undefined : subject.answered,
    stored: subject.storesNothing ? undefined : subject.stored,
    roundsThatQueued: pairs(subject, subject).filter(([{ keptUp }]) => keptUp < KEPT_UP).length,
  };
}

/** The least of each figure of the rounds; of requests a second the most. */
function bestOf(results) {
  const of = (name) => results.map((result) => result[name]).filter(Number.isFinite);
  const least = ['mainMicros', 'cpuMicros', 'databaseMicros', 'memoryMiB', 'p50', 'p99'];
  return {
    perSecond: Math.max(...of('perSecond')),
    ...Object.fromEntries(least.map((name) => [name, Math.min(...of(name))])),
  };
}

/** The results of the rounds that count for all. The first warmed up. */
function pairs(subject, bare, floor) {
  return subject.results.flatMap((result, round) => {
    const all = [result, bare.results[round], floor?.results[round]];
    return round > 0 && result && all[1] && (!floor || all[2]) ? [all] : [];
  });
}

function inBrief({ name, results }, round) {
  const result = results[round];
  if (!result) return `${name} does not count`;
  const { perSecond, mainMicros, cpuMicros, p99 } = result;
  return `${name}: ${perSecond.toFixed(0)}/s, main thread ${mainMicros.toFixed(0)} µs, process ${cpuMicros.toFixed(0)} µs, p99 ${p99.toFixed(1)} ms`;
}
