// Events that the database refuses for themselves, among others.
import { setTimeout as delay } from 'node:timers/promises';
import type { AuditDeadLetter } from 'nest-audit-trail';
import type { Bench } from '../bench.js';
import { gapsIn } from '../gaps.js';
import { expectLedger } from '../ledger.js';
import type { StoredEvent } from '../ledger.js';
import { expectNoFailure } from './outages.js';

const PER_SECOND = 100;
const OF_EACH = 5;

export function describePoison(bench: Bench): void {
  bench.scenario(
    'sets aside what the database refuses, and stores all the rest; and that too once it is taken',
    60_000,
    async () => {
      const { server } = bench;
      const application = await bench.create('durable', { flushIntervalMs: 50 }, { encoding: 'latin1' });
      const process = await application.start();
      await server.query(server.narrowTable, application.database);
      const load = application.clients(PER_SECOND);
      load.start();
      const recorded: string[] = [];
      const record = async (id: string, details: Record<string, unknown>) => {
        const { refused } = await process.recordOne(id, details);
        if (refused === undefined) recorded.push(id);
        // What is not recorded is said to be wrong with the event, nothing else.
        else expect({ id, refused }).toEqual({ id, refused: 'AUDIT_INVALID_EVENT' });
      };
      const refusedIds: string[] = [];
      const foreignIds: string[] = [];
      for (let index = 0; index < OF_EACH; index += 1) {
        const long = `long-${'x'.repeat(60)}-${index}`;
        expect(await load.send('create', long)).toMatchObject({ status: 201 });
        await record(`forbidden-${index}`, { state: 'forbidden' });
        await record(`foreign-${index}`, { text: '日本語' });
        await record(`raw-${index}`, { text: 'a\u0000b\ud800c\udfff' });
        await record(
          `keys-${index}`,
          Object.fromEntries(Array.from({ length: 1_000 }, (_, key) => [`key${key}`, 'x'.repeat(40)])),
        );
        refusedIds.push(long, `forbidden-${index}`);
        // What is not text at all becomes U+FFFD, and keys that are too many become U+2026: letters that are refused too.
        foreignIds.push(`foreign-${index}`, `raw-${index}`, `keys-${index}`);
      }
      await delay(1_000);
      await load.stop();
      expectNoFailure(application, load);
      await application.delivered();

      const letters = await process.deadLetters();
      expect(letters.map(({ event }) => event.resourceId).sort()).toEqual(
        [...refusedIds, ...foreignIds].sort(),
      );
      expect(letters.every(({ reason }) => reason.length > 0)).toBe(true);
      expectLedger(application.account({ recorded }), [
        ...(await application.stored()),
        ...letters.map(asStored),
      ]);
      expect(gapsIn(await process.sources())).toEqual([]);

      await server.query(server.widenTable, application.database);
      const stillRefused = server.widensEncoding ? [] : foreignIds.sort();
      expect(await process.replay()).toEqual({
        replayed: letters.length - stillRefused.length,
        refused: stillRefused.length,
      });
      const left = await process.deadLetters();
      expect(left.map(({ event }) => event.resourceId).sort()).toEqual(stillRefused);
      expectLedger(application.account({ recorded }), [
        ...(await application.stored()),
        ...left.map(asStored),
      ]);
      expect(gapsIn(await process.sources())).toEqual([]);
    },
  );
}

function asStored({ event }: AuditDeadLetter): StoredEvent {
  const { id, action, resourceId, outcome, details, metadata } = event;
  return { id, action, resourceId, outcome, details, metadata };
}
