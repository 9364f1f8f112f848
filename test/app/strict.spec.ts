// What strict mode and the overflow policies do to requests: the only things in the audit that ever refuse one. What they do to an answer that
// has begun, and route by route, is in test/doors/strict.spec.ts.
import type { DeliveryOptions } from 'nest-audit-trail';
import { rm, writeFile } from 'node:fs/promises';
import { eventually } from '../support/eventually.js';
import { send } from '../support/http-client.js';
import { removable } from '../support/removable-database.js';
import type { RemovableDatabase } from '../support/removable-database.js';
import { startThings } from '../support/things-app.js';
import type { ThingsApp } from '../support/things-app.js';
import { createDatabase, describeOnSqlite } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';

const UNAVAILABLE = { statusCode: 503, code: 'AUDIT_UNAVAILABLE', error: 'Service Unavailable' };

describeOnSqlite('strict delivery', (create) => {
  let database: TestDatabase;
  let store: RemovableDatabase | undefined;
  let app: ThingsApp | undefined;

  beforeEach(async () => {
    database = await create();
  });

  afterEach(async () => {
    await app?.close();
    app = undefined;
    await store?.release();
    store = undefined;
    await database.drop();
  });

  async function start(delivery: DeliveryOptions = {}, present = true): Promise<ThingsApp> {
    store = await removable(database, present);
    const options = {
      database: store.options,
      delivery: { mode: 'strict', directory: database.journal, shutdownTimeoutMs: 100, ...delivery },
    } as const;
    app = await store.start(() => startThings(options));
    return app;
  }

  it('answers once the event is committed', async () => {
    const { port, audit } = await start({ flushIntervalMs: 60_000 });
    for (let index = 0; index < 5; index += 1) {
      const id = `id-${index}`;
      const { status, body } = await send(port, { method: 'POST', path: `/things/${id}` });
      expect([status, body]).toEqual([201, JSON.stringify({ id })]);
      const { events } = await audit.find({ allTenants: true, resourceId: id });
      expect(events).toMatchObject([{ outcome: 'success', metadata: { statusCode: 201 } }]);
    }
    expect((await send(port, { path: '/nowhere' })).status).toBe(404);
    const { events } = await audit.find({ allTenants: true, action: 'http.request' });
    expect(events).toMatchObject([{ metadata: { statusCode: 404 } }]);
    // What the application itself records is committed too.
    const { id } = await audit.record({ action: 'thing.note' });
    expect(await audit.findById(id, { allTenants: true })).toBeDefined();
  });

  it('refuses before the handler while the database is away, records the refusal, and serves again', async () => {
    const { port, audit, handled } = await start({ strictTimeoutMs: 300 }, false);
    const refused = await send(port, { method: 'POST', path: '/things/refused' });
    expect(refused.status).toBe(503);
    expect(JSON.parse(refused.body)).toMatchObject({
      ...UNAVAILABLE,
      carriedOut: false,
      message: expect.any(String),
    });
    expect(handled).toEqual([]);
    await store!.restore();
    await eventually(async () =>
      expect((await send(port, { method: 'POST', path: '/things/served' })).status).toBe(201),
    );
    await audit.flush();
    const { events } = await audit.find({ allTenants: true, resourceId: 'refused' });
    expect(events).toMatchObject([
      {
        action: 'thing.create',
        outcome: 'failure',
        metadata: { statusCode: 503, stage: 'guard', errorName: 'ServiceUnavailableException' },
      },
    ]);
    expect((await audit.find({ allTenants: true, resourceId: 'served' })).events.at(0)).toMatchObject({
      outcome: 'success',
    });
  });

  it('withholds an answer whose event is not committed in time, and tells by an event of its own', async () => {
    const { port, audit, handled, gate } = await start({ strictTimeoutMs: 300 });
    const answer = send(port, { path: '/things/headed' });
    await gate.begun;
    await store!.remove();
    gate.open();
    const { status, headers, body } = await answer;
    expect(status).toBe(503);
    expect(JSON.parse(body)).toMatchObject({ ...UNAVAILABLE, carriedOut: true });
    expect(headers).toMatchObject({ 'content-type': 'application/json; charset=utf-8' });
    for (const name of ['etag', 'set-cookie', 'x-app']) expect(headers).not.toHaveProperty(name);
    // From now on it is known to be away.
    await eventually(() => expect(audit.status().lastError).toEqual(expect.any(String)));
    expect((await send(port, { method: 'POST', path: '/things/refused' })).status).toBe(503);
    expect(handled).toEqual([]);
    await expect(audit.record({ action: 'thing.note' })).rejects.toMatchObject({ code: 'AUDIT_UNAVAILABLE' });
    await store!.restore();
    await eventually(() => audit.flush());
    const { events } = await audit.find({ allTenants: true, action: 'thing.headed' });
    expect(events).toMatchObject([{ outcome: 'success', metadata: { statusCode: 200 } }]);
    const amended = await audit.find({ allTenants: true, action: 'audit.amend' });
    expect(amended.events).toMatchObject([
      { outcome: 'partial', details: { eventId: events[0]!.id, statusCode: 503, withheld: true } },
    ]);
    expect((await audit.find({ allTenants: true, action: 'thing.note' })).events).toHaveLength(1);
    expect((await audit.sources())[0]).toMatchObject({ gaps: [] });
  });

  it('refuses where the journal can not be written', async () => {
    const { port, audit, handled } = await start();
    await rm(database.journal, { recursive: true });
    await writeFile(database.journal, '');
    await eventually(() => expect(audit.status().journalError).toEqual(expect.any(String)));
    expect((await send(port, { method: 'POST', path: '/things/1' })).status).toBe(503);
    expect(handled).toEqual([]);
    await rm(database.journal);
    await eventually(async () =>
      expect((await send(port, { method: 'POST', path: '/things/2' })).status).toBe(201),
    );
  });
});

describe('overflow', () => {
  let database: TestDatabase;
  let store: RemovableDatabase;
  let app: ThingsApp | undefined;

  beforeEach(async () => {
    database = await createDatabase('sqlite');
    store = await removable(database, false);
  });

  afterEach(async () => {
    await app?.close();
    app = undefined;
    await store.release();
    await database.drop();
  });

  /** With room for some events and no more. */
  async function start(delivery: DeliveryOptions): Promise<ThingsApp> {
    const options = {
      database: store.options,
      delivery: { directory: database.journal, shutdownTimeoutMs: 0, ...delivery },
    };
    app = await store.start(() => startThings(options));
    return app;
  }

  const BOUNDS: [mode: string, bounds: DeliveryOptions][] = [
    ['buffered', { mode: 'buffered', maxBuffered: 40 }],
    ['durable', { mode: 'durable', maxJournalMegabytes: 1, segmentKilobytes: 64 }],
  ];

  async function fill({ audit }: ThingsApp): Promise<void> {
    const large = { text: 'x'.repeat(2_000) };
    while (audit.status().healthy || audit.status().dropped === 0) {
      await audit.record({ action: 'thing.fill', details: large }).catch(() => undefined);
    }
  }

  it.each(BOUNDS)('drops, counts and reports in %s mode', async (_mode, bounds) => {
    const { audit, port } = await start(bounds);
    await fill(app!);
    const before = audit.status();
    expect((await send(port, { path: '/things/1' })).status).toBe(200);
    expect(audit.status()).toMatchObject({
      pending: before.pending,
      dropped: before.dropped + 1,
      healthy: false,
    });
    await expect(audit.record({ action: 'too.many' })).rejects.toMatchObject({
      code: 'AUDIT_STORE_UNAVAILABLE',
    });
    await store.restore();
    await eventually(() => audit.flush());
    await eventually(async () => {
      await audit.flush();
      const { events } = await audit.find({ allTenants: true, action: 'audit.drop' });
      const dropped = before.dropped + 2;
      expect(events).toMatchObject([
        {
          severity: 'high',
          details: { dropped, firstSequence: before.pending + 1, lastSequence: before.pending + dropped },
        },
      ]);
      const [source] = await audit.sources();
      expect(source!.gaps).toEqual([{ from: before.pending + 1, to: before.pending + dropped }]);
    });
  });

  it.each(BOUNDS)('refuses requests before their handler in %s mode', async (_mode, bounds) => {
    const { port, handled, audit } = await start({ ...bounds, overflow: 'reject' });
    await fill(app!);
    const { status, body } = await send(port, { method: 'POST', path: '/things/1' });
    expect(status).toBe(503);
    expect(JSON.parse(body)).toMatchObject(UNAVAILABLE);
    expect(handled).toEqual([]);
    await store.restore();
    await eventually(() => audit.flush());
    await eventually(async () =>
      expect((await send(port, { method: 'POST', path: '/things/2' })).status).toBe(201),
    );
  });

  it.each(BOUNDS)('waits with the answer in %s mode', async (_mode, bounds) => {
    const { port, audit } = await start({ ...bounds, overflow: 'wait', overflowTimeoutMs: 20_000 });
    const large = { text: 'x'.repeat(2_000) };
    let waiting: Promise<unknown> | undefined;
    while (!waiting) {
      const recorded = audit.record({ action: 'thing.fill', details: large });
      if (!audit.status().healthy && audit.status().lastError === undefined) waiting = recorded;
      else if (await isPending(recorded)) waiting = recorded;
    }
    const answer = send(port, { path: '/things/1' });
    await store.restore();
    await eventually(() => audit.flush());
    await waiting;
    expect((await answer).status).toBe(200);
    await audit.flush();
    expect(audit.status()).toMatchObject({ dropped: 0 });
    expect((await audit.find({ allTenants: true, resourceId: '1' })).events).toHaveLength(1);
  });

  it('waits no longer than the time set, then drops', async () => {
    const { port, audit } = await start({
      mode: 'buffered',
      maxBuffered: 1,
      overflow: 'wait',
      overflowTimeoutMs: 50,
    });
    await audit.record({ action: 'thing.fill' });
    expect((await send(port, { path: '/things/1' })).status).toBe(200);
    await eventually(() => expect(audit.status()).toMatchObject({ pending: 1, dropped: 1 }));
  });

  it('wants a journal for a strict route', async () => {
    await expect(
      startThings({ database: store.options, delivery: { mode: 'buffered' } }, true),
    ).rejects.toMatchObject({
      code: 'AUDIT_INVALID_OPTIONS',
      field: 'delivery',
      message: expect.stringMatching(/ThingsController\.strict.*needs a journal/),
    });
  });
});

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  const turn = new Promise((resolve) => setImmediate(() => resolve(pending)));
  return (await Promise.race([promise, turn])) === pending;
}
