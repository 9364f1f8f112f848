// Draining where an event that was released will never be stored, such as one whose line is damaged: whoever waits lets the process do
// other things meanwhile, so that the loop's next word can come.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Delivery } from '../../src/delivery/delivery.js';
import { DELIVERY_DEFAULTS } from '../../src/delivery/delivery-options.js';
import type { Loop, LoopHost } from '../../src/delivery/delivery-loop.js';
import type { LogNews, Progress } from '../../src/delivery/messages.js';
import { newEvent } from '../support/delivery-alone.js';

describe('a log with an event that is never stored', () => {
  it('is drained without keeping the process from anything else', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'audit-drain-'));
    const silent = { log: () => undefined, warn: () => undefined, error: () => undefined };
    let host!: LoopHost;
    let news: LogNews | undefined;
    // A thread that has read all, has not stored the event, and says nothing more.
    const loop = {
      whyNotReady: undefined,
      start: () => host.ready(),
      open: () => undefined,
      advance: (next: LogNews) => (news = next),
      close: () => undefined,
    } as unknown as Loop;
    const delivery = new Delivery(
      (given) => ((host = given), loop),
      {} as never,
      silent,
      { ...DELIVERY_DEFAULTS, directory },
      {} as never,
    );
    try {
      await delivery.open();
      delivery.resume();
      await new Promise((resolve) => setImmediate(resolve));
      const ticket = delivery.enter(newEvent())!;
      delivery.release(ticket);
      const drained = delivery.drain(200);
      await new Promise((resolve) => setImmediate(resolve));
      const { number: segment, size: position } = news!.segments.at(-1)!;
      const through = { segment, position };
      const old = { turn: news!.turn - 1, isIdle: true, settled: [], refused: [], stored: 0, losses: [] };
      host.progress({ ...old, through, needed: through } satisfies Progress);
      let hasTurned = false;
      setImmediate(() => (hasTurned = true));
      await drained;
      expect(hasTurned).toBe(true);
      expect(delivery.status().pending).toBe(1);
    } finally {
      delivery.abandon();
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
