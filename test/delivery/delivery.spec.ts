// What delivery promises whatever its journal, its loop or its database do.
import { appendFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { vi } from 'vitest';
import { createEventId } from '../../src/event/event-id.js';
import { EventJournal } from '../../src/journal/event-journal.js';
import { Segment } from '../../src/journal/segment.js';
import type { Delivery } from '../../src/delivery/delivery.js';
import { AuditRecorder } from '../../src/recorder/audit-recorder.js';
import type { AuditLogEvent } from 'nest-audit-trail';
import { deliveryInto, journalDirectory, newEvent, ToldDatabase } from '../support/delivery-alone.js';
import { eventually } from '../support/eventually.js';

const LONG_MS = 60_000;
/** What a database says of an event that it never takes. */
const REFUSED = Object.assign(new Error('violates a check'), { code: '23514' });

describe('delivery', () => {
  let place: ReturnType<typeof journalDirectory>;
  let database: ToldDatabase;

  beforeEach(() => {
    place = journalDirectory();
    database = new ToldDatabase();
  });

  afterEach(() => {
    vi.restoreAllMocks();
    place.remove();
  });

  const journalOf = (delivery: Delivery) =>
    (delivery as unknown as { readonly log: { readonly journal: EventJournal } }).log.journal;
  const actions = () => database.stored.map(({ action }) => action);

  /** What an earlier process has left, which was killed. */
  async function leave(write: (journal: EventJournal) => void): Promise<string> {
    const journal = await EventJournal.open(place.directory, 8 * 1024 * 1024);
    write(journal);
    journal.abandon();
    return journal.source;
  }

  /** A line in the segment that is written to, which nobody can read. */
  function damage(delivery: Delivery): void {
    const { active } = journalOf(delivery);
    appendFileSync(active.path, 'damaged\n');
    active.size = statSync(active.path).size;
  }

  it('closes at once with more in memory than its loop is sent at a time', async () => {
    const options = { mode: 'buffered', flushIntervalMs: LONG_MS, shutdownTimeoutMs: LONG_MS } as const;
    const { delivery } = deliveryInto(database, options);
    await delivery.open();
    delivery.resume();
    for (let index = 0; index < 1_234; index += 1) delivery.release(delivery.enter(newEvent())!);
    await delivery.close();
    expect(database.stored).toHaveLength(1_234);
  });

  it('stores a full batch at once from memory, however large a batch may be', async () => {
    const options = { mode: 'buffered', flushIntervalMs: LONG_MS, batchSize: 5_000 } as const;
    const { delivery } = deliveryInto(database, options);
    await delivery.open();
    delivery.resume();
    for (let index = 0; index < 1_000; index += 1) delivery.release(delivery.enter(newEvent())!);
    await eventually(() => expect(database.stored).toHaveLength(1_000));
    await delivery.close();
  });

  it('tells by another event how an answer ended whose event was stored beside damage', async () => {
    const { delivery } = deliveryInto(database, { directory: place.directory });
    await delivery.open();
    delivery.resume();
    const ticket = delivery.enter(newEvent('thing.read'))!;
    damage(delivery);
    delivery.release(delivery.enter(newEvent())!);
    await delivery.flush();
    expect(actions()).toContain('thing.read');
    expect(delivery.release(ticket, { ...ticket.event, outcome: 'failure' })).toBe(false);
    await delivery.close();
    expect(delivery.status().pending).toBe(0);
  });

  it('reports damage once, however often its loop begins again', async () => {
    const { delivery, renew } = deliveryInto(database, { directory: place.directory });
    await delivery.open();
    delivery.resume();
    // Keeps the segment.
    delivery.enter(newEvent('thing.read'));
    const kept = journalOf(delivery).intents.begin('{}');
    damage(delivery);
    delivery.release(delivery.enter(newEvent())!);
    await delivery.flush();
    for (let times = 0; times < 2; times += 1) {
      renew();
      delivery.release(delivery.enter(newEvent())!);
      await delivery.flush();
    }
    delivery.cancel(kept);
    await delivery.close();
    expect(actions().filter((action) => action === 'audit.loss')).toHaveLength(1);
  });

  it('is healthy again once another loop has begun', async () => {
    const { delivery, renew } = deliveryInto(database, { mode: 'buffered' });
    await delivery.open();
    delivery.resume();
    renew();
    expect(delivery.status()).toMatchObject({ healthy: true });
    await delivery.close();
  });

  it('does not say that a source has ended whose journal another process has', async () => {
    const { delivery } = deliveryInto(database, { directory: place.directory });
    await delivery.open();
    delivery.resume();
    delivery.release(delivery.enter(newEvent())!);
    await delivery.flush();
    const { source } = journalOf(delivery);
    writeFileSync(join(place.directory, 'owner.2'), JSON.stringify({ pid: 1, host: 'another' }));
    await eventually(() => expect(delivery.status().journalError).toContain('another process'));
    await delivery.close();
    const own = database.notes.filter((note) => note.source === source);
    expect(own.map(({ kind }) => kind)).toEqual(['started']);
  });

  it('says what became of an earlier source as soon as there is a database, or at the next start', async () => {
    const source = await leave((journal) => {
      const event = { ...newEvent(), metadata: { source: journal.source, sequence: 1 } };
      journal.append('event', journal.nextNumber(), 1, JSON.stringify(event));
      journal.append('stored', 0, 0, '[[1,1]]');
      journal.append('closed', 0, 1, '{}');
    });
    const first = deliveryInto(database, { directory: place.directory });
    await first.delivery.open();
    // It has nothing to store, and is killed before there is a database.
    await new Promise((resolve) => setTimeout(resolve, 50));
    first.delivery.abandon();
    const second = deliveryInto(database, { directory: place.directory });
    await second.delivery.open();
    second.delivery.resume();
    await eventually(() => expect(database.notes).toContainEqual({ source, kind: 'closed', sequence: 1 }));
    await second.delivery.close();
    expect(readdirSync(place.directory).filter((name) => name.endsWith('.journal'))).toEqual([]);
  });

  it('reports once what an earlier process has dropped', async () => {
    const dropped = { count: 3, firstSequence: 1, lastSequence: 3 };
    await leave((journal) => {
      journal.append('dropped', 0, 3, JSON.stringify({ source: journal.source, ...dropped }));
    });
    for (let times = 0; times < 2; times += 1) {
      const { delivery } = deliveryInto(database, { directory: place.directory });
      await delivery.open();
      delivery.resume();
      await delivery.flush();
      delivery.abandon();
    }
    expect(actions()).toEqual(['audit.drop']);
    expect(database.stored[0]!.details).toMatchObject(dropped);
  });

  it('counts an event that could not be made, and its number is a gap that is reported', async () => {
    const { delivery } = deliveryInto(database, { directory: place.directory });
    await delivery.open();
    delivery.resume();
    const { riskScore: _score, ...begun } = newEvent();
    const intent = delivery.begin(begun);
    expect(delivery.enter(undefined, intent)).toBe(undefined);
    expect(delivery.status().dropped).toBe(1);
    const ticket = delivery.enter(newEvent())!;
    expect(ticket.event.metadata['sequence']).toBe(2);
    delivery.release(ticket);
    await eventually(() => expect(actions()).toEqual(['thing.create', 'audit.drop']));
    await delivery.close();
    expect(readdirSync(place.directory).filter((name) => name.endsWith('.journal'))).toEqual([]);
  });

  it('ends its loop where the application does not start', async () => {
    await leave((journal) => {
      const event = { ...newEvent(), metadata: { source: journal.source, sequence: 1 } };
      journal.append('event', journal.nextNumber(), 1, JSON.stringify(event));
    });
    let attempts = 0;
    database.store = () => {
      attempts += 1;
      return Promise.reject(Object.assign(new Error('not there'), { code: 'ECONNREFUSED' }));
    };
    const { delivery } = deliveryInto(database, { directory: place.directory });
    await delivery.open();
    delivery.resume();
    const flushed = delivery.flush();
    delivery.abandon();
    await expect(flushed).rejects.toMatchObject({ code: 'AUDIT_STORE_UNAVAILABLE' });
    const before = attempts;
    // Longer than until the first retry.
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(attempts - before).toBeLessThanOrEqual(1);
  });

  it('counts how long an event has waited here, whenever it began, in a backlog too', async () => {
    const { delivery } = deliveryInto(database, { directory: place.directory, batchSize: 1 });
    await delivery.open();
    delivery.resume();
    let answer!: () => void;
    database.answer = new Promise((resolve) => (answer = resolve));
    for (let timestamp = 1; timestamp <= 3; timestamp += 1)
      delivery.release(delivery.enter({ ...newEvent(), id: createEventId(timestamp), timestamp })!);
    const flushed = delivery.flush();
    expect(delivery.status().oldestPendingMs).toBeLessThan(LONG_MS);
    const store = database.store.bind(database);
    // Each time that one is stored, others wait.
    const waits: number[] = [];
    database.store = (events) => {
      waits.push(delivery.status().oldestPendingMs);
      return store(events);
    };
    answer();
    await flushed;
    expect(waits).toHaveLength(3);
    for (const wait of waits) expect(wait).toBeGreaterThan(0);
    expect(delivery.status()).toMatchObject({ pending: 0, oldestPendingMs: 0 });
    await delivery.close();
  });

  it('lets those who wait for room go on one after another, as there is room for them', async () => {
    const bounds = { maxBuffered: 10, overflow: 'wait', overflowTimeoutMs: LONG_MS } as const;
    const { delivery } = deliveryInto(database, { mode: 'buffered', batchSize: 10, ...bounds });
    await delivery.open();
    delivery.resume();
    let answer!: () => void;
    database.answer = new Promise((resolve) => (answer = resolve));
    const recorded = Array.from({ length: 35 }, async () => {
      const room = delivery.room();
      if (room) await room;
      const ticket = delivery.enter(newEvent());
      if (ticket) delivery.release(ticket);
      return ticket !== undefined;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    answer();
    expect(await Promise.all(recorded)).not.toContain(false);
    await delivery.close();
    expect(database.stored).toHaveLength(35);
    expect(delivery.status().dropped).toBe(0);
  });

  it('stores what somebody waits for while the log can not be read', async () => {
    const options = { mode: 'strict', directory: place.directory, strictTimeoutMs: 1_500 } as const;
    const { delivery } = deliveryInto(database, options);
    await delivery.open();
    delivery.resume();
    vi.spyOn(Segment.prototype, 'read').mockImplementation(() => {
      throw new Error('EMFILE: too many open files');
    });
    delivery.release(delivery.enter(newEvent('thing.read'))!);
    await expect(delivery.flush()).rejects.toMatchObject({ code: 'AUDIT_STORE_UNAVAILABLE' });
    // By then it waits long between two attempts.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(delivery.status()).toMatchObject({ healthy: false, lastError: expect.stringContaining('EMFILE') });
    await delivery.admit(true);
    expect(await delivery.commit(delivery.enter(newEvent('thing.create'))!)).toBe(true);
    expect(actions()).toEqual(['thing.create']);
    vi.restoreAllMocks();
    await delivery.flush();
    expect(actions()).toEqual(['thing.create', 'thing.read']);
    await eventually(() => expect(delivery.status()).toMatchObject({ healthy: true }));
    await delivery.close();
  });

  it('empties a full journal beside events that nobody takes, which it tries again, and counts once', async () => {
    const small = { maxJournalMegabytes: 1, segmentKilobytes: 64 } as const;
    const { delivery } = deliveryInto(database, { directory: place.directory, ...small });
    const store = database.store.bind(database);
    database.store = (events) =>
      events.some(({ action }) => action === 'thing.poison') ? Promise.reject(REFUSED) : store(events);
    database.keep = () => Promise.reject(REFUSED);
    await delivery.open();
    delivery.resume();
    void delivery.commit(delivery.enter(newEvent('thing.poison'))!);
    for (let next = delivery.enter(newEvent('thing.poison')); next; next = delivery.enter(newEvent()))
      delivery.release(next);
    await delivery.flush();
    expect(delivery.status()).toMatchObject({ pending: 0, dead: 2, healthy: false });
    const { now } = performance;
    let later = LONG_MS;
    vi.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + later);
    await eventually(() => expect(delivery.status().healthy).toBe(true));
    expect(delivery.status().pendingBytes).toBeLessThan(200_000);
    database.store = store;
    later += LONG_MS;
    await eventually(() => expect(actions().filter((action) => action === 'thing.poison')).toHaveLength(2));
    expect(delivery.status()).toMatchObject({ pending: 0, dead: 2 });
    await delivery.close();
    expect(readdirSync(place.directory).filter((name) => name.endsWith('.journal'))).toEqual([]);
  });

  it('keeps no more strict events in memory than it can while the database is away', async () => {
    const options = { mode: 'strict', directory: place.directory, strictTimeoutMs: LONG_MS } as const;
    const { delivery, host } = deliveryInto(database, options);
    await delivery.open();
    delivery.resume();
    database.answer = new Promise(() => undefined);
    host.away(new Error('away'));
    const answers = Array.from({ length: 6_000 }, () => delivery.commit(delivery.enter(newEvent())!));
    // Of the last, the answers need not wait.
    expect(await answers.at(-1)).toBe(false);
    expect(delivery.status().pending).toBe(6_000);
    const announced: AuditLogEvent[] = [];
    const listeners = { announce: (event: AuditLogEvent) => announced.push(event) };
    const recorder = new AuditRecorder(delivery, {} as never, {} as never, listeners as never);
    const last = recorder.enter(newEvent())!;
    await recorder.wait(last, true);
    recorder.release(last);
    expect(announced).toEqual([last.event]);
    delivery.abandon();
  });
});
