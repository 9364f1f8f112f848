// What Fastify alone has: replies that are hijacked or raw, injected requests, timeouts, scopes, and errors that answer.
import fastify from 'fastify';
import type { FastifyInstance, FastifyServerOptions } from 'fastify';
import type { AuditLogEvent } from 'nest-audit-trail';
import { auditTrail } from 'nest-audit-trail/fastify';
import type { PlainAuditOptions } from 'nest-audit-trail/fastify';
import { allOf } from './door.js';
import { send } from './send.js';
import type { Answer, Sent } from './send.js';

describe('Fastify', () => {
  let apps: FastifyInstance[] = [];
  let audited: FastifyInstance;
  let urls: readonly [audited: string, bare: string];

  afterEach(async () => {
    for (const app of apps) await app.close();
    apps = [];
  });

  /** The same application with the audit and without it. */
  async function start(
    build: (app: FastifyInstance) => void,
    server: FastifyServerOptions = {},
    options: PlainAuditOptions = {},
  ): Promise<void> {
    const create = async (isAudited: boolean) => {
      const app = fastify({ ...server, forceCloseConnections: true }) as unknown as FastifyInstance;
      apps.push(app);
      const database = { type: 'better-sqlite3', database: ':memory:' } as const;
      if (isAudited) await app.register(auditTrail, { database, ...options });
      build(app);
      return [app, await app.listen({ host: '127.0.0.1', port: 0 })] as const;
    };
    const [[app, url], [, bareUrl]] = [await create(true), await create(false)];
    audited = app;
    urls = [url, bareUrl];
  }

  async function events(count: number): Promise<AuditLogEvent[]> {
    const { service } = audited.audit;
    await vi.waitUntil(async () => (await allOf(service)).length >= count, { timeout: 5_000 });
    const all = await allOf(service);
    expect(all).toHaveLength(count);
    return all;
  }

  /** The answer, which is what it is without the audit. */
  async function ask(path: string, more: Partial<Sent> = {}): Promise<Answer> {
    const sent = { method: 'GET', path, ...more };
    const [answer, bare] = [await send(urls[0], sent), await send(urls[1], sent)];
    for (const { headers } of [answer, bare]) delete headers.date;
    expect(answer).toEqual(bare);
    return answer;
  }

  it('is told the id of a request by its header, unless Fastify has more than a counter', async () => {
    const build = (app: FastifyInstance) => void app.get('/things/:id', async () => ({}));
    const headers = { 'x-request-id': 'of-the-proxy' };
    await start(build);
    await ask('/things/1');
    await ask('/things/2', { headers });
    expect((await events(2)).map(({ metadata }) => metadata['requestId'])).toEqual(['req-1', 'of-the-proxy']);
    await start(build, { genReqId: () => 'own' });
    await ask('/things/3', { headers });
    expect((await events(1)).map(({ metadata }) => metadata['requestId'])).toEqual(['own']);
  });

  it('has what each route declares, also where several differ by a constraint alone', async () => {
    await start((app) => {
      const config = (audit: { readonly severity: 'high' } | false) => ({ config: { audit } });
      const version = (value: string) => ({ constraints: { version: value } });
      app.get('/things', { ...version('1.0.0'), ...config({ severity: 'high' }) }, async () => ({}));
      app.get('/things', { ...version('2.0.0'), ...config(false) }, async () => ({}));
    });
    for (const version of ['2.0.0', '1.0.0'])
      await ask('/things', { headers: { 'accept-version': version } });
    expect(await events(1)).toMatchObject([{ action: 'thing.list', severity: 'high' }]);
  });

  it('says so where a route was made before the audit was there', async () => {
    const app = fastify({ forceCloseConnections: true }) as unknown as FastifyInstance;
    apps.push(app);
    const logged: string[] = [];
    app.log.error = ((message: string) => void logged.push(message)) as never;
    void app.register(auditTrail, { database: { type: 'better-sqlite3', database: ':memory:' } });
    app.post('/things', { config: { audit: { severity: 'high' } } }, async () => ({}));
    urls = [await app.listen({ host: '127.0.0.1', port: 0 }), ''];
    audited = app;
    await send(urls[0], { method: 'POST', path: '/things' });
    expect(await events(1)).toMatchObject([{ action: 'thing.create', severity: 'high' }]);
    expect(logged.join()).toContain('POST /things was made before the audit was there');
  });

  it('records replies that are hijacked, raw, or sent by hooks', async () => {
    await start((app) => {
      app.get('/hijacked/:id', (_request, reply) => {
        reply.hijack();
        reply.raw.writeHead(202).end('by hand');
      });
      app.get('/raw/:id', (_request, reply) => void reply.raw.end('raw'));
      const onRequest = async (
        _request: unknown,
        reply: { status(code: number): { send(body: string): void } },
      ) => reply.status(429).send('too many');
      app.get('/limited/:id', { onRequest: onRequest as never }, async () => 'not reached');
      app.get('/changed/:id', {
        handler: async () => ({ id: 'its own' }),
        onSend: async (_request, reply, payload) => {
          reply.status(203);
          return payload;
        },
      });
    });
    for (const path of ['/hijacked/1', '/raw/2', '/limited/3', '/changed/4']) await ask(path);
    expect(
      (await events(4)).map(({ action, resourceId, outcome, category, metadata }) => [
        action,
        resourceId,
        metadata['statusCode'],
        outcome,
        category,
        metadata['stage'],
      ]),
    ).toEqual([
      ['hijacked.read', '1', 202, 'success', 'data_access', undefined],
      ['raw.read', '2', 200, 'success', 'data_access', undefined],
      ['limited.read', '3', 429, 'failure', 'security', 'guard'],
      ['changed.read', '4', 203, 'success', 'data_access', undefined],
    ]);
  });

  it('records injected requests: answered, failed, refused and lost', async () => {
    await start((app) => {
      app.post('/things', async () => ({ id: '7' }));
      app.get('/things/:id', async () => {
        throw new TypeError('failed');
      });
    });
    expect((await audited.inject({ method: 'POST', url: '/things', payload: {} })).json()).toEqual({
      id: '7',
    });
    expect((await audited.inject('/things/8')).statusCode).toBe(500);
    const headers = { 'content-type': 'application/json' };
    expect((await audited.inject({ method: 'POST', url: '/things', headers, payload: '{' })).statusCode).toBe(
      400,
    );
    expect((await audited.inject('/none')).statusCode).toBe(404);
    expect(
      (await events(4)).map(({ action, resourceId, outcome, metadata }) => [
        action,
        resourceId,
        outcome,
        metadata['statusCode'],
        metadata['aborted'],
      ]),
    ).toEqual([
      ['thing.create', '7', 'success', 200, undefined],
      ['thing.read', '8', 'failure', 500, undefined],
      ['http.request', undefined, 'failure', 400, undefined],
      ['http.request', undefined, 'failure', 404, undefined],
    ]);
  });

  it('records what takes too long for the connection, beside the onTimeout hooks', async () => {
    let timeouts = 0;
    await start(
      (app) => {
        app.addHook('onTimeout', async () => void (timeouts += 1));
        app.get('/slow/:id', () => new Promise(() => undefined));
      },
      { connectionTimeout: 1_000 },
    );
    expect((await ask('/slow/1')).status).toBeUndefined();
    expect(await events(1)).toMatchObject([
      { action: 'slow.read', resourceId: '1', outcome: 'partial', metadata: { aborted: true } },
    ]);
    await vi.waitUntil(() => timeouts === 2, { timeout: 5_000 });
  });

  it("leaves errors to the application's handlers, in each scope", async () => {
    await start((app) => {
      app.setNotFoundHandler((_request, reply) => void reply.status(404).send('nothing here'));
      app.register(
        async (scope) => {
          scope.setErrorHandler((error, _request, reply) => {
            void reply.status(error instanceof RangeError ? 416 : 500).send('handled');
          });
          scope.get('/things/:id', async () => {
            throw new RangeError('out of range');
          });
          scope.get('/nulls/:id', () => Promise.reject(null));
        },
        { prefix: '/scope' },
      );
      app.get('/serialised/:id', {
        schema: {
          response: { 200: { type: 'object', required: ['id'], properties: { id: { type: 'string' } } } },
        },
        handler: async () => ({}) as never,
      });
    });
    for (const path of ['/scope/things/1', '/scope/nulls/2', '/serialised/3', '/none']) await ask(path);
    expect(
      (await events(4)).map(({ action, outcome, metadata }) => [
        action,
        metadata['route'],
        metadata['statusCode'],
        outcome,
        metadata['errorName'],
      ]),
    ).toEqual([
      ['thing.read', '/scope/things/:id', 416, 'failure', 'RangeError'],
      ['null.read', '/scope/nulls/:id', 500, 'failure', 'null'],
      ['serialised.read', '/serialised/:id', 500, 'failure', 'Error'],
      ['http.request', undefined, 404, 'failure', undefined],
    ]);
  });

  it('reads what the handler returned before the application wraps it', async () => {
    await start((app) => {
      app.post('/things', {
        handler: async () => ({ id: 'inner' }),
        preSerialization: async (_request, _reply, data) => ({ data }),
      });
    });
    expect((await ask('/things', { method: 'POST' })).body).toBe('{"data":{"id":"inner"}}');
    expect(await events(1)).toMatchObject([{ action: 'thing.create', resourceId: 'inner' }]);
  });
});
