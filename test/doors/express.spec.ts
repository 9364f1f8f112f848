// What Express alone has: parameters that are looked up, applications within, static files, downloads, sessions and Passport.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AsyncResource } from 'node:async_hooks';
import express from 'express';
import type { ErrorRequestHandler, Express, NextFunction, Request } from 'express';
import session from 'express-session';
import passport from 'passport';
import { Strategy } from 'passport-http-bearer';
import type { AuditLogEvent } from 'nest-audit-trail';
import { auditTrail, audited } from 'nest-audit-trail/express';
import type { AuditTrail, PlainAuditOptions } from 'nest-audit-trail/express';
import { allOf, pages, userOf } from './door.js';
import { send } from './send.js';
import type { Answer, Sent } from './send.js';

const express4 = createRequire(import.meta.url)('express4') as typeof express;

describe.each([
  ['5', express],
  ['4.21', express4],
])('Express %s', (_version, library) => {
  let folder: string;
  let audit: AuditTrail;
  let servers: Server[] = [];
  let url: string;
  let bareUrl: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'audit-doors-'));
    writeFileSync(join(folder, 'page.txt'), 'x'.repeat(100));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  afterEach(async () => {
    for (const server of servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
    servers = [];
    await audit.close();
  });

  async function listen(app: Express): Promise<string> {
    const server = createServer(app);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** The same application with the audit and without it. */
  async function start(
    build: (app: Express, say: typeof audited) => void,
    options: PlainAuditOptions = {},
  ): Promise<void> {
    audit = auditTrail({ database: { type: 'better-sqlite3', database: ':memory:' }, ...options });
    await audit.ready();
    const answerErrors: ErrorRequestHandler = (error: { status?: number }, _request, response, next) => {
      if (response.headersSent) next(error);
      else response.status(error.status ?? 500).json({ error: String(error) });
    };
    const app = library();
    app.use(audit);
    build(app, audited);
    app.use(audit.errors, answerErrors);
    url = await listen(app);
    const bare = library();
    build(bare, () => (_request, _response, next) => next());
    bare.use(answerErrors);
    bareUrl = await listen(bare);
  }

  /** The answer, which is what it is without the audit, and the only event. */
  async function ask(path: string, more: Partial<Sent> = {}): Promise<[Answer, AuditLogEvent]> {
    const before = (await allOf(audit.service)).length;
    const sent = { method: 'GET', path, ...more };
    const [answer, bare] = [await send(url, sent), await send(bareUrl, sent)];
    for (const { headers } of [answer, bare]) delete headers.date;
    expect(answer).toEqual(bare);
    await vi.waitUntil(async () => (await allOf(audit.service)).length > before, { timeout: 5_000 });
    const events = (await allOf(audit.service)).slice(before);
    expect(events).toHaveLength(1);
    return [answer, events[0]!];
  }

  const routesOf = async (...paths: string[]) => {
    const found: unknown[] = [];
    for (const path of paths) {
      const [, { action, resourceId, outcome, metadata }] = await ask(path);
      found.push([action, resourceId, metadata['route'], outcome]);
    }
    return found;
  };

  it("keeps an id that the application gave a request, also one that looks like Fastify's", async () => {
    await start((app) => {
      app.use((request, _response, next) => {
        Object.assign(request, { id: 'req-7k2' });
        next();
      });
      app.get('/things/:id', (_request, response) => void response.json({}));
    });
    const [, event] = await ask('/things/1', { headers: { 'x-request-id': 'of-the-proxy' } });
    expect(event.metadata['requestId']).toBe('req-7k2');
  });

  it('takes nothing that a router beside that of its route declares', async () => {
    await start((app, say) => {
      const health = library.Router();
      health.use(say(false));
      health.get('/health', (_request, response) => void response.json({}));
      const payments = library.Router();
      payments.use(say({ resource: 'payment', severity: 'high', details: { of: 'payments' } }));
      payments.get('/payments', (_request, response) => void response.json({}));
      const users = library.Router();
      users.get('/users', (_request, response) => void response.json({}));
      app.use(health);
      app.use('/api', payments);
      app.use('/api', users);
    });
    const [, paid] = await ask('/api/payments');
    expect(paid).toMatchObject({ resource: 'payment', severity: 'high', details: { of: 'payments' } });
    const [, listed] = await ask('/api/users');
    expect(listed).toMatchObject({ action: 'user.list', severity: 'low', details: {} });
    // Nor is what no route takes left out since it has passed a router that is.
    expect((await ask('/nothing'))[1]).toMatchObject({ action: 'http.request' });
  });

  it('names the route of each request in its own letters, whoever asked first', async () => {
    await start((app) => {
      const users = library.Router();
      users.get('/users', (_request, response) => void response.json({}));
      app.use('/api', users);
    });
    expect((await ask('/API/users'))[1].metadata['route']).toBe('/API/users');
    expect((await ask('/api/users'))[1].metadata['route']).toBe('/api/users');
  });

  it('knows where an application within is mounted, and takes no words of the client for that', async () => {
    await start((app) => {
      const within = library();
      within.post('/confirm', (_request, response) => void response.json({}));
      app.use('/reset/:token', within);
    });
    const [, event] = await ask('/reset/s3cr3tValue99/confirm', { method: 'POST' });
    expect(event.metadata).toMatchObject({
      path: '/reset/[redacted]/confirm',
      route: '/reset/:token/confirm',
    });
    expect(JSON.stringify(event)).not.toContain('s3cr3t');
  });

  it('names routes of routers and applications within, also where they fail', async () => {
    await start((app) => {
      const answer = (request: Request, response: { json(body: unknown): unknown }) =>
        void response.json(request.params);
      const fail = () => {
        throw new TypeError('failed');
      };
      const lines = library.Router();
      lines.get('/:id', answer);
      lines.get('/:id/fail', fail);
      const invoices = library.Router();
      invoices.use('/open', lines);
      const within = library();
      within.use('/invoices', invoices);
      app.use('/api/v1', within);
      app.get(['/first/:id', '/second/:id'], answer);
      app
        .route('/chained/:id')
        .all((_request, _response, next) => next())
        .get(answer);
      app.get(/^\/shaped\/(\d+)$/, answer);
      for (const path of ['/admin/users/:id', '/invoices/totals']) app.get(path, answer);
      app.use('/aliased', (request, _response, next) => {
        request.url = '/first/9';
        next('route');
      });
      app.get('/passed/:id', (_request, _response, next) => next('route'));
      app.get('/passed/:id', answer);
    });
    expect(
      await routesOf(
        '/api/v1/invoices/open/3',
        '/api/v1/invoices/open/3/fail',
        '/second/2',
        '/chained/4',
        '/shaped/5',
        '/passed/6',
        '/admin/users/7',
        '/invoices/totals',
      ),
    ).toEqual([
      ['invoice.open', '3', '/api/v1/invoices/open/:id', 'success'],
      ['open.fail', '3', '/api/v1/invoices/open/:id/fail', 'failure'],
      ['second.read', '2', '/second/:id', 'success'],
      ['chained.read', '4', '/chained/:id', 'success'],
      ['http.get', undefined, String(/^\/shaped\/(\d+)$/), 'success'],
      ['passed.read', '6', '/passed/:id', 'success'],
      ['user.read', '7', '/admin/users/:id', 'success'],
      ['invoice.totals', undefined, '/invoices/totals', 'success'],
    ]);
  });

  it('tells the pattern that a router is mounted on, also of a request that fails, and keeps its secrets', async () => {
    await start((app) => {
      const lines = library.Router();
      lines.get('/:id', (_request, response) => void response.json({}));
      lines.get('/:id/fail', () => {
        throw new TypeError('failed');
      });
      const invoices = library.Router();
      invoices.use('/:invoice/lines', lines);
      app.use('/invoices', invoices);
      app.use('/shares/:token', lines);
    });
    expect(
      await routesOf('/invoices/7/lines/3', '/invoices/8/lines/4/fail', '/invoices/lines/lines/5'),
    ).toEqual([
      ['line.read', '3', '/invoices/:invoice/lines/:id', 'success'],
      ['line.fail', '4', '/invoices/:invoice/lines/:id/fail', 'failure'],
      ['line.read', '5', '/invoices/:invoice/lines/:id', 'success'],
    ]);
    const [, { metadata }] = await ask('/shares/s3cr3t/6');
    expect(metadata).toMatchObject({ route: '/shares/:token/:id', path: '/shares/[redacted]/6' });
  });

  it('knows the route where app.param() fails, and what it has looked up', async () => {
    await start((app, say) => {
      app.param('id', (request, _response, next, id: string) => {
        Object.assign(request, { user: { id: `owner-of-${id}` } });
        next(id === 'none' ? Object.assign(new RangeError('no such thing'), { status: 404 }) : undefined);
      });
      app.get('/things/:id', say(), (_request, response) => void response.json({}));
    });
    const [, found] = await ask('/things/7');
    expect(found).toMatchObject({ action: 'thing.read', userId: 'owner-of-7', resourceId: '7' });
    const [answer, missing] = await ask('/things/none');
    expect(answer.status).toBe(404);
    expect(missing).toMatchObject({
      action: 'thing.read',
      resourceId: 'none',
      outcome: 'failure',
      metadata: { errorName: 'RangeError', statusCode: 404, route: '/things/:id' },
    });
  });

  it('finds mounts in a router that is mounted without a path', async () => {
    await start((app, say) => {
      const routes = library.Router();
      const reset = library.Router();
      reset.post('/confirm', (_request, response) => void response.json({}));
      const payments = library.Router();
      payments.use(say({ resource: 'payment', severity: 'high' }));
      const users = library.Router();
      users.get('/users', (_request, response) => void response.json({}));
      routes.use('/reset/:token', reset);
      routes.use('/v1', payments);
      routes.use('/v1', users);
      app.use(routes);
    });
    const [, { metadata }] = await ask('/reset/s3cr3t/confirm', { method: 'POST' });
    expect(metadata).toMatchObject({
      path: '/reset/[redacted]/confirm',
      route: '/reset/:token/confirm',
    });
    expect((await ask('/v1/users'))[1]).toMatchObject({ action: 'user.list', severity: 'low' });
  });

  it('keeps the intent of a request that has only passed a router which is left out', async () => {
    const directory = mkdtempSync(join(folder, 'journal-'));
    const intents: string[][] = [];
    await start(
      (app, say) => {
        const health = library.Router();
        health.use(say(false));
        app.use(health);
        app.post('/payments', (_request, response) => {
          const files = readdirSync(directory).map((name) => join(directory, name));
          const lines = files
            .filter((file) => statSync(file).isFile())
            .flatMap((file) => readFileSync(file, 'utf8').split('\n'));
          intents.push(lines.flatMap((line) => /^\w+ (intent|void)/.exec(line)?.[1] ?? []));
          response.json({});
        });
      },
      { delivery: { mode: 'durable', directory } },
    );
    await ask('/payments', { method: 'POST' });
    expect(intents[0]).toEqual(['intent']);
  });

  it('does not take a HEAD for a request of a route that has only passed it', async () => {
    await start((app) => {
      app.post('/things/:id', (_request, response) => void response.json({}));
      app.get('/lists/:id', (_request, response) => void response.json({}));
      app.all('/files/:id', (_request, response) => void response.json({}));
    });
    const [answer, { action, metadata }] = await ask('/things/1', { method: 'HEAD' });
    expect([answer.status, action, metadata['route']]).toEqual([404, 'http.request', undefined]);
    expect((await ask('/lists/1', { method: 'HEAD' }))[1].metadata['route']).toBe('/lists/:id');
    expect((await ask('/files/1', { method: 'HEAD' }))[1].metadata['route']).toBe('/files/:id');
  });

  it('keeps secrets in paths that no route takes, wherever their routes stand', async () => {
    const answer = (_request: Request, response: { json(body: unknown): unknown }) => void response.json({});
    const apps: Express[] = [];
    await start((app) => {
      app.get(['/reset/:token', '/r/:token'], answer);
      const lines = library.Router();
      lines.get('/lines', answer);
      app.use('/shares/:token', lines);
      const codes = library.Router();
      codes.get('/:secret', answer);
      app.use('/codes', codes);
      const within = library();
      within.get('/lists', answer);
      within.get('/invitations/:token', answer);
      app.use('/within', within);
      const inRouter = library();
      inRouter.get('/:id/:password', answer);
      app.use('/locks', library.Router().use(inRouter, library()));
      apps.push(app);
    });
    const stored = async (path: string) => (await ask(path, { method: 'POST' }))[1].metadata['path'];
    expect(await stored('/r/s3cr3t')).toBe('/r/[redacted]');
    expect(await stored('/shares/s3cr3t/none')).toBe('/shares/[redacted]/none');
    expect(await stored('/codes/s3cr3t')).toBe('/codes/[redacted]');
    expect(await stored('/locks/1/s3cr3t')).toBe('/locks/1/[redacted]');
    // Express does not tell what is in it before its first request.
    await routesOf('/within/lists');
    expect(await stored('/within/invitations/s3cr3t')).toBe('/within/invitations/[redacted]');
    for (const app of apps) app.get('/added/:token', answer).get('/later', answer);
    await routesOf('/later');
    expect(await stored('/added/s3cr3t')).toBe('/added/[redacted]');
  });

  it('keeps the secret of a mount, also where the first request to the application there fails', async () => {
    await start((app) => {
      const within = library();
      within.post('/confirm', () => {
        throw new TypeError('failed');
      });
      app.use('/reset/:token', within);
    });
    const [, { metadata }] = await ask('/reset/s3cr3t/confirm', { method: 'POST' });
    expect(metadata['path']).toBe('/reset/[redacted]/confirm');
  });

  it('takes nothing that a router beside an application within declares', async () => {
    await start((app, say) => {
      const payments = library.Router();
      payments.use(say({ resource: 'payment', severity: 'high' }));
      const within = library();
      within.get('/users', (_request, response) => void response.json({}));
      within.get('/users/fail', () => {
        throw new TypeError('failed');
      });
      app.use(say({ details: { of: 'all' } }));
      app.use('/api', payments);
      app.use('/api', within);
    });
    for (const path of ['/api/users', '/api/users/fail'])
      expect((await ask(path))[1]).toMatchObject({ resource: 'user', details: { of: 'all' } });
  });

  it('records with "annotated" nothing that has only passed what is annotated', async () => {
    await start(
      (app, say) => {
        app.use(say({ resource: 'thing' }));
        app.get('/things', (_request, response) => void response.json({}));
      },
      { capture: { requests: 'annotated' } },
    );
    expect((await send(url, { method: 'GET', path: '/nothing' })).status).toBe(404);
    expect((await ask('/things'))[1]).toMatchObject({ action: 'thing.list' });
    expect(await allOf(audit.service)).toHaveLength(1);
  });

  it('records static files: whole, unchanged, in part, and missing', async () => {
    await start((app) => app.use('/files', library.static(folder)));
    const [{ headers }, whole] = await ask('/files/page.txt');
    const [, unchanged] = await ask('/files/page.txt', { headers: { 'if-none-match': headers.etag! } });
    const [, part] = await ask('/files/page.txt', { headers: { range: 'bytes=0-9' } });
    const [, missing] = await ask('/files/none.txt');
    const [, outside] = await ask('/files/..%2fsecret.txt');
    expect(
      [whole, unchanged, part, missing, outside].map(({ action, outcome, category, metadata }) => [
        action,
        metadata['statusCode'],
        outcome,
        category,
      ]),
    ).toEqual([
      ['http.request', 200, 'success', 'data_access'],
      ['http.request', 304, 'success', 'data_access'],
      ['http.request', 206, 'success', 'data_access'],
      ['http.request', 404, 'failure', 'system'],
      ['http.request', 404, 'failure', 'system'],
    ]);
    expect(whole.metadata['path']).toBe('/files/page.txt');
  });

  it('records downloads: whole, missing, and left by the client', async () => {
    const large = join(folder, 'large.bin');
    writeFileSync(large, Buffer.alloc(16 * 1024 * 1024));
    await start((app) => {
      app.get('/downloads/:id', (request, response, next: NextFunction) =>
        response.download(join(folder, request.params.id), (error) => {
          if (error && !response.headersSent) next(error);
        }),
      );
      app.get('/reports/:id', async (_request, response) => {
        for await (const page of pages(3)) response.write(page);
        response.end();
      });
    });
    const [{ headers }, whole] = await ask('/downloads/page.txt');
    expect(headers['content-disposition']).toContain('attachment; filename=');
    expect(whole).toMatchObject({ action: 'download.read', resourceId: 'page.txt', outcome: 'success' });
    const [, missing] = await ask('/downloads/none.txt');
    expect(missing).toMatchObject({ outcome: 'failure', metadata: { statusCode: 404 } });
    const before = (await allOf(audit.service)).length;
    await send(url, { method: 'GET', path: '/downloads/large.bin', leaves: 'answering' });
    await vi.waitUntil(async () => (await allOf(audit.service)).length > before, { timeout: 5_000 });
    expect((await allOf(audit.service)).at(-1)).toMatchObject({
      outcome: 'partial',
      resourceId: 'large.bin',
      metadata: { aborted: true, statusCode: 200 },
    });
    expect((await ask('/reports/3'))[1]).toMatchObject({ action: 'report.read', outcome: 'success' });
  });

  it('knows the session of express-session, that a login makes anew', async () => {
    await start((app, say) => {
      app.use(
        session({ secret: 'secret', resave: false, saveUninitialized: false, genid: () => 'session-1' }),
      );
      app.post('/sessions', say({ action: 'session.login' }), (request, response, next: NextFunction) =>
        request.session.regenerate((error: unknown) => {
          Object.assign(request, { user: { id: 'ann', tenantId: 'acme' } });
          Object.assign(request.session, { userId: 'ann' });
          if (error) next(error);
          else response.json({});
        }),
      );
      app.get('/things', (request, response) => {
        const { userId } = request.session as { userId?: string };
        response.json({ userId });
      });
    });
    const [{ headers }, login] = await ask('/sessions', { method: 'POST' });
    expect(login).toMatchObject({ action: 'session.login', userId: 'ann', sessionId: 'session-1' });
    const cookie = headers['set-cookie']![0]!.split(';')[0]!;
    const [, list] = await ask('/things', { headers: { cookie } });
    expect(list).toMatchObject({ action: 'thing.list', sessionId: 'session-1' });
  });

  it('knows whom Passport has authenticated, and whom it has refused', async () => {
    const strategy = new Strategy((token, done) => {
      const user = userOf(`Bearer ${token}`);
      done(null, user ?? false);
    });
    const authenticator = new passport.Passport();
    authenticator.use(strategy);
    await start((app, say) => {
      app.use(authenticator.initialize());
      const authenticate = authenticator.authenticate('bearer', { session: false }) as express.RequestHandler;
      app.get('/things', authenticate, say(), (_request, response) => void response.json([]));
    });
    const [, allowed] = await ask('/things', { headers: { authorization: 'Bearer ann@acme' } });
    expect(allowed).toMatchObject({
      action: 'thing.list',
      userId: 'ann',
      tenantId: 'acme',
      outcome: 'success',
    });
    const [{ status }, refused] = await ask('/things', { headers: { authorization: 'Bearer nobody' } });
    expect(status).toBe(401);
    expect(refused).toMatchObject({
      action: 'thing.list',
      category: 'authentication',
      outcome: 'failure',
      metadata: { actorType: 'anonymous', statusCode: 401 },
    });
    expect(refused.userId).toBeUndefined();
  });

  it('finds the current request again where a middleware has lost its context', async () => {
    const elsewhere = new AsyncResource('connection');
    await start((app, say) => {
      app.use((_request, _response, next) => elsewhere.runInAsyncScope(next));
      app.get('/things', say(), (_request, response) => {
        response.json({ annotated: audit.service.annotate({ details: { found: true } }) || true });
      });
    });
    expect((await ask('/things'))[1].details).toEqual({ found: true });
  });

  it('asks the guard for every route after it, also of requests whose middleware was taken away', async () => {
    await start((app) => {
      app.use((_request, _response, next) => next());
    });
    const app = library();
    app.use(audit.guard);
    app.get('/things', (_request, response) => void response.json([]));
    url = await listen(app);
    expect((await send(url, { method: 'GET', path: '/things' })).status).toBe(200);
    await vi.waitUntil(async () => (await allOf(audit.service)).length === 1, { timeout: 5_000 });
    expect(audit.service.status().unhooked).toBe(1);
  });

  it('refuses what audited() has no audit for, and a strict route that has no journal', async () => {
    await start(
      (app, say) => {
        app.get('/things', say({ delivery: 'strict' }), (_request, response) => void response.json([]));
      },
      { delivery: { mode: 'buffered' } },
    );
    const answer = await send(url, { method: 'GET', path: '/things' });
    expect(answer.status).toBe(500);
    expect(answer.body).toContain('needs a journal');
    const app = library();
    app.get('/things', audited(), (_request, response) => void response.json([]));
    expect((await send(await listen(app), { method: 'GET', path: '/things' })).status).toBe(500);
  });
});
