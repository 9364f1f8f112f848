// Real processes: signals, threads, and the throttler, whose CommonJS package Node 20 can't load beside Nest 12.
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { AuditModule, AuditService } from 'nest-audit-trail';
import type { AuditDatabaseOptions, AuditModuleOptions } from 'nest-audit-trail';
import { protection } from 'nest-audit-trail/protection';
import type { ProtectionOptions } from 'nest-audit-trail/protection';
import { openStore } from '../support/audit-store.js';
import type { AuditStore } from '../support/audit-store.js';
import { eventually } from '../support/eventually.js';
import { abandon, send } from '../support/http-client.js';
import { expectEvent } from '../support/expected-event.js';
import { describeEachDatabase, withoutThread } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';

/** The programs in `app`: where Nest has no part in it, the other one starts in half the time. */
type Program = 'served-app.js' | 'plain-app.cjs';

interface Run {
  readonly program?: Program;
  /** Who ends the process at a signal; the library where nobody else does. */
  readonly shutdown?: 'hooks' | 'own' | 'polite';
  readonly areThreadsBroken?: boolean;
}

const NEST: Run = { program: 'served-app.js' };

type End = readonly [signal: 'SIGTERM' | 'SIGINT', by: string, run: Run, ended: string | number];
const OTHER_ENDS: readonly End[] = [
  ['SIGINT', 'the library', {}, 'SIGINT'],
  ['SIGTERM', "Nest's shutdown hooks", { ...NEST, shutdown: 'hooks' }, 'SIGTERM'],
  ['SIGTERM', 'a listener of the application, for once', { ...NEST, shutdown: 'own' }, 7],
  ['SIGTERM', 'the library, beside a package that listens politely', { shutdown: 'polite' }, 'SIGTERM'],
];

describeEachDatabase('a process', (create, name) => {
  withoutThread('its applications are other processes');
  let database: TestDatabase;
  let store: AuditStore;
  let child: ChildProcess | undefined;

  beforeEach(async () => {
    database = await create();
    store = await openStore(database.options);
  });

  afterEach(async () => {
    if (child?.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    child = undefined;
    await store.close();
    await database.drop();
  });

  /** @returns the port that it listens on */
  async function serve(
    { protect, ...audit }: AuditModuleOptions & { readonly protect?: ProtectionOptions },
    { program = 'plain-app.cjs', shutdown, areThreadsBroken = false }: Run = {},
  ): Promise<number> {
    const options = JSON.stringify({
      audit: {
        database: database.options,
        ...audit,
        delivery: { directory: database.journal, ...audit.delivery },
      },
      shutdown,
      protect,
    });
    const args = [`build/process/${program}`, options, ...(areThreadsBroken ? ['broken-threads'] : [])];
    child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    // What is logged goes the same way, and may come first.
    for await (const line of createInterface(child.stdout!)) if (/^\d+$/u.test(line)) return Number(line);
    throw new Error('The process ended before it listened.');
  }

  /** Ends the process by a signal, and answers what it ended by. */
  async function end(signal: NodeJS.Signals): Promise<NodeJS.Signals | number | null> {
    const exit = once(child!, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
    child!.kill(signal);
    const [code, by] = await exit;
    return by ?? code;
  }

  /** What an application of its own reads in the database. */
  async function read<T>(
    ask: (audit: AuditService) => Promise<T>,
    protect: ProtectionOptions = { fields: [] },
  ): Promise<T> {
    @Module({
      imports: [
        AuditModule.forRoot({
          database: database.options,
          delivery: { mode: 'buffered', thread: false },
          features: [protection(protect)],
        }),
      ],
    })
    class ReaderModule {}
    const reader = await NestFactory.createApplicationContext(ReaderModule, { logger: false });
    try {
      return await ask(reader.get(AuditService));
    } finally {
      await reader.close();
    }
  }

  /** All files of the directory. */
  async function journalText(): Promise<string> {
    const files = await readdir(database.journal);
    const texts = await Promise.all(files.map((file) => readFile(join(database.journal, file), 'utf8')));
    return texts.join('');
  }

  const sources = () => read((audit) => audit.sources());
  const stored = () => store.events.find({}, { limit: 1_000, order: 'oldest' });

  it.each<End>([
    ['SIGTERM', 'the library', NEST, 'SIGTERM'],
    // How a process is asked to end has nothing to do with its database.
    ...(name === 'sqlite' ? OTHER_ENDS : []),
  ])('drains at %s by %s, which ends the process', async (signal, _by, run, ended) => {
    // Nothing but the drain can have stored them.
    const port = await serve({ delivery: { flushIntervalMs: 60_000, batchSize: 5_000 } }, run);
    const ids = Array.from({ length: 200 }, (_, index) => `id-${index}`);
    await Promise.all(ids.map((id) => send(port, { method: 'POST', path: `/things/${id}` })));
    expect(await end(signal)).toBe(ended);
    const events = await stored();
    expect(events.map(({ resourceId }) => resourceId).sort()).toEqual(ids.sort());
    expect(events.every(({ outcome }) => outcome === 'success')).toBe(true);
  });

  it('stores in a thread of its own where the database is a server, and starts it again when it ends', async () => {
    const isServer = database.options.type !== 'better-sqlite3';
    const port = await serve({ delivery: { flushIntervalMs: 20 } });
    const threads = async () =>
      (JSON.parse((await send(port, { path: '/threads' })).body) as { started: number }).started;
    const ids = Array.from({ length: 90 }, (_, index) => `id-${index}`);
    for (const [index, id] of ids.entries()) {
      if (index % 30 === 15) {
        // It works by now.
        await eventually(async () => expect(await stored()).toHaveLength(index));
        await send(port, { method: 'POST', path: '/end-thread' });
      }
      await send(port, { method: 'POST', path: `/things/${id}` });
    }
    await eventually(async () => expect(await stored()).toHaveLength(ids.length));
    expect((await stored()).map(({ resourceId }) => resourceId).sort()).toEqual([...ids].sort());
    if (isServer) expect(await threads()).toBeGreaterThan(1);
    else expect(await threads()).toBe(0);
    expect(await end('SIGTERM')).toBe('SIGTERM');
    expect((await sources()).map(({ gaps }) => gaps).flat()).toEqual([]);
    // The log was sealed by the thread, and goes on where it was.
    const { ok, problems } = await read((audit) => audit.verify());
    expect({ ok, problems }).toEqual({ ok: true, problems: [] });
  });

  it('does the same for CommonJS', async () => {
    const script = `
      const threads = require('node:worker_threads');
      let started = 0;
      threads.Worker = class extends threads.Worker { constructor(...args) { super(...args); started += 1; } };
      const { NodeAudit } = require('nest-audit-trail/node');
      (async () => {
        const audit = new NodeAudit(JSON.parse(process.argv[1]));
        await audit.ready();
        await audit.service.record({ action: 'invoice.approve' });
        await audit.service.flush();
        await audit.close();
        console.log(started);
      })();
    `;
    const options = { database: database.options, delivery: { directory: database.journal } };
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--no-warnings',
      '--input-type=commonjs',
      '-e',
      script,
      JSON.stringify(options),
    ]);
    // What the audit logs comes first.
    expect(stdout.trim().split('\n').at(-1)).toBe(database.options.type === 'better-sqlite3' ? '0' : '1');
    expect((await stored()).map(({ action }) => action)).toEqual(['invoice.approve']);
  });

  it('goes on until what it waits for is done, also where nothing else keeps it', async () => {
    const script = `
      const { setTimeout: delay } = require('node:timers/promises');
      const { NodeAudit } = require('nest-audit-trail/node');
      const isConnected = () => process.getActiveResourcesInfo().includes('TCPSocketWrap');
      (async () => {
        const audit = new NodeAudit(JSON.parse(process.argv[1]));
        await audit.ready();
        await audit.service.record({ action: 'invoice.approve' });
        await audit.service.flush();
        while (isConnected()) await delay(20);
        await audit.service.record({ action: 'invoice.pay' });
        await audit.service.flush();
        console.log('flushed');
        await audit.service.checkpoint();
        console.log('sealed');
        await audit.close();
        console.log('closed');
      })();
    `;
    // The main thread's connections end as soon as they have nothing to do.
    const extra = { idleTimeoutMillis: 1, maxIdle: 0, idleTimeout: 1 };
    const isServer = database.options.type !== 'better-sqlite3';
    const options = {
      database: { ...database.options, ...(isServer && { extra }) },
      delivery: { directory: database.journal },
    };
    const args = ['--no-warnings', '--input-type=commonjs', '-e', script, JSON.stringify(options)];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    expect(stdout.trim().split('\n').slice(-3)).toEqual(['flushed', 'sealed', 'closed']);
  });

  it.each<[what: string, answer: 'refuses' | 'is silent']>([
    ['refuses connections', 'refuses'],
    // A file has no server that could be silent.
    ...(name === 'sqlite' ? [] : [['takes connections and is silent', 'is silent'] as [string, 'is silent']]),
  ])('starts, serves and ends while its database %s', async (_what, answer) => {
    const silent = createServer((socket) => socket.on('error', () => undefined));
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port: databasePort } = silent.address() as AddressInfo;
    if (answer === 'refuses') await new Promise((resolve) => silent.close(resolve));
    // Of a file, the folder is missing that can't be made.
    const { options } = database;
    const away = (
      options.type === 'better-sqlite3'
        ? { ...options, database: '/dev/null/audit.sqlite' }
        : { ...options, host: '127.0.0.1', port: databasePort, socketPath: undefined }
    ) as AuditDatabaseOptions;
    const port = await serve({ database: away, delivery: { shutdownTimeoutMs: 100 } });
    expect((await send(port, { method: 'POST', path: '/things/1' })).status).toBe(201);
    expect(await end('SIGTERM')).toBe('SIGTERM');
    silent.close();
  });

  // One server is enough: whether there is a thread is not asked of the database.
  if (name === 'mysql') {
    it('does it all in the main thread where it is told to', async () => {
      const port = await serve({ delivery: { flushIntervalMs: 20, thread: false } });
      await send(port, { method: 'POST', path: '/things/1' });
      await eventually(async () => expect(await stored()).toHaveLength(1));
      expect((await send(port, { path: '/threads' })).body).toBe('{"started":0}');
    });

    it('does it all in the main thread where values are encrypted there, and only then', async () => {
      for (const [protect, started] of [
        [{ fields: ['userAgent'], masterKey: randomBytes(32).toString('base64') }, 0],
        [{ fields: [] }, 1],
      ] as const) {
        const port = await serve({ protect, delivery: { flushIntervalMs: 20 } });
        const before = (await stored()).length;
        await send(port, { method: 'POST', path: '/things/1' });
        await eventually(async () => expect((await stored()).length).toBeGreaterThan(before));
        expect((await send(port, { path: '/threads' })).body).toBe(`{"started":${started}}`);
        expect(await end('SIGTERM')).toBe('SIGTERM');
      }
    });

    it('does it all in the main thread where none can be started', async () => {
      const port = await serve({ delivery: { flushIntervalMs: 20 } }, { areThreadsBroken: true });
      for (const id of ['1', '2']) await send(port, { method: 'POST', path: `/things/${id}` });
      await eventually(async () => expect(await stored()).toHaveLength(2));
      expect(await end('SIGTERM')).toBe('SIGTERM');
      const { ok, treeSize } = await read((audit) => audit.verify());
      expect({ ok, treeSize }).toEqual({ ok: true, treeSize: 2 });
    });
  }

  // The same on each database.
  if (name !== 'sqlite') return;

  it('keeps protected values through its death, and in clear nowhere', async () => {
    const protect = { fields: ['userAgent', 'resourceId'], masterKey: randomBytes(32).toString('base64') };
    const directory = database.journal;
    // Nothing is stored before it is killed.
    const port = await serve({ protect, delivery: { flushIntervalMs: 60_000, batchSize: 5_000 } });
    const ids = Array.from({ length: 50 }, (_, index) => `planted-${index}`);
    const headers = { 'user-agent': 'PlantedBrowser/1' };
    await Promise.all(ids.map((id) => send(port, { method: 'POST', path: `/things/${id}`, headers })));
    await end('SIGKILL');
    expect(await journalText()).toContain('"t1.');
    expect(await journalText()).not.toContain('PlantedBrowser');
    await serve({ protect });
    const find = (more: { reveal?: boolean }, as?: ProtectionOptions) =>
      read(async (audit) => (await audit.find({ allTenants: true, limit: 1_000, ...more })).events, as);
    await eventually(async () => expect(await stored()).toHaveLength(ids.length));
    expect((await find({})).every(({ userAgent }) => userAgent === '[protected]')).toBe(true);
    const events = await find({ reveal: true }, protect);
    expect(events.every(({ userAgent }) => userAgent === 'PlantedBrowser/1')).toBe(true);
    expect(events.map(({ resourceId }) => resourceId).sort()).toEqual([...ids].sort());
    expect(await end('SIGTERM')).toBe('SIGTERM');
    expect((await readdir(directory)).filter((file) => !file.startsWith('owner.'))).toEqual([]);
    expect(await read((audit) => audit.verify(), protect)).toMatchObject({ ok: true, problems: [] });
  });

  it('records a request that the shutdown interrupts', async () => {
    const port = await serve({}, NEST);
    const left = abandon(port, { path: '/things/never' }, 'never');
    await left.begun;
    expect(await end('SIGTERM')).toBe('SIGTERM');
    await left.gone;
    const [event, ...others] = await stored();
    expect(others).toEqual([]);
    expect(event).toMatchObject({
      action: 'thing.never',
      outcome: 'partial',
      metadata: { interrupted: true },
    });
    expect(event!.metadata).not.toHaveProperty('aborted');
    expect(event!.metadata).not.toHaveProperty('statusCode');
  });

  it('records of requests that it was killed under those that may have changed something', async () => {
    const port = await serve({}, NEST);
    const hang = (path: string) => abandon(port, { method: 'POST', path }, 'never');
    const gone: Promise<unknown>[] = [];
    for (const path of ['/things/guarded/1', '/things/never/1', '/plain/waits']) {
      const left = hang(path);
      await left.begun;
      gone.push(left.gone);
    }
    // Of the handler at once, of the middleware after 200 ms, and of the guard never.
    await eventually(async () => expect((await journalText()).match(/ intent /g)).toHaveLength(2));
    const last = hang('/plain/blocks');
    await last.begun;
    expect(await end('SIGKILL')).toBe('SIGKILL');
    await Promise.all([...gone, last.gone]);
    await serve({});
    await eventually(async () => expect(await stored()).toHaveLength(2));
    expect(await end('SIGTERM')).toBe('SIGTERM');
    const events = await stored();
    expect(events.map(({ action, outcome, metadata }) => [action, outcome, metadata['path']])).toEqual([
      ['thing.never-done', 'partial', '/things/never/1'],
      ['http.request', 'partial', '/plain/waits'],
    ]);
    expect(events.every(({ metadata }) => metadata['interrupted'] === true)).toBe(true);
  });

  it('shows that a process without a journal was killed, whose last events nobody has', async () => {
    const port = await serve({ delivery: { mode: 'buffered', flushIntervalMs: 60_000, batchSize: 2 } });
    const create = (id: string) => send(port, { method: 'POST', path: `/things/${id}` });
    await create('1');
    await create('2');
    const source = async () => (await sources()).find(({ firstSequence }) => firstSequence === 1);
    await eventually(async () => expect(await source()).toMatchObject({ state: 'open', events: 2 }));
    await create('3');
    expect(await end('SIGKILL')).toBe('SIGKILL');
    expect(await source()).toMatchObject({ state: 'unclean', events: 2 });
    expect((await stored()).map(({ resourceId }) => resourceId)).toEqual(['1', '2']);
  });

  it('records what the throttler refuses', async () => {
    const port = await serve({}, NEST);
    const call = (requestId: string) =>
      send(port, { path: '/things/limited', headers: { 'x-request-id': requestId } });
    expect((await call('first')).status).toBe(200);
    expect((await call('second')).status).toBe(429);
    await end('SIGTERM');
    const [first, second, ...others] = await stored();
    expect(others).toEqual([]);
    expect(first).toMatchObject({ outcome: 'success', metadata: { requestId: 'first', statusCode: 200 } });
    expectEvent(second!, 'second', {
      action: 'thing.limited',
      resource: 'thing',
      category: 'security',
      outcome: 'failure',
      severity: 'medium',
      metadata: {
        path: '/things/limited',
        route: '/things/limited',
        handler: 'ThingsController.limited',
        statusCode: 429,
        stage: 'guard',
        errorName: 'ThrottlerException',
      },
    });
  });
});
