// What the journal on disk keeps, and how the next process takes it over. Killed processes and real outages are the
// fault suite's.
import { crc32 } from 'node:zlib';
import { Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { mkdir, open, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { readdirSync, readFileSync } from 'node:fs';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { join } from 'node:path';
import { AuditModule, AuditService } from 'nest-audit-trail';
import type { AuditLogEvent, AuditModuleOptions, DeliveryOptions } from 'nest-audit-trail';
import { detection } from 'nest-audit-trail/detection';
import { risk } from 'nest-audit-trail/risk';
import { complianceRules } from 'nest-audit-trail/rules';
import { AuditRuntime } from '../../src/engine/audit.runtime.js';
import { crash, segmentsOf } from '../support/crashed-journal.js';
import { eventually } from '../support/eventually.js';
import { abandon, dial, send } from '../support/http-client.js';
import { removable } from '../support/removable-database.js';
import type { RemovableDatabase } from '../support/removable-database.js';
import { startThings } from '../support/things-app.js';
import type { ThingsApp } from '../support/things-app.js';
import { createDatabase } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';

describe('the journal', () => {
  let database: TestDatabase;
  let store: RemovableDatabase;
  const apps: ThingsApp[] = [];

  beforeEach(async () => {
    database = await createDatabase('sqlite');
    store = await removable(database, false);
  });

  afterEach(async () => {
    await closeAll();
    await store.release();
    await database.drop();
    await rm(after(), { recursive: true, force: true });
  });

  const after = () => `${database.journal}-after`;

  async function start(
    delivery: DeliveryOptions = {},
    options: Pick<AuditModuleOptions, 'capture' | 'features' | 'ledger'> = {},
  ): Promise<ThingsApp> {
    const all = {
      ...options,
      database: store.options,
      delivery: { directory: database.journal, shutdownTimeoutMs: 0, ...delivery },
    };
    const app = await store.start(() => startThings(all));
    apps.push(app);
    return app;
  }

  /** Leaves what a crash at this moment would. Whoever has waited for the database is gone when it comes back. */
  async function kill(change: object = {}): Promise<void> {
    await crash(database.journal, after(), change);
    if (store.isAway) await closeAll();
  }

  async function closeAll(): Promise<void> {
    for (const app of apps.splice(0)) await app.close();
  }

  /** Starts on what a crash at this moment would leave, with the database there. */
  async function startAfterCrash(change: object = {}): Promise<ThingsApp> {
    await kill(change);
    await store.restore();
    const app = await start({ directory: after() });
    await eventually(() => app.audit.flush());
    return app;
  }

  async function eventsOf({ audit }: ThingsApp): Promise<AuditLogEvent[]> {
    const events: AuditLogEvent[] = [];
    for await (const event of audit.stream({ allTenants: true, order: 'oldest' })) events.push(event);
    return events;
  }

  /** As large as an event's may be, in parts that are not cut. */
  const largeDetails = (size: number) =>
    Object.fromEntries(
      Array.from({ length: size / 2_000 }, (_, index) => [`part ${index}`, 'x'.repeat(2_000)]),
    );

  /** Of the things whose events the journal has. */
  const idsIn = (directory: string) =>
    readdirSync(directory)
      .filter((name) => name.endsWith('.journal'))
      .flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n'))
      .filter((line) => / event /.test(line.slice(0, 16)))
      .map((line) => /"resourceId":"(\d+)"/.exec(line)?.[1] ?? '');

  const sequences = (events: readonly AuditLogEvent[]) =>
    events.map(({ metadata }) => metadata['sequence'] as number).sort((a, b) => a - b);

  it('is lines of text that a person can read, for the owner of the process alone', async () => {
    const app = await start();
    await app.audit.record({ action: 'thing.create', details: { name: 'Zoë 🧾' } });
    const [segment] = await segmentsOf(database.journal);
    expect((await stat(segment!)).mode & 0o777).toBe(0o600);
    expect((await stat(database.journal)).mode & 0o777).toBe(0o700);
    const lines = (await readFile(segment!, 'utf8')).trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    for (const line of lines) {
      expect(line.slice(0, 8)).toBe(crc32(line.slice(9)).toString(16).padStart(8, '0'));
    }
    expect(lines[0]).toMatch(
      /^[0-9a-f]{8} segment 1 0 \{"format":1,"source":"[0-9a-f-]{36}","sequence":0,"number":0\}$/,
    );
    expect(lines[1]).toMatch(/^[0-9a-f]{8} event 1 1 \{.*"name":"Zoë 🧾".*\}$/);
  });

  it('is empty once everything is stored and the source has ended', async () => {
    await store.restore();
    const app = await start({ shutdownTimeoutMs: 5_000 });
    await send(app.port, { path: '/things/1' });
    await apps.pop()!.close();
    expect(await segmentsOf(database.journal)).toEqual([]);
    const next = await start();
    const [source] = await next.audit.sources();
    expect(source).toMatchObject({ state: 'closed', firstSequence: 1, lastSequence: 1, gaps: [] });
  });

  it('says of a source that ended in order while its database was away that it has', async () => {
    const app = await start();
    await send(app.port, { path: '/things/1' });
    await apps.pop()!.close();
    await store.restore();
    const next = await start();
    await eventually(() => next.audit.flush());
    await eventually(async () => {
      const [own, ended] = await next.audit.sources();
      expect(own).toMatchObject({ state: 'open' });
      expect(ended).toMatchObject({ state: 'closed', firstSequence: 1, lastSequence: 1, gaps: [] });
    });
  });

  it('delivers what a crash left, under the same source, and goes on with its numbers', async () => {
    const app = await start();
    for (let index = 0; index < 20; index += 1) await send(app.port, { path: `/things/${index}` });
    const next = await startAfterCrash();
    await send(next.port, { path: '/things/20' });
    await next.audit.flush();
    const events = await eventsOf(next);
    expect(events.map(({ resourceId }) => resourceId)).toEqual(
      Array.from({ length: 21 }, (_, index) => `${index}`),
    );
    expect(sequences(events)).toEqual(Array.from({ length: 21 }, (_, index) => index + 1));
    expect(new Set(events.map(({ metadata }) => metadata['source'])).size).toBe(1);
    expect(await next.audit.sources()).toMatchObject([{ state: 'open', gaps: [], events: 21 }]);
  });

  it('begins a new source after the machine itself went down, and says that the old one did not end', async () => {
    const app = await start();
    await send(app.port, { path: '/things/1' });
    const next = await startAfterCrash({ boot: 'another' });
    await send(next.port, { path: '/things/2' });
    await next.audit.flush();
    expect(new Set((await eventsOf(next)).map(({ metadata }) => metadata['source'])).size).toBe(2);
    await eventually(async () =>
      expect((await next.audit.sources()).map(({ state }) => state).sort()).toEqual(['open', 'unclean']),
    );
  });

  it('does not deliver again what was stored before the crash', async () => {
    await store.restore();
    const app = await start();
    for (let index = 0; index < 5; index += 1) await app.audit.record({ action: 'thing.create' });
    await app.audit.flush();
    const next = await startAfterCrash();
    expect(next.audit.status()).toMatchObject({ pending: 0, delivered: 0 });
    expect(await eventsOf(next)).toHaveLength(5);
  });

  it.each<[what: string, change: (text: string[]) => string[], lost: number[]]>([
    ['in the middle', (lines) => lines.with(5, lines[5]!.replace('thing', 'thinG')), [5]],
    ['in two lines that follow each other', (lines) => lines.with(5, 'x').with(6, '\u0000\u0000'), [5, 6]],
    ['at the tail', (lines) => lines.with(-1, lines.at(-1)!.slice(0, 40)), [10]],
    ['at the head', (lines) => lines.with(0, lines[0]!.replace('segment', 'segmenT')), []],
  ])('keeps what is good where it is damaged %s, and tells what was lost', async (_where, change, lost) => {
    const app = await start();
    for (let index = 1; index <= 10; index += 1)
      await app.audit.record({ action: 'thing.create', resourceId: `${index}` });
    await kill();
    const [segment] = await segmentsOf(after());
    const lines = (await readFile(segment!, 'utf8')).trimEnd().split('\n');
    await writeFile(segment!, change(lines).join('\n') + (lost[0] === 10 ? '' : '\n'));
    await store.restore();
    const next = await start({ directory: after() });
    await eventually(() => next.audit.flush());
    const events = await eventsOf(next);
    const kept = events
      .filter(({ action }) => action === 'thing.create')
      .map(({ resourceId }) => Number(resourceId));
    expect(kept).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].filter((number) => !lost.includes(number)));
    const [loss, ...others] = events.filter(({ action }) => action === 'audit.loss');
    expect(others).toEqual([]);
    expect(loss).toMatchObject({
      severity: 'high',
      outcome: 'failure',
      details: { lines: Math.max(1, lost.length) },
    });
    expect(loss!.details['firstSequence']).toBe(lost[0]);
    expect(loss!.details['lastSequence']).toBe(lost.at(-1));
    expect(next.logged.filter((line) => line.includes('is damaged in'))).toHaveLength(1);
    const gaps = (await next.audit.sources()).flatMap((source) => source.gaps);
    expect(gaps).toEqual(lost.length === 0 ? [] : [{ from: lost[0], to: lost.at(-1) }]);
  });

  it('tells of a request that changes something and was interrupted, but of no other', async () => {
    const app = await start();
    const slow = [
      send(app.port, { method: 'POST', path: '/things/slow/unsafe' }),
      send(app.port, { path: '/things/streamed/begun' }),
      send(app.port, { method: 'POST', path: '/things/silent/unrecorded' }),
    ];
    await eventually(() => expect(app.handled).toHaveLength(3));
    await send(app.port, { method: 'POST', path: '/things/done' });
    await send(app.port, { path: '/nowhere' });
    await crash(database.journal, after());
    app.gate.open();
    await Promise.all(slow);
    await closeAll();
    await store.restore();
    const next = await start({ directory: after() });
    await eventually(() => next.audit.flush());
    const events = await eventsOf(next);
    const byId = (id: string) => events.filter(({ resourceId }) => resourceId === id);
    expect(byId('unsafe')).toMatchObject([
      {
        action: 'thing.slow',
        outcome: 'partial',
        metadata: { interrupted: true, handler: 'ThingsController.slow' },
      },
    ]);
    expect(byId('unsafe')[0]!.metadata).not.toHaveProperty('statusCode');
    expect(byId('unsafe')[0]!.metadata).not.toHaveProperty('durationMs');
    expect(byId('begun')).toMatchObject([{ outcome: 'partial', metadata: { interrupted: true } }]);
    expect(byId('unrecorded')).toEqual([]);
    expect(byId('done')).toMatchObject([{ outcome: 'success' }]);
    expect(events).toHaveLength(4);
    expect(sequences(events)).toEqual([1, 2, 3, 4]);
  });

  it('says of what a crash left what is so, and warns of nothing, with features that judge it', async () => {
    const options = {
      capture: { resolve: { user: () => 'ann' } },
      features: [risk(), detection(), complianceRules({ packs: ['sox'] })],
    } as const;
    const app = await start({}, options);
    const slow = send(app.port, { method: 'POST', path: '/things/slow/unsafe' });
    await app.gate.begun;
    await crash(database.journal, after());
    app.gate.open();
    await slow;
    await closeAll();
    await store.restore();
    const next = await start({ directory: after() }, options);
    await eventually(() => next.audit.flush());
    expect(await eventsOf(next)).toContainEqual(
      expect.objectContaining({ userId: 'ann', outcome: 'partial', resourceId: 'unsafe' }),
    );
    expect(next.warned).toEqual([]);
    expect(next.logged).toContainEqual(expect.stringContaining('1 interrupted request(s)'));
  });

  it('knows what became of an answer after it was ready, also after a crash', async () => {
    const app = await start();
    const left = abandon(app.port, { path: '/things/large' }, 'answering');
    await left.gone;
    await eventually(() => expect(app.audit.status().pending).toBe(1));
    const next = await startAfterCrash();
    expect(await eventsOf(next)).toMatchObject([
      { outcome: 'partial', metadata: { aborted: true, statusCode: 200, sequence: 1 } },
    ]);
  });

  it('keeps a long backlog on the disk, and delivers each event once, in order', async () => {
    const app = await start({ segmentKilobytes: 64 });
    const { audit } = app;
    const count = 6_000;
    for (let index = 0; index < count; index += 1)
      await audit.record({ action: 'thing.create', resourceId: `${index}` });
    // Meanwhile a client leaves an answer whose event is on the disk alone.
    await abandon(app.port, { path: '/things/large' }, 'answering').gone;
    await eventually(() => expect(audit.status().pending).toBe(count + 1));
    expect((await segmentsOf(database.journal)).length).toBeGreaterThan(30);
    await store.restore();
    await eventually(() => audit.flush());
    expect(audit.status()).toMatchObject({ pending: 0, delivered: count + 1, healthy: true });
    const events = await eventsOf(app);
    expect(sequences(events)).toEqual(Array.from({ length: count + 1 }, (_, index) => index + 1));
    expect(events.filter(({ metadata }) => metadata['aborted'] === true)).toHaveLength(1);
    // What is stored is deleted.
    expect(await segmentsOf(database.journal)).toHaveLength(1);
  });

  it('stores the event of an answer that does not leave, and tells by another one what became of it', async () => {
    await store.restore();
    const app = await start({ segmentKilobytes: 64 });
    const { audit } = app;
    const socket = await dial(app.port);
    // It reads nothing.
    socket.pause();
    socket.write('GET /things/large HTTP/1.1\r\nHost: x\r\n\r\n');
    await eventually(async () =>
      expect(await readFile((await segmentsOf(database.journal)).at(-1)!, 'utf8')).toMatch(/ event \d+ 1 /),
    );
    await audit.flush();
    expect(await eventsOf(app)).toEqual([]);
    for (let index = 0; index < 1_000; index += 1) await audit.record({ action: 'thing.create' });
    const [slow] = await eventually(async () => {
      const { events } = await audit.find({ allTenants: true, action: 'thing.large' });
      expect(events).toMatchObject([{ outcome: 'success', metadata: { sequence: 1, statusCode: 200 } }]);
      return events;
    });
    // What it keeps no longer is deleted.
    await eventually(async () => expect(await segmentsOf(database.journal)).toHaveLength(1));
    expect(audit.status().pending).toBe(0);
    socket.destroy();
    await eventually(async () => {
      const { events } = await audit.find({ allTenants: true, action: 'audit.amend' });
      expect(events).toMatchObject([{ details: { eventId: slow!.id, aborted: true }, outcome: 'partial' }]);
    });
  });

  it('is held up by no client that reads one byte a second for an hour', async () => {
    await store.restore();
    const app = await start({ segmentKilobytes: 64 });
    const socket = await dial(app.port);
    socket.pause();
    socket.write('GET /things/large HTTP/1.1\r\nHost: x\r\n\r\n');
    await eventually(async () =>
      expect(await readFile((await segmentsOf(database.journal)).at(-1)!, 'utf8')).toMatch(/ event \d+ 1 /),
    );
    // The clock of the process is made fast: a second of the client's is one of its turns.
    let passedMs = 0;
    const now = performance.now.bind(performance);
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + passedMs);
    try {
      for (let second = 1; second <= 3_600; second += 1) {
        passedMs += 1_000;
        socket.read(1);
        if (second % 900 > 0) continue;
        expect((await send(app.port, { path: `/things/${second}` })).status).toBe(200);
        await app.audit.flush();
        const { events } = await app.audit.find({ allTenants: true, resourceId: `${second}` });
        expect(events).toHaveLength(1);
        const slow = () => app.audit.find({ allTenants: true, action: 'thing.large' });
        // By then its own event is stored as well, once.
        await eventually(async () => expect((await slow()).events).toMatchObject([{ outcome: 'success' }]));
      }
    } finally {
      clock.mockRestore();
    }
    expect(app.audit.status()).toMatchObject({ pending: 0, delivered: 5, healthy: true });
    await eventually(async () => expect(await segmentsOf(database.journal)).toHaveLength(1));
    socket.destroy();
  });

  it('recovers a long backlog while new events arrive', async () => {
    const app = await start({ segmentKilobytes: 64 });
    for (let index = 0; index < 5_000; index += 1) await app.audit.record({ action: 'old.event' });
    await kill();
    await store.restore();
    const next = await start({ directory: after() });
    for (let index = 0; index < 500; index += 1) await next.audit.record({ action: 'new.event' });
    await next.audit.flush();
    const events = await eventsOf(next);
    expect(sequences(events)).toEqual(Array.from({ length: 5_500 }, (_, index) => index + 1));
  });

  it('belongs to one application, and tells a second one what to write', async () => {
    await start();
    const before = readdirSync(database.journal);
    await expect(start()).rejects.toMatchObject({
      code: 'AUDIT_INVALID_OPTIONS',
      field: 'delivery.directory',
      message: expect.stringMatching(/belongs to an application of this very process.*audit-journal-2/),
    });
    expect(readdirSync(database.journal)).toEqual(before);
  });

  it('is given back by an application that closes while it starts', async () => {
    await mkdir(database.journal, { mode: 0o700 });
    // Of another machine: whether it lives, only time tells.
    await writeFile(
      join(database.journal, 'owner.1'),
      JSON.stringify({ pid: 1, host: 'another', boot: 'another' }),
    );
    const audit = { database: { type: 'better-sqlite3', database: ':memory:' } } as const;
    const delivery = { mode: 'durable', directory: database.journal } as const;
    const before = process.listenerCount('SIGTERM');
    const runtime = new AuditRuntime({ ...audit, delivery }, { log: vi.fn(), warn: vi.fn(), error: vi.fn() });
    const started = runtime.start();
    await runtime.close();
    await started;
    expect(process.listenerCount('SIGTERM')).toBe(before);
    const app = await start();
    expect(app.audit.status().journalError).toBeUndefined();
  });

  it('is given back by a start that fails late', async () => {
    await store.restore();
    const own = { type: 'better-sqlite3', database: ':memory:', entityPrefix: 'a b' } as const;
    await expect(start({}, { ledger: { database: own } })).rejects.toMatchObject({
      code: 'AUDIT_INVALID_OPTIONS',
      field: 'ledger.database.entityPrefix',
    });
    const ended = vi.fn();
    const late = {
      name: 'late',
      run: () => ({
        start: () => {
          throw new Error('too late');
        },
        close: () => Promise.resolve(ended()),
      }),
    };
    await expect(start({}, { features: [late] })).rejects.toThrow('too late');
    expect(ended).toHaveBeenCalledOnce();
    const { audit } = await start();
    expect(audit.status()).toMatchObject({ healthy: true });
  });

  it('tells where it can not be', async () => {
    await writeFile(database.journal, 'a file');
    await expect(start()).rejects.toMatchObject({
      code: 'AUDIT_INVALID_OPTIONS',
      field: 'delivery.directory',
      message: expect.stringContaining(database.journal),
    });
  });

  it('is written again where somebody deletes it', async () => {
    const app = await start();
    for (let index = 0; index < 3; index += 1) await app.audit.record({ action: 'thing.create' });
    await rm(database.journal, { recursive: true });
    await eventually(() => expect(app.logged.some((line) => line.includes('is written again'))).toBe(true));
    await app.audit.record({ action: 'thing.create' });
    const next = await startAfterCrash();
    expect(sequences(await eventsOf(next))).toEqual([1, 2, 3, 4]);
  });

  it('goes on in memory where it can not be written, and on the disk when it can', async () => {
    const app = await start();
    await app.audit.record({ action: 'thing.create' });
    await rm(database.journal, { recursive: true });
    // A file in its place, so that it can't be made anew.
    await writeFile(database.journal, '');
    await eventually(() => expect(app.audit.status().journalError).toEqual(expect.any(String)));
    expect(app.audit.status().healthy).toBe(false);
    for (let index = 0; index < 3; index += 1) {
      expect((await send(app.port, { path: '/things/1' })).status).toBe(200);
    }
    await rm(database.journal);
    await eventually(() => expect(app.audit.status().journalError).toBeUndefined());
    await eventually(async () =>
      expect(await readFile((await segmentsOf(database.journal)).at(-1)!, 'utf8')).toMatch(/ event 4 /),
    );
    const next = await startAfterCrash();
    // What only memory had is numbered by itself: a crash would have taken these numbers with it.
    const events = await eventsOf(next);
    expect(sequences(events)).toEqual([1, 1, 2, 3]);
    expect(new Set(events.map(({ metadata }) => metadata['source'])).size).toBe(2);
    expect((await next.audit.sources()).flatMap(({ gaps }) => gaps)).toEqual([]);
  });

  it('learns that a request has ended which it could not be told of', async () => {
    await store.restore();
    const app = await start({ shutdownTimeoutMs: 5_000 });
    const answer = send(app.port, { method: 'POST', path: '/things/slow/1' });
    await app.gate.begun;
    await rm(database.journal, { recursive: true });
    await writeFile(database.journal, '');
    await eventually(() => expect(app.audit.status().journalError).toEqual(expect.any(String)));
    app.gate.open();
    expect((await answer).status).toBe(201);
    await app.audit.flush();
    await rm(database.journal);
    await eventually(async () =>
      expect(await readFile((await segmentsOf(database.journal)).at(-1)!, 'utf8')).toMatch(/ void \d/),
    );
    const next = await startAfterCrash();
    await next.audit.record({ action: 'thing.note' });
    await next.audit.flush();
    expect((await eventsOf(next)).map(({ action }) => action)).toEqual(['thing.slow', 'thing.note']);
    expect((await next.audit.sources()).flatMap(({ gaps }) => gaps)).toEqual([]);
  });

  it('waits for the disk before each answer where it is asked to', async () => {
    const app = await start({ fsync: 'always' });
    // What was written when a sync that has ended began, is on the disk.
    const onDisk = new Set<string>();
    let written: string[] = [];
    let syncs = 0;
    const watch = (message: unknown) => {
      const { point } = message as { point: string };
      if (point === 'before-sync') written = idsIn(database.journal);
      if (point === 'after-sync') written.forEach((id) => onDisk.add(id));
      if (point === 'after-sync') syncs += 1;
    };
    subscribe('nest-audit-trail:journal', watch);
    try {
      const answers = await Promise.all(
        Array.from({ length: 50 }, async (_, index) => {
          const { status } = await send(app.port, { method: 'POST', path: `/things/${index}` });
          return { status, safe: onDisk.has(`${index}`) };
        }),
      );
      expect(answers).toEqual(Array.from({ length: 50 }, () => ({ status: 201, safe: true })));
    } finally {
      unsubscribe('nest-audit-trail:journal', watch);
    }
    // Answers that are ready at the same time share one.
    expect(syncs).toBeLessThan(50);
    const next = await startAfterCrash();
    expect(await eventsOf(next)).toHaveLength(50);
  });

  it('keeps numbers apart where several sources left events in it', async () => {
    const app = await start();
    for (let index = 0; index < 3; index += 1) await app.audit.record({ action: 'first.source' });
    await kill({ boot: 'another' });
    const second = await start({ directory: after() });
    for (let index = 0; index < 4; index += 1) await second.audit.record({ action: 'second.source' });
    const third = `${after()}-third`;
    await crash(after(), third, { boot: 'yet another' });
    await closeAll();
    await store.restore();
    const last = await start({ directory: third });
    await last.audit.record({ action: 'third.source' });
    await eventually(() => last.audit.flush());
    const events = await eventsOf(last);
    const of = (action: string) => sequences(events.filter((event) => event.action === action));
    expect([of('first.source'), of('second.source'), of('third.source')]).toEqual([
      [1, 2, 3],
      [1, 2, 3, 4],
      [1],
    ]);
    await apps.pop()!.close();
    await rm(third, { recursive: true, force: true });
  });

  it('finds a directory that somebody made for it', async () => {
    await mkdir(database.journal);
    await store.restore();
    const app = await start();
    await app.audit.record({ action: 'thing.create' });
    await app.audit.flush();
    expect(await eventsOf(app)).toHaveLength(1);
    expect(join(database.journal, 'owner.1')).toBe(
      join(database.journal, readdirSync(database.journal).sort().at(-1)!),
    );
  });

  it('has no secret in it, of requests that have begun either', async () => {
    const app = await start({}, { capture: { body: true, query: true } });
    const secret = 'correct-horse-battery';
    const slow = send(app.port, {
      method: 'POST',
      path: `/things/slow/1?token=${secret}`,
      headers: { authorization: `Bearer ${secret}`, cookie: `session=${secret}` },
      body: JSON.stringify({ password: secret, name: 'kept' }),
    });
    await eventually(() => expect(app.handled).toEqual(['1']));
    app.gate.open();
    await slow;
    const [segment] = await segmentsOf(database.journal);
    const text = await readFile(segment!, 'utf8');
    expect(text.match(/ intent /g)).toHaveLength(1);
    expect(text).toContain('"body.name":"kept"');
    expect(text).not.toContain(secret);
  });

  it('gives no number away again that it knows only from what is stored', async () => {
    const app = await start();
    for (let index = 0; index < 3; index += 1) await app.audit.record({ action: 'first.process' });
    const second = await startAfterCrash();
    // Of its files, all that is left says that three are stored.
    await eventually(() => expect(second.audit.status().pending).toBe(0));
    const third = `${after()}-third`;
    const fourth = `${after()}-fourth`;
    await crash(after(), third);
    await store.remove();
    const next = await start({ directory: third });
    for (let index = 0; index < 2; index += 1) await next.audit.record({ action: 'third.process' });
    await crash(third, fourth);
    await store.release();
    const last = await start({ directory: fourth });
    await eventually(() => last.audit.flush());
    expect(sequences(await eventsOf(last))).toEqual([1, 2, 3, 4, 5]);
    for (const ended of apps.splice(-2)) await ended.close();
    for (const directory of [third, fourth]) await rm(directory, { recursive: true, force: true });
  });

  it('keeps apart what was recorded before it was open, and what it had', async () => {
    const app = await start();
    for (let index = 0; index < 3; index += 1) await app.audit.record({ action: 'old.event' });
    await kill();
    await store.restore();

    @Injectable()
    class Early {
      constructor(audit: AuditService) {
        for (let index = 0; index < 2; index += 1) void audit.record({ action: 'early.event' });
      }
    }
    const { options } = database;
    const delivery = { directory: after() };
    @Module({ imports: [AuditModule.forRoot({ database: options, delivery })], providers: [Early] })
    class EarlyModule {}
    const next = await NestFactory.createApplicationContext(EarlyModule, { logger: false });
    const audit = next.get(AuditService);
    await audit.record({ action: 'new.event' });
    await audit.flush();
    const { events } = await audit.find({ allTenants: true });
    await next.close();
    const count = (action: string) => events.filter((event) => event.action === action).length;
    expect(['old.event', 'early.event', 'new.event'].map(count)).toEqual([3, 2, 1]);
    expect(sequences(events)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('knows of no request that ended before its handler wrote', async () => {
    const app = await start();
    const socket = await dial(app.port);
    socket.write('GET /things/late/1 HTTP/1.1\r\nHost: x\r\n\r\n');
    await app.gate.begun;
    socket.destroy();
    await eventually(() => expect(app.audit.status().pending).toBe(1));
    app.gate.open();
    await send(app.port, { path: '/things/2' });
    const [segment] = await segmentsOf(database.journal);
    expect(await readFile(segment!, 'utf8')).not.toContain(' intent ');
    const next = await startAfterCrash();
    const events = await eventsOf(next);
    expect(sequences(events)).toEqual([1, 2]);
    expect(events[0]).toMatchObject({ outcome: 'partial', metadata: { aborted: true } });
  });

  it('makes room again with a bound that is smaller than one of its files', async () => {
    await store.restore();
    const { audit } = await start({ maxJournalMegabytes: 1 });
    const details = largeDetails(4_000);
    for (let index = 0; index < 400; index += 1) {
      await audit.record({ action: 'thing.create', details });
      if (index % 50 === 0) await audit.flush();
    }
    await audit.flush();
    expect(audit.status()).toMatchObject({ healthy: true, dropped: 0, delivered: 400 });
    expect(audit.status().pendingBytes).toBeLessThan(512 * 1024);
  });

  it.each<[where: string, lost: number, damage: 'byte' | 'end']>([
    ['in its last line', 200, 'byte'],
    ['where a file of it is cut off', 0, 'end'],
  ])('tells once of damage that it meets while it runs, %s', async (_where, lost, damage) => {
    const app = await start({ segmentKilobytes: damage === 'end' ? 500 : 20_000 });
    // More than memory holds of a backlog.
    const details = largeDetails(50_000);
    for (let index = 0; index < 200; index += 1) await app.audit.record({ action: 'thing.create', details });
    const segments = await segmentsOf(database.journal);
    const texts = await Promise.all(segments.map((segment) => readFile(segment, 'latin1')));
    if (damage === 'end') await truncate(segments.at(-2)!, texts.at(-2)!.length - 10);
    else {
      const file = await open(segments[0]!, 'r+');
      await file.write('#', texts[0]!.indexOf(` event ${lost} ${lost} `) + 40);
      await file.close();
    }
    await store.restore();
    await eventually(() => app.audit.flush());
    await eventually(() => expect(app.audit.status().pending).toBe(0));
    const next = await startAfterCrash();
    const losses = (await eventsOf(next)).filter(({ action }) => action === 'audit.loss');
    const first = losses[0]?.details['firstSequence'] as number;
    expect(losses).toMatchObject([{ details: { lastSequence: first } }]);
    if (damage === 'byte') expect(losses).toMatchObject([{ details: { lines: 1, firstSequence: lost } }]);
    const gaps = (await next.audit.sources()).flatMap((source) => source.gaps);
    expect(gaps).toEqual([{ from: first, to: first }]);
  });

  it('is written again with what an earlier process left in it', async () => {
    const app = await start();
    // More than is read at once.
    for (let index = 0; index < 1_500; index += 1) await app.audit.record({ action: 'thing.create' });
    await kill();
    const second = await start({ directory: after() });
    await rename(after(), `${after()}-gone`);
    await eventually(() =>
      expect(second.logged.some((line) => line.includes('is written again'))).toBe(true),
    );
    await store.restore();
    await eventually(() => second.audit.flush());
    expect(sequences(await eventsOf(second))).toEqual(Array.from({ length: 1_500 }, (_, index) => index + 1));
  });

  it('tells the status that was sent, whatever the handler does to it then', async () => {
    await store.restore();
    const app = await start();
    expect((await send(app.port, { path: '/things/changed' })).status).toBe(200);
    await app.audit.flush();
    expect(await eventsOf(app)).toMatchObject([{ outcome: 'success', metadata: { statusCode: 200 } }]);
  });
});
