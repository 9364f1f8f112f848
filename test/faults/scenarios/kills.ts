// The application is killed, again and again, on one journal and one database.
import { setTimeout as delay } from 'node:timers/promises';
import type { Application } from '../application.js';
import type { Bench } from '../bench.js';
import { eventually } from '../eventually.js';
import type { Mode } from '../ledger.js';
import { COMMON, WITH_STRICT } from '../load.js';
import type { Load } from '../load.js';
import { say } from '../progress.js';
import { Random } from '../random.js';
import { perTier } from '../tier.js';

const KILLS = perTier(20, 5);
const PER_SECOND = 120;

/** Small, so that files end and are deleted all the time. */
const SMALL_SEGMENTS = { segmentKilobytes: 16, batchSize: 50, flushIntervalMs: 50 } as const;

/** The points of the journal's life, and how often one is passed at most before the process dies there. */
const POINTS: Readonly<Record<string, number>> = {
  'before-write': 200,
  'after-write': 200,
  'before-sync': 20,
  'after-sync': 20,
  'after-commit': 20,
  'before-rotate': 10,
  'after-rotate': 10,
  'before-remove': 10,
  'during-recovery': 2,
};

export function describeKills(bench: Bench): void {
  const { name } = bench.server;

  bench.scenarioForEach(
    ['durable', 'strict'],
    `loses and doubles nothing when it is killed at ${KILLS} random moments`,
    240_000,
    async (mode) => {
      const random = new Random(`moments ${mode}`);
      const { application, load } = await begin(bench, mode);
      for (let kill = 1; kill <= KILLS; kill += 1) {
        await application.start();
        await delay(random.integer(20, 1_200));
        expect((await application.end('SIGKILL')).by).toBe('SIGKILL');
        const events = await expectNothingTwice(application);
        if (kill % 5 === 0) say(`${name}, ${mode}: killed ${kill} times, ${events} events`);
      }
      await finish(application, load);
    },
  );

  bench.scenarioForEach(
    ['durable', 'strict'],
    "loses and doubles nothing when it is killed at each point of the journal's life",
    240_000,
    async (mode) => {
      const random = new Random(`points ${mode}`);
      const { application, load } = await begin(bench, mode);
      for (const [point, atMost] of Object.entries(POINTS)) {
        const count = random.integer(1, atMost);
        // The start after one death is the one that leads to the next.
        const dying = application.startToDie({ point, count });
        let by: unknown;
        void dying.ended.then((end) => (by = end));
        await eventually(`${point} (${count} times)`, 60_000, () => by !== undefined);
        expect({ point, count, by }).toEqual({ point, count, by: 'SIGKILL' });
        const events = await expectNothingTwice(application);
        say(`${name}, ${mode}: died ${point} (${count}), ${events} events`);
      }
      await finish(application, load);
    },
  );
}

/** An application that has made its tables; and clients that go on whether it is there or not. */
async function begin(bench: Bench, mode: Mode): Promise<{ application: Application; load: Load }> {
  const application = await bench.create(mode, SMALL_SEGMENTS);
  await application.start();
  await eventually('The health of the application', 60_000, async () => {
    const { healthy } = await application.process.status();
    return healthy && (await application.countStored());
  });
  await application.end('SIGKILL');
  const load = application.clients(PER_SECOND, mode === 'durable' ? WITH_STRICT : COMMON);
  load.start();
  return { application, load };
}

/** A look that costs little. Whether something is missing, only the end tells. */
async function expectNothingTwice(application: Application): Promise<number> {
  const { events, things } = await application.countStored();
  expect(events).toBe(things);
  return events;
}

async function finish(application: Application, load: Load): Promise<void> {
  await application.start();
  await load.stop();
  await application.settle();
}
