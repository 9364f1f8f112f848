// The database is away, or in trouble, while requests come in: two applications of one server, a durable and a strict one.
import { setTimeout as delay } from 'node:timers/promises';
import type { Application } from '../application.js';
import type { Bench } from '../bench.js';
import { eventually } from '../eventually.js';
import { described, expectNothing, isRefusal } from '../ledger.js';
import type { Load } from '../load.js';
import { MemoryWatch } from '../memory.js';
import { say } from '../progress.js';
import { perTier } from '../tier.js';

const DURABLE_PER_SECOND = 200;
const STRICT_PER_SECOND = 100;
/** Both at one rate: until the memory of a process grows no more for that it serves requests. */
const WARM_UP_PER_SECOND = 300;
const WARM_UP_MS = perTier(12_000, 6_000);
const BEFORE_MS = perTier(2_000, 1_000);
const OUTAGE_MS = perTier(5_000, 3_500);
const PAUSE_MS = perTier(60_000, 6_000);
/** Until a strict application must know that its database is away: its first requests wait so long for their commit, and some. */
const STRICT_TIMEOUT_MS = 1_000;
const KNOWN_AFTER_MS = STRICT_TIMEOUT_MS + 2_000;
/** Of each outage, the last like the first. */
const MEMORY_LIMIT_MIB = 32;

interface Outage {
  readonly title: string;
  /** Whether it makes the database unable to take anything, so that strict requests are refused. */
  readonly away: boolean;
  /** What happens. Resolves when the database is well again; `mend` is called before anything is done for that. */
  readonly happen: (applications: readonly Application[], mend: () => void) => Promise<void>;
  readonly timeoutMs?: number;
}

export function describeOutages(bench: Bench): void {
  const { server } = bench;
  const outages: readonly Outage[] = [
    {
      title: 'is killed and started again',
      away: true,
      async happen(_applications, mend) {
        await server.kill();
        await delay(OUTAGE_MS);
        mend();
        await server.start();
      },
    },
    {
      title: 'is restarted in order',
      away: true,
      async happen(_applications, mend) {
        await server.stop();
        await delay(OUTAGE_MS);
        mend();
        await server.start();
      },
    },
    {
      title: `is silent for ${PAUSE_MS / 1_000} s`,
      away: true,
      timeoutMs: PAUSE_MS + 150_000,
      async happen(_applications, mend) {
        server.pause();
        await delay(PAUSE_MS);
        mend();
        server.resume();
      },
    },
    {
      title: 'refuses connections',
      away: true,
      async happen(applications, mend) {
        await Promise.all(applications.map(({ proxy }) => proxy.refuse()));
        await delay(OUTAGE_MS);
        mend();
        await Promise.all(applications.map(({ proxy }) => proxy.open()));
      },
    },
    {
      title: 'has no connection left',
      away: true,
      async happen(applications, mend) {
        await Promise.all(applications.map(({ proxy }) => proxy.refuse()));
        await server.exhaustConnections();
        await Promise.all(applications.map(({ proxy }) => proxy.open()));
        await delay(OUTAGE_MS);
        mend();
        server.releaseConnections();
      },
    },
    {
      title: 'is read-only',
      away: true,
      async happen(_applications, mend) {
        await server.setReadOnly(true);
        await delay(OUTAGE_MS);
        mend();
        await server.setReadOnly(false);
      },
    },
    {
      title: 'loses connections within a batch, and before it is heard that one is stored',
      away: false,
      async happen(applications) {
        await cutConnections(applications, 'insert', 3);
        await cutConnections(applications, 'answer', 3);
      },
    },
    {
      title: 'rolls back inserts for deadlocks',
      away: false,
      async happen(applications) {
        for (const { database } of applications) await server.provokeDeadlocks(database, 5);
      },
    },
    {
      title: 'answers slowly',
      away: false,
      async happen(applications) {
        for (const { proxy } of applications) proxy.delayAnswers(150);
        await delay(OUTAGE_MS);
        for (const { proxy } of applications) proxy.delayAnswers(0);
      },
    },
  ];
  afterAll(() => bench.endShared());

  for (const outage of outages) {
    bench.scenario(
      `goes on, and stores everything later, when its database ${outage.title}`,
      outage.timeoutMs ?? 120_000,
      () => endure(bench, outage),
    );
  }
}

/** Two applications, which live through all outages, as long as they do. */
interface Pair {
  readonly durable: Application;
  readonly strict: Application;
  readonly memory: readonly MemoryWatch[];
}

async function startPair(bench: Bench): Promise<Pair> {
  const durable = await bench.create('durable', { flushIntervalMs: 50 });
  const strict = await bench.create('strict', { flushIntervalMs: 50, strictTimeoutMs: STRICT_TIMEOUT_MS });
  const processes = await Promise.all([durable.start(), strict.start()]);
  await Promise.all([healthy(durable), healthy(strict)]);
  const memory = processes.map((process) => new MemoryWatch(process));
  const loads = [durable.clients(WARM_UP_PER_SECOND), strict.clients(WARM_UP_PER_SECOND)];
  for (const load of loads) load.start();
  await delay(WARM_UP_MS);
  await Promise.all(loads.map((load) => load.stop()));
  for (const watch of memory) await watch.compareFromNow();
  return { durable, strict, memory };
}

function startClients(durable: Application, strict: Application): [durable: Load, strict: Load] {
  const loads: [Load, Load] = [durable.clients(DURABLE_PER_SECOND), strict.clients(STRICT_PER_SECOND)];
  for (const load of loads) load.start();
  return loads;
}

async function endure(bench: Bench, { title, away, happen }: Outage): Promise<void> {
  const { durable, strict, memory } = await bench.shared(() => startPair(bench));
  const applications = [durable, strict];
  for (const watch of memory) await watch.lookAnew();
  const [durableLoad, strictLoad] = startClients(durable, strict);
  await delay(BEFORE_MS);

  const beganAt = performance.now();
  let mendingAt = Infinity;
  await happen(applications, () => (mendingAt = performance.now()));
  const mendedAt = performance.now();
  for (const application of applications) await healthy(application);
  // Those that are sent from now on must all succeed again.
  const wellAt = performance.now();
  await delay(1_000);
  await Promise.all([durableLoad.stop(), strictLoad.stop()]);
  for (const application of applications) await application.delivered();

  const grown = await Promise.all(memory.map((watch) => watch.grown()));
  const usualMs = durableLoad.medianMs(-Infinity, beganAt);
  const medianMs = durableLoad.medianMs(beganAt, mendedAt);
  say(
    `${bench.server.name} ${title}: ${seconds(mendedAt - beganAt)}, then ${seconds(wellAt - mendedAt)} until both are well; ` +
      `memory +${grown.map(({ resident, live }) => `${resident} (live ${live})`).join(' and +')} MiB; durable median ${medianMs.toFixed(1)} ms after ${usualMs.toFixed(1)} ms; ` +
      `strict refused ${strictLoad.requests.filter(isRefusal).length} of ${strictLoad.requests.length}`,
  );
  expectNoFailure(durable, durableLoad);
  expectNoFailure(strict, strictLoad, wellAt);
  if (away) expectRefusedBeforeHandler(strict, strictLoad, beganAt + KNOWN_AFTER_MS, mendingAt);
  for (const application of applications) await application.reconcile();
  for (const { resident } of grown) expect(resident).toBeLessThanOrEqual(MEMORY_LIMIT_MIB);
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

/** Whatever was sent and answered in this time was refused, and its handler did not run. */
export function expectRefusedBeforeHandler(
  application: Application,
  load: Load,
  from: number,
  to: number,
): void {
  const { ran } = application;
  const known = load.requests.filter(({ sentAt, endedAt }) => sentAt > from && (endedAt ?? Infinity) < to);
  expect(known.length).toBeGreaterThan(0);
  const wrong = known.filter((request) => !isRefusal(request) || ran.has(request.id));
  expectNothing('A request was not refused before its handler', described(wrong, ran));
}

/** Every request either did its work, and was answered so, or was refused and did nothing. */
export function expectRefusedOrServed(application: Application, load: Load): void {
  const { ran } = application;
  const wrong = load.failed.filter((request) => !isRefusal(request) || ran.has(request.id));
  expectNothing('A request was neither served nor refused before its handler', described(wrong, ran));
}

/** Whatever was sent since then was answered as by an application that is not audited. */
export function expectNoFailure(application: Application, load: Load, since = -Infinity): void {
  const failed = load.failed.filter(({ sentAt }) => sentAt > since);
  expectNothing('A request did not succeed', described(failed, application.ran));
}

/** Returns when the application says that it works as it should. */
export async function healthy({ mode, process }: Application): Promise<void> {
  await eventually(
    `The health of the ${mode} application`,
    60_000,
    async () => (await process.status()).healthy,
  );
}

async function cutConnections(
  applications: readonly Application[],
  at: 'insert' | 'answer',
  times: number,
): Promise<void> {
  const before = applications.map(({ proxy }) => proxy.cuts);
  for (const { proxy } of applications) proxy.cutAt(at, times);
  await eventually('Each cut', 60_000, () =>
    applications.every(({ proxy }, index) => proxy.cuts === before[index]! + times),
  );
}
