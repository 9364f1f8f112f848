// The application is asked to end while requests come in.
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench } from '../bench.js';
import { gapsIn } from '../gaps.js';
import { expectLedger } from '../ledger.js';
import { healthy } from './outages.js';

const PER_SECOND = 150;
/** What ending takes beside delivery: open requests, the connection, the process itself. */
const MARGIN_MS = 3_000;

export function describeShutdown(bench: Bench): void {
  for (const [who, hooks] of [
    ['the library', false],
    ["Nest's shutdown hooks", true],
  ] as const) {
    bench.scenarioForEach(
      ['buffered', 'durable', 'strict'],
      `stores everything and ends in time at SIGTERM by ${who}`,
      60_000,
      async (mode) => {
        const shutdownTimeoutMs = 5_000;
        const application = await bench.create(mode, { shutdownTimeoutMs });
        await application.start({ hooks });
        await healthy(application);
        const load = application.clients(PER_SECOND);
        load.start();
        await delay(2_000);
        const { by, afterMs } = await application.end('SIGTERM');
        await load.stop();
        expect(by).toBe('SIGTERM');
        expect(afterMs).toBeLessThan(shutdownTimeoutMs + MARGIN_MS);
        expectLedger(application.account(), await application.stored());

        // Whoever comes next sees that this one ended in order.
        await application.start();
        const sources = await application.process.sources();
        const [first] = [...sources].sort((a, b) => a.source.localeCompare(b.source));
        expect(first).toMatchObject({ state: 'closed', gaps: [] });
        expect(gapsIn(sources)).toEqual([]);
      },
    );
  }

  bench.scenario(
    'ends in time at SIGTERM while its database is away, and delivers at the next start',
    60_000,
    async () => {
      const shutdownTimeoutMs = 1_000;
      const application = await bench.create('durable', { shutdownTimeoutMs });
      await application.start();
      await healthy(application);
      const load = application.clients(PER_SECOND);
      load.start();
      await delay(1_000);
      bench.server.pause();
      await delay(1_000);
      const { by, afterMs } = await application.end('SIGTERM');
      bench.server.resume();
      await load.stop();
      expect(by).toBe('SIGTERM');
      expect(afterMs).toBeLessThan(shutdownTimeoutMs + MARGIN_MS);
      await application.start();
      await application.settle();
    },
  );
}
