// The application starts on a journal that holds very many events, while requests come in.
import type { Bench } from '../bench.js';
import { say } from '../progress.js';
import { expectNoFailure } from './outages.js';
import { perTier } from '../tier.js';

const EVENTS = perTier(100_000, 20_000);
const PER_SECOND = 100;

export function describeBacklog(bench: Bench): void {
  bench.scenario(
    `delivers ${EVENTS.toLocaleString('en')} events that an earlier process left, and new ones`,
    240_000,
    async () => {
      const application = await bench.create('durable');
      await application.proxy.refuse();
      const writer = await application.start();
      await writer.record('left', EVENTS);
      await application.end('SIGKILL');
      await application.proxy.open();

      const beganAt = performance.now();
      const load = application.clients(PER_SECOND);
      await application.start();
      load.start();
      const listening = performance.now();
      await application.delivered(180_000);
      say(
        `${bench.server.name}: listens after ${((listening - beganAt) / 1_000).toFixed(1)} s, ` +
          `${EVENTS} events are delivered after ${((performance.now() - beganAt) / 1_000).toFixed(1)} s`,
      );
      await load.stop();
      expect(load.requests.length).toBeGreaterThan(0);
      expectNoFailure(application, load);
      const recorded = Array.from({ length: EVENTS }, (_, index) => `left-${index}`);
      await application.settle({ recorded });
    },
  );
}
