// Real processes: signals, and the throttler, whose CommonJS package Jest can't load beside Nest 12.
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { AuditModule, AuditService } from 'nest-audit-trail';
import type { AuditLogEvent, AuditModuleOptions } from 'nest-audit-trail';
import { abandon, send } from './app/http-client.js';
import { expectEvent } from './app/expected-event.js';
import { describeEachDatabase } from './harness/databases.js';
import type { TestDatabase } from './harness/databases.js';

describeEachDatabase('a process', (create) => {
  let database: TestDatabase;
  let child: ChildProcess | undefined;

  beforeEach(async () => {
    database = await create();
  });

  afterEach(async () => {
    if (child?.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    child = undefined;
    await database.drop();
  });

  /** @returns the port that it listens on */
  async function serve(audit: AuditModuleOptions, shutdown?: 'hooks' | 'own'): Promise<number> {
    const options = JSON.stringify({ audit: { ...audit, database: database.options }, shutdown });
    child = spawn(process.execPath, ['build/process/served-app.js', options], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    for await (const line of createInterface(child.stdout!)) return Number(line);
    throw new Error('The process ended before it listened.');
  }

  /** Ends the process by a signal, and answers what it ended by. */
  async function end(signal: NodeJS.Signals): Promise<NodeJS.Signals | number | null> {
    const exit = once(child!, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
    child!.kill(signal);
    const [code, by] = await exit;
    return by ?? code;
  }

  /** All events in the database, by an application of its own. */
  async function stored(): Promise<AuditLogEvent[]> {
    @Module({ imports: [AuditModule.forRoot({ database: database.options })] })
    class ReaderModule {}
    const reader = await NestFactory.createApplicationContext(ReaderModule, { logger: false });
    const { events } = await reader
      .get(AuditService)
      .find({ allTenants: true, order: 'oldest', limit: 1_000 });
    await reader.close();
    return events;
  }

  it.each<
    [signal: 'SIGTERM' | 'SIGINT', by: string, shutdown: 'hooks' | 'own' | undefined, ended: string | number]
  >([
    ['SIGTERM', 'the library', undefined, 'SIGTERM'],
    ['SIGINT', 'the library', undefined, 'SIGINT'],
    ['SIGTERM', "Nest's shutdown hooks", 'hooks', 'SIGTERM'],
    ['SIGTERM', 'a listener of the application, for once', 'own', 7],
  ])('drains at %s by %s, which ends the process', async (signal, _by, shutdown, ended) => {
    // Nothing but the drain can have stored them.
    const port = await serve({ delivery: { flushIntervalMs: 60_000, batchSize: 5_000 } }, shutdown);
    const ids = Array.from({ length: 200 }, (_, index) => `id-${index}`);
    await Promise.all(ids.map((id) => send(port, { method: 'POST', path: `/things/${id}` })));
    expect(await end(signal)).toBe(ended);
    const events = await stored();
    expect(events.map(({ resourceId }) => resourceId).sort()).toEqual(ids.sort());
    expect(events.every(({ outcome }) => outcome === 'success')).toBe(true);
  });

  it('records a request that the shutdown interrupts', async () => {
    const port = await serve({});
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

  it('records what the throttler refuses', async () => {
    const port = await serve({});
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
