// Somebody takes the audit's middleware and listener away from a running application: it fails closed, and says so.
import 'reflect-metadata';
import type { Server } from 'node:http';
import { send } from '../support/http-client.js';
import { describeOnSqlite } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';
import { complianceRules } from 'nest-audit-trail/rules';
import { NO_LARGE_PAYMENT, startPolicyApp } from '../support/policy-app.js';
import type { PolicyApp } from '../support/policy-app.js';
import { removable } from '../support/removable-database.js';
import type { RemovableDatabase } from '../support/removable-database.js';
import { as } from '../support/user-header.js';

const ANN = { id: 'ann', tenantId: 'acme' };

describeOnSqlite('an application whose hook is removed', (create) => {
  let database: TestDatabase;
  let store: RemovableDatabase;
  let app: PolicyApp;
  const logged: string[] = [];

  beforeEach(async () => {
    database = await create();
    store = await removable(database, true);
    logged.length = 0;
    app = await start();
    app.app.useLogger({
      log: () => undefined,
      warn: (line: string) => void logged.push(line),
      error: (line: string) => void logged.push(line),
    });
    removeHook();
  });

  afterEach(async () => {
    await app.close();
    await store.release();
  });

  function start(configure?: Parameters<typeof startPolicyApp>[1]): Promise<PolicyApp> {
    return startPolicyApp(
      {
        database: store.options,
        delivery: { mode: 'strict', directory: database.journal, strictTimeoutMs: 200 },
        features: [complianceRules({ rules: [NO_LARGE_PAYMENT] })],
      },
      configure,
    );
  }

  /** As whoever rebuilds the router, or hands the requests of the server to something else. */
  function removeHook(): void {
    const server = app.app.getHttpServer() as Server;
    const [first] = server.listeners('request') as (() => void)[];
    server.removeListener('request', first!);
    const { router } = app.app.getHttpAdapter().getInstance() as { router: { stack: { name: string }[] } };
    // It stands before the body parser.
    router.stack.splice(router.stack.findIndex(({ name }) => name === 'jsonParser') - 1, 1);
  }

  const pay = (amount: number) =>
    send(app.port, {
      method: 'POST',
      path: '/payments',
      headers: as(ANN),
      body: JSON.stringify({ amount }),
    });

  it('records each request that a guard meets once, counts them, and says so once', async () => {
    for (let amount = 1; amount <= 3; amount += 1) expect((await pay(amount)).status).toBe(201);
    expect(
      (await send(app.port, { path: '/payments/P-7', headers: { ...as(ANN), 'x-refuse': '1' } })).status,
    ).toBe(403);
    const events = await app.events();
    expect(
      events.map(({ action, userId, outcome, ipAddress, details, metadata }) => [
        action,
        userId,
        outcome,
        ipAddress,
        details['note'],
        metadata['statusCode'],
      ]),
    ).toEqual([
      ...Array.from({ length: 3 }, () => ['payment.create', 'ann', 'success', '127.0.0.1', 'annotated', 201]),
      ['payment.read', 'ann', 'failure', '127.0.0.1', undefined, 403],
    ]);
    expect(app.audit.status()).toMatchObject({ unhooked: 4, healthy: true });
    expect(logged.filter((line) => line.includes('has removed the middleware'))).toHaveLength(1);
  });

  it('takes nothing for the request that middleware has put on it', async () => {
    await app.close();
    app = await start((express) =>
      express.use((request, _response, next) => {
        Object.assign(request, { raw: 'the raw body' });
        next();
      }),
    );
    removeHook();
    expect((await pay(1)).status).toBe(201);
    expect(await app.events()).toMatchObject([{ action: 'payment.create', userId: 'ann' }]);
    expect(app.audit.status().unhooked).toBe(1);
  });

  it('blocks what a rule forbids', async () => {
    const handled = app.handled.length;
    expect((await pay(2_000)).status).toBe(403);
    expect(app.handled).toHaveLength(handled);
    expect(await app.events()).toMatchObject([
      { complianceFlags: [NO_LARGE_PAYMENT.id], outcome: 'failure' },
    ]);
    expect(app.audit.status().unhooked).toBe(1);
  });

  it('refuses what strict can not record', async () => {
    await pay(1);
    await store.remove();
    const handled = app.handled.length;
    // The database answered within the last second, so the handler may run; its answer does not leave.
    expect((await pay(2)).status).toBe(503);
    expect(app.handled.length - handled).toBeLessThanOrEqual(1);
    await store.restore();
    expect(app.audit.status().unhooked).toBe(2);
  });
});
