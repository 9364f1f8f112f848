// The same faults by each door: what is promised does not depend on the platform.
import { setTimeout as delay } from 'node:timers/promises';
import type { Application } from '../application.js';
import type { Bench } from '../bench.js';
import { eventually } from '../eventually.js';
import { DOORS } from '../faulted-process.js';
import type { Door } from '../faulted-process.js';
import { expectLedger } from '../ledger.js';
import type { Load } from '../load.js';
import { expectNoFailure, healthy } from './outages.js';

/** Five applications share the machine. */
const PER_SECOND = 20;
const LOADED_MS = 1_000;

export function describeDoors(bench: Bench): void {
  const create = (door: Door) => bench.create('durable', {}, { door });

  bench.scenarioForEach(
    DOORS,
    'loses and doubles nothing when it is killed, and tells of what it was killed in',
    60_000,
    async (door) => {
      const application = await create(door);
      const load = await begin(application);
      const open = await leaveOpen(application, load);
      expect((await application.end('SIGKILL')).by).toBe('SIGKILL');
      await load.stop();
      await application.start();
      await application.delivered();
      await expectInterrupted(application, open);
      await application.settle();
    },
  );

  bench.scenarioForEach(DOORS, 'stores everything at SIGTERM', 60_000, async (door) => {
    const application = await create(door);
    const load = await begin(application);
    const open = await leaveOpen(application, load);
    expect((await application.end('SIGTERM')).by).toBe('SIGTERM');
    await load.stop();
    expectLedger(application.account(), await application.stored());
    await expectInterrupted(application, open);
  });

  bench.scenarioForEach(
    DOORS,
    'answers while its database is away, from the start or later, and stores everything when it is back',
    60_000,
    async (door) => {
      const application = await create(door);
      await application.proxy.refuse();
      const without = await begin(application);
      await without.stop();
      expect((await application.process.status()).pending).toBeGreaterThanOrEqual(without.requests.length);
      await application.end('SIGKILL');
      await application.proxy.open();

      const load = await begin(application);
      await application.delivered();
      await application.proxy.refuse();
      await delay(LOADED_MS);
      await application.proxy.open();
      await healthy(application);
      await load.stop();
      for (const each of application.loads) expectNoFailure(application, each);
      await application.settle();
    },
  );
}

/** Starts it, with clients, and lets it work for a while. */
async function begin(application: Application): Promise<Load> {
  await application.start();
  const load = application.clients(PER_SECOND);
  load.start();
  await delay(LOADED_MS);
  await eventually('An answer', 20_000, () => load.requests.some(({ answered }) => answered));
  return load;
}

/** @returns the id of a request whose handler runs and never answers */
async function leaveOpen(application: Application, load: Load): Promise<string> {
  const id = `${application.database}-open`;
  void load.send('hanging', id);
  await eventually('The run of the handler', 10_000, () => application.ran.has(id));
  return id;
}

async function expectInterrupted(application: Application, id: string): Promise<void> {
  const events = (await application.stored()).filter(({ resourceId, metadata }) =>
    [resourceId, metadata['path']].some((text) => String(text).includes(id)),
  );
  expect(events).toMatchObject([{ outcome: 'partial', metadata: { interrupted: true } }]);
}
