// Koa, whose requests have Node's own beside them, by the door for any server.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Koa from 'koa';
import { listeners } from 'nest-audit-trail/listeners';
import { NodeAudit } from 'nest-audit-trail/node';
import type { DataSource } from 'typeorm';
import { expectRefusedOption } from '../support/refused-option.js';
import { allOf } from './door.js';
import { send } from './send.js';

it('refuses options that only Nest can keep', () => {
  const dataSource = 'audit' as unknown as DataSource;
  expectRefusedOption('dataSource', () => new NodeAudit({ dataSource }));
  expectRefusedOption('features', () => new NodeAudit({ features: [listeners()] }));
});

it('a Koa application is recorded', async () => {
  const audit = new NodeAudit({ database: { type: 'better-sqlite3', database: ':memory:' } });
  await audit.ready();
  const app = new Koa();
  app.use((context, next) => audit.handle(context.req, context.res, next));
  app.use(async (context) => {
    if (context.path === '/invoices/8') {
      await audit.route(context.req, { pattern: '/invoices/:id', params: { id: '8' } });
      audit.service.deny('of another department');
      context.status = 403;
    }
    if (context.path !== '/invoices/7') return;
    await audit.route(context.req, { pattern: '/invoices/:id', params: { id: '7' }, user: { id: 'ann' } });
    audit.service.annotate({ details: { amount: 12 } });
    context.body = { id: '7' };
  });
  const server = createServer(app.callback());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  expect(await send(url, { method: 'GET', path: '/invoices/7' })).toMatchObject({
    status: 200,
    body: '{"id":"7"}',
  });
  expect(await send(url, { method: 'GET', path: '/none' })).toMatchObject({ status: 404 });
  expect(await send(url, { method: 'GET', path: '/invoices/8' })).toMatchObject({ status: 403 });
  expect(await allOf(audit.service)).toMatchObject([
    { action: 'invoice.read', resourceId: '7', userId: 'ann', details: { amount: 12 }, outcome: 'success' },
    { action: 'http.request', resource: 'http', outcome: 'failure', metadata: { statusCode: 404 } },
    {
      action: 'invoice.read',
      resourceId: '8',
      outcome: 'failure',
      category: 'authorization',
      details: { reason: 'of another department' },
    },
  ]);
  await new Promise((resolve) => server.close(resolve));
  await audit.close();
});
