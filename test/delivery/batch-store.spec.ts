// Events that the database refuses for themselves: whatever becomes of them, the others are stored.
import type { AuditLogEvent } from 'nest-audit-trail';
import { BatchStore } from '../../src/delivery/batch-store.js';
import type { Entry } from '../../src/delivery/log-reader.js';
import { numbered } from '../support/audit-store.js';

const REFUSED = Object.assign(new Error('violates a check'), { code: '23514' });
const NO_TABLE = Object.assign(new Error('relation "audit_dead_letters" does not exist'), { code: '42P01' });
const AWAY = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });

function start(letterError: Error | undefined) {
  const stored: number[] = [];
  const refused: [number: number, isDead: boolean][] = [];
  const sink = {
    async store(events: readonly AuditLogEvent[]) {
      if (events.some(({ details }) => details['poison'])) throw REFUSED;
      return new Map<string, string>();
    },
    async keep() {
      if (letterError) throw letterError;
    },
  };
  const batches = new BatchStore(sink as never, (statement) => statement(new AbortController().signal), {
    stored: (entries) => stored.push(...entries.map(({ number }) => number)),
    refused: ({ number }, _code, isDead) => refused.push([number, isDead]),
  });
  return { batches, stored, refused };
}

/** The first of them is the one that the database refuses. */
function batchOf(count: number): Entry[] {
  return Array.from({ length: count }, (_, index) => {
    const id = `0198c0de-0000-7000-8000-00000000000${index}`;
    const event = { ...numbered(id, index + 1), details: { poison: index === 0 } };
    return { number: index + 1, event, bytes: 100 } as unknown as Entry;
  });
}

describe('a batch with an event that the database refuses', () => {
  it('is stored but for that event, which becomes a dead letter', async () => {
    const { batches, stored, refused } = start(undefined);
    await batches.store(batchOf(5));
    expect([stored, refused]).toEqual([[2, 3, 4, 5], [[1, true]]]);
  });

  it('is stored but for that event, also where the table of dead letters is gone', async () => {
    const { batches, stored, refused } = start(NO_TABLE);
    await batches.store(batchOf(5));
    expect([stored, refused]).toEqual([[2, 3, 4, 5], [[1, false]]]);
  });

  it('is stored but for that event, which is tried again, where the database goes away in the midst of it', async () => {
    const { batches, stored, refused } = start(AWAY);
    const batch = batchOf(5);
    await expect(batches.store(batch)).rejects.toBe(AWAY);
    expect([stored, refused, batch.map(({ number }) => number)]).toEqual([[2, 3, 4, 5], [], [1]]);
  });

  it('of one is tried again while nothing tells that dead letters alone are not taken', async () => {
    const { batches, refused } = start(NO_TABLE);
    const batch = batchOf(1);
    await expect(batches.store(batch)).rejects.toBe(NO_TABLE);
    expect([refused, batch.length]).toEqual([[], 1]);
  });
});

describe('a batch of which nobody can tell what is wrong', () => {
  it('has no dead letters where the database takes each event after all', async () => {
    const UNCLEAR = Object.assign(new Error('something'), { errno: 4711, sqlState: 'HY000' });
    let isInTrouble = true;
    const stored: number[] = [];
    const refused: number[] = [];
    const sink = {
      async store(_events: readonly AuditLogEvent[]) {
        if (isInTrouble) throw UNCLEAR;
        return new Map<string, string>();
      },
      keep: () => Promise.resolve(),
    };
    const batches = new BatchStore(sink as never, (statement) => statement(new AbortController().signal), {
      stored: (entries) => stored.push(...entries.map(({ number }) => number)),
      refused: ({ number }) => refused.push(number),
    });
    const batch = batchOf(4);
    for (let times = 0; times < 3; times += 1) await expect(batches.store(batch)).rejects.toBe(UNCLEAR);
    // The trouble ends while the batch is looked into, event by event.
    let statements = 0;
    const { store } = sink;
    sink.store = (events) => {
      statements += 1;
      isInTrouble = statements <= 3;
      return store(events);
    };
    await batches.store(batch);
    expect([stored.sort(), refused]).toEqual([[1, 2, 3, 4], []]);
  });
});
