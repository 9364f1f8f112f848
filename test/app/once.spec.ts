// How often a request's event is made, and how often who acted and what the policy says is asked: once, unless something changed.
import 'reflect-metadata';
import type express from 'express';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AuditModuleOptions } from 'nest-audit-trail';
import { AuditPolicy, policy } from 'nest-audit-trail/policy';
import { EventCompleter } from '../../src/recorder/event-completer.js';
import { send } from '../support/http-client.js';
import { describeOnSqlite } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';
import { startPolicyApp } from '../support/policy-app.js';
import type { PolicyApp } from '../support/policy-app.js';
import { as } from '../support/user-header.js';

const ANN = { id: 'ann', tenantId: 'acme', roles: ['clerk'] };

interface Counted {
  described: number;
  concluded: number;
  judged: number;
  policy: number;
  users: number;
}

describeOnSqlite('a request', (create) => {
  let database: TestDatabase;
  let app: PolicyApp;
  let counted: Counted;

  beforeEach(async () => {
    database = await create();
  });

  afterEach(async () => {
    vi.restoreAllMocks();
    await app.close();
  });

  async function start(
    options: AuditModuleOptions = {},
    configure?: Parameters<typeof startPolicyApp>[1],
  ): Promise<void> {
    counted = { described: 0, concluded: 0, judged: 0, policy: 0, users: 0 };
    app = await startPolicyApp(
      {
        database: database.options as NonNullable<AuditModuleOptions['database']>,
        delivery: { directory: database.journal, shutdownTimeoutMs: 5_000 },
        capture: {
          resolve: {
            user: ({ user }) => {
              counted.users += 1;
              return (user as { readonly id?: string } | undefined)?.id;
            },
          },
        },
        features: [
          policy([
            { level: 'none', match: { path: '/answers/*' } },
            { level: 'metadata', match: { tenant: 'acme' } },
          ]),
        ],
        ...options,
      },
      configure,
    );
    const count = (name: keyof Counted) => () => void (counted[name] += 1);
    spy(EventCompleter.prototype, 'describe', count('described'));
    spy(EventCompleter.prototype, 'conclude', count('concluded'));
    spy(EventCompleter.prototype, 'judge', count('judged'));
    spy(app.app.get(AuditPolicy), 'decide', count('policy'));
  }

  const pay = (path: string, user: object = ANN) =>
    send(app.port, {
      method: 'POST',
      path,
      headers: { 'content-type': 'application/json', ...as(user) },
      body: '{"amount":5}',
    });

  /** The kinds of lines that the journal has. */
  function lines(): string[] {
    return readdirSync(database.journal)
      .filter((name) => name.endsWith('.journal'))
      .flatMap((name) => readFileSync(join(database.journal, name), 'utf8').trimEnd().split('\n'))
      .map((line) => line.split(' ')[1]!)
      .filter((kind) => kind !== 'segment' && kind !== 'stored');
  }

  it('that changes something becomes an event once, of one intent and one line', async () => {
    await start();
    expect((await pay('/health')).status).toBe(200);
    // The intent has its end, which is that it was interrupted; the event has its own.
    expect(counted).toEqual({ described: 1, concluded: 2, judged: 1, policy: 1, users: 1 });
    expect(lines()).toEqual(['intent', 'event']);
  });

  it('that the handler adds to is described again, and its policy is not asked again', async () => {
    await start();
    expect((await pay('/payments')).status).toBe(201);
    expect(counted).toEqual({ described: 2, concluded: 2, judged: 1, policy: 1, users: 1 });
    expect(lines()).toEqual(['intent', 'event']);
  });

  it('that reads becomes an event once', async () => {
    await start();
    expect((await send(app.port, { path: '/payments/7', headers: as(ANN) })).status).toBe(200);
    expect(counted).toEqual({ described: 1, concluded: 1, judged: 1, policy: 1, users: 1 });
    expect(lines()).toEqual(['event']);
  });

  it('asks again who acted where the handler made it another user', async () => {
    await start();
    expect((await pay('/payments/become/bob')).status).toBe(201);
    expect(counted).toEqual({ described: 2, concluded: 2, judged: 1, policy: 2, users: 2 });
    await app.audit.flush();
    expect(await app.events()).toMatchObject([{ userId: 'bob', tenantId: 'acme' }]);
  });

  it('asks again who acted where the handler gave the user another tenant', async () => {
    await start();
    expect((await pay('/payments/move/globex')).status).toBe(201);
    expect(counted.users).toBe(2);
    await app.audit.flush();
    expect(await app.events()).toMatchObject([{ userId: 'ann', tenantId: 'globex' }]);
  });

  it('asks who acted when its guards have passed, whoever asked before', async () => {
    await start({ capture: { resolve: { tenant: (request) => request['tenant'] as string | undefined } } });
    const headers = { ...as({ id: 'ann' }), 'x-tenant': 'globex' };
    expect((await send(app.port, { method: 'POST', path: '/health', headers })).status).toBe(200);
    await app.audit.flush();
    expect((await app.events()).map(({ action, tenantId, userId }) => [action, tenantId, userId])).toEqual([
      ['health.create', 'globex', 'ann'],
      ['guard.check', 'default', 'ann'],
    ]);
  });

  it('has the id that its handler gave it', async () => {
    await start();
    expect((await pay('/payments/named/R-7')).status).toBe(201);
    await app.audit.flush();
    expect(await app.events()).toMatchObject([{ metadata: { requestId: 'R-7' } }]);
  });

  it('calls no getter of the user that nobody asks for', async () => {
    let called = 0;
    const user = {
      id: 'ann',
      get account() {
        called += 1;
        return Promise.reject(new Error('lazy'));
      },
    };
    const configure = (application: express.Express) =>
      void application.use((request, _response, next) => {
        Object.assign(request, { user });
        next();
      });
    await start({}, configure);
    expect((await send(app.port, { method: 'POST', path: '/health' })).status).toBe(200);
    await app.close();
    // By the default resolvers.
    await start({ capture: {} }, configure);
    expect((await send(app.port, { method: 'POST', path: '/health' })).status).toBe(200);
    expect(called).toBe(0);
  });

  it('asks again who acted where nobody was known', async () => {
    await start();
    expect((await send(app.port, { method: 'POST', path: '/health' })).status).toBe(200);
    expect(counted.users).toBe(2);
  });

  it('asks the policy again where that waits for the status', async () => {
    await start({ features: [policy([{ level: 'none', match: { status: '2xx' } }])] });
    expect((await pay('/payments')).status).toBe(201);
    expect(counted.policy).toBe(2);
    expect(lines()).toEqual(['intent', 'void']);
  });

  it('is noted once in strict, behind its guards', async () => {
    await start({
      delivery: { mode: 'strict', directory: database.journal },
    });
    expect((await send(app.port, { path: '/payments/7', headers: as(ANN) })).status).toBe(200);
    // Whether it may be refused for want of a journal is asked before its guards, when nobody knows who acts.
    expect(counted).toEqual({ described: 1, concluded: 2, judged: 1, policy: 2, users: 1 });
    expect(lines()).toEqual(['intent', 'event']);
    expect((await send(app.port, { path: '/payments/7', headers: { 'x-refuse': 'yes' } })).status).toBe(403);
    expect(lines()).toEqual(['intent', 'event', 'event']);
  });
});

/** Counts the calls, and lets them through. */
function spy<T extends object>(holder: T, name: keyof T & string, count: () => void): void {
  const original = holder[name] as (...args: unknown[]) => unknown;
  vi.spyOn(holder as Record<string, (...args: unknown[]) => unknown>, name).mockImplementation(function (
    this: unknown,
    ...args: unknown[]
  ) {
    count();
    return original.apply(this, args);
  });
}
