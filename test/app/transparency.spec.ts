// The audit changes no answer, no header and no status, and survives whatever an application hands it.
import 'reflect-metadata';
import {
  Body,
  Controller,
  Get,
  Global,
  Module,
  Post,
  Req,
  ValidationPipe,
  VersioningType,
} from '@nestjs/common';
import type { INestApplication, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AsyncResource } from 'node:async_hooks';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Audit, AuditModule, AuditService } from 'nest-audit-trail';
import { AccountingModule, AuthModule, bearer } from '../support/accounting.module.js';
import { send } from '../support/http-client.js';
import type { Call } from '../support/http-client.js';

/** Stands where the audit would be, so that the bare application's controllers find something to call. */
@Global()
@Module({
  providers: [{ provide: AuditService, useValue: { annotate: () => true } }],
  exports: [AuditService],
})
class NoAuditModule {}

async function start(
  audit: Parameters<typeof Module>[0]['imports'] & object,
  controllers: Type[] = [],
  configure: (app: INestApplication) => void = () => undefined,
): Promise<INestApplication> {
  @Module({ imports: [AuthModule, AccountingModule, ...audit], controllers })
  class Root {}
  const app = await NestFactory.create(Root, { logger: false });
  app.setGlobalPrefix('api', { exclude: ['health', 'health/silent'] });
  app.enableVersioning({ type: VersioningType.URI });
  app.useGlobalPipes(new ValidationPipe());
  app.enableCors();
  configure(app);
  await app.listen(0, '127.0.0.1');
  return app;
}

const portOf = (app: INestApplication) => (app.getHttpServer().address() as AddressInfo).port;
const audited = () => AuditModule.forRoot({ database: { type: 'better-sqlite3', database: ':memory:' } });

const CALLS: readonly Call[] = [
  { path: '/api/invoices' },
  { path: '/api/invoices/1' },
  { method: 'HEAD', path: '/api/invoices/1' },
  { method: 'OPTIONS', path: '/api/invoices/1' },
  {
    method: 'OPTIONS',
    path: '/api/invoices',
    headers: { origin: 'https://x.example', 'access-control-request-method': 'POST' },
  },
  { method: 'POST', path: '/api/invoices', body: '{"customer":"x","amount":1}' },
  { method: 'POST', path: '/api/invoices', body: '{"customer":1}' },
  { method: 'POST', path: '/api/invoices', body: '{"customer":' },
  { method: 'POST', path: '/api/invoices', body: JSON.stringify({ customer: 'x'.repeat(200_000) }) },
  {
    method: 'POST',
    path: '/api/invoices',
    body: 'a=b',
    headers: { 'content-type': 'text/plain; charset=nonsense' },
  },
  { method: 'DELETE', path: '/api/invoices/1' },
  { method: 'PATCH', path: '/api/invoices/1' },
  { method: 'POST', path: '/api/invoices/batch' },
  { method: 'POST', path: '/api/invoices/1/approve' },
  { method: 'POST', path: '/api/invoices/1/approve', headers: bearer('bob', 'acme', 's', 'approver') },
  { path: '/api/invoices/1/document' },
  { path: '/api/invoices/missing' },
  { path: '/api/faults/error' },
  { path: '/api/faults/string' },
  { path: '/api/faults/interceptor' },
  { path: '/api/faults/pipe/x' },
  { path: '/api/faults/filter' },
  { path: '/api/faults/serialisation' },
  { path: '/api/faults/timeout' },
  { path: '/api/faults/protected' },
  { method: 'POST', path: '/api/faults/accepted-late' },
  { path: '/api/streams/file' },
  { path: '/api/streams/events' },
  { path: '/api/streams/manual' },
  { path: '/api/streams/session?page=1', headers: { 'x-forwarded-for': '203.0.113.1' } },
  { path: '/api/sessions/enveloped' },
  { path: '/api/v2/versioned' },
  { path: '/health' },
  { path: '/nowhere' },
  { path: '/api/%zz' },
];

describe('transparency', () => {
  let bare: INestApplication;
  let withAudit: INestApplication;

  beforeAll(async () => {
    bare = await start([NoAuditModule]);
    withAudit = await start([audited()]);
  });

  afterAll(async () => {
    await bare?.close();
    await withAudit?.close();
  });

  it.each(CALLS)('answers alike with and without audit: $method $path', async (call) => {
    const [expected, actual] = [await send(portOf(bare), call), await send(portOf(withAudit), call)];
    for (const answer of [expected, actual]) delete answer.headers.date;
    // Nest tells the time of an error in its own timeout answers only; nothing else differs between two runs.
    expect(actual).toEqual(expected);
  });

  it('reads back every call', async () => {
    const audit = withAudit.get(AuditService);
    await audit.flush();
    expect((await audit.statistics({ allTenants: true })).total).toBe(CALLS.length);
  });
});

@Audit()
@Controller('shapes')
class ShapesController {
  seen: (request: object, response: object) => unknown = () => ({});

  @Get(':id') read(@Req() request: IncomingMessage & { readonly res: object }) {
    return this.seen(request, request.res);
  }

  @Post() create(@Req() request: IncomingMessage & { readonly res: object }, @Body() body: unknown) {
    this.seen(request, request.res);
    return { body };
  }
}

describe('requests of Express', () => {
  const apps: INestApplication[] = [];

  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
  });

  async function startWith(imports: Parameters<typeof start>[0]): Promise<INestApplication> {
    @Module({ imports, controllers: [ShapesController] })
    class Root {}
    const app = await NestFactory.create(Root, { logger: false });
    apps.push(app);
    await app.listen(0, '127.0.0.1');
    return app;
  }

  it('keep what a server in front of Express has put on them', async () => {
    const answers = [];
    for (const app of [await startWith([]), await startWith([audited()])]) {
      const express = app.getHttpAdapter().getInstance() as (q: IncomingMessage, s: ServerResponse) => void;
      // As platforms of functions do: the body is parsed already, and the path rewritten.
      const server = createServer((request, response) => {
        Object.assign(request, { body: { parsed: 'before' }, originalUrl: '/before/shapes' });
        Object.assign(response, { locals: { set: 'before' }, statusMessage: 'Before' });
        if (request.url === '/shapes?fixed') {
          Object.defineProperty(request, 'body', { get: () => ({ parsed: 'when asked for' }) });
        }
        express(request, response);
      });
      app.get(ShapesController).seen = (request, response) => {
        const { originalUrl } = request as { originalUrl?: string };
        answers.push({ originalUrl, locals: (response as { locals?: unknown }).locals });
      };
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      try {
        const { port } = server.address() as AddressInfo;
        for (const path of ['/shapes', '/shapes?fixed']) {
          const { status, body } = await send(port, { method: 'POST', path });
          answers.push({ status, body });
        }
      } finally {
        server.close();
      }
    }
    const seen = { originalUrl: '/before/shapes', locals: { set: 'before' } };
    expect(answers.slice(0, 4)).toEqual([
      seen,
      { status: 201, body: '{"body":{"parsed":"before"}}' },
      seen,
      { status: 201, body: '{"body":{"parsed":"when asked for"}}' },
    ]);
    expect(answers.slice(4)).toEqual(answers.slice(0, 4));
  });

  /** By what the application begins with. */
  async function beforeTheFirstMiddleware(imports: Parameters<typeof start>[0]): Promise<Standing[]> {
    @Module({ imports, controllers: [ShapesController] })
    class Root {}
    const app = await NestFactory.create(Root, { logger: false, bodyParser: false });
    apps.push(app);
    const seen: Standing[] = [];
    app.use((request: object, response: object, next: () => void) => {
      seen.push(standingOf(request), standingOf(response));
      next();
    });
    await app.listen(0, '127.0.0.1');
    await send(portOf(app), { method: 'POST', path: '/shapes', body: '{}' });
    return seen;
  }

  it('differ before the first middleware in functions that are wrapped, and in symbols of ours', async () => {
    const [bareRequest, bareResponse] = await beforeTheFirstMiddleware([]);
    const [request, response] = await beforeTheFirstMiddleware([audited()]);
    const mark = 'Symbol(nest-audit-trail)';
    // With a journal, `write` and `flushHeaders` too.
    const wrapped = ['destroy', 'end', 'writeHead'];
    expect(request).toEqual({ ...bareRequest, keys: [...bareRequest!.keys, mark].sort() });
    expect(response).toEqual({ ...bareResponse, keys: [...bareResponse!.keys, ...wrapped, mark].sort() });
  });

  it('are the same to whoever asks whether a body was parsed', async () => {
    const answers = [];
    for (const imports of [[], [audited()]]) {
      @Module({ imports })
      class Root {}
      const app = await NestFactory.create(Root, { logger: false, bodyParser: false });
      apps.push(app);
      // As @trpc/server decides whether to read the body itself, and @apollo/server whether it can work at all.
      app.use('/trpc', (request: IncomingMessage, response: ServerResponse) => {
        if ('body' in request) response.end(JSON.stringify(request.body));
        else request.pipe(response);
      });
      app.use('/apollo', (request: IncomingMessage, response: ServerResponse) => {
        response.statusCode = 'body' in request ? 200 : 500;
        response.end();
      });
      await app.listen(0, '127.0.0.1');
      for (const path of ['/trpc', '/apollo']) {
        const { status, body } = await send(portOf(app), { method: 'POST', path, body: '{"a":1}' });
        answers.push([path, status, body]);
      }
    }
    expect(answers.slice(0, 2)).toEqual([
      ['/trpc', 200, '{"a":1}'],
      ['/apollo', 500, ''],
    ]);
    expect(answers.slice(2)).toEqual(answers.slice(0, 2));
  });
});

interface Standing {
  readonly keys: readonly string[];
  /** The constructors of its prototypes, from the nearest. */
  readonly kinds: readonly string[];
  /** The names that somebody might ask for which are in it. */
  readonly has: readonly string[];
}

const ASKED_FOR = [
  'auth',
  'baseUrl',
  'body',
  'cookies',
  'file',
  'files',
  'headersSent',
  'ip',
  'locals',
  'next',
  'originalUrl',
  'params',
  'query',
  'rawBody',
  'res',
  'route',
  'session',
  'signedCookies',
  'statusMessage',
  'user',
];

function standingOf(one: object): Standing {
  const kinds: string[] = [];
  for (let proto = one; proto; proto = Object.getPrototypeOf(proto) as object) {
    kinds.push(String(Object.getOwnPropertyDescriptor(proto, 'constructor')?.value?.name));
  }
  return {
    keys: Reflect.ownKeys(one).map(String).sort(),
    kinds,
    has: ASKED_FOR.filter((name) => name in one),
  };
}

const traps = new Proxy(
  {},
  {
    get() {
      throw new Error('get');
    },
    ownKeys() {
      throw new Error('ownKeys');
    },
  },
);

class Trapped {
  get id(): string {
    throw new Error('id');
  }

  toJSON() {
    return { fine: true };
  }
}

@Audit()
@Controller('hostile')
class HostileController {
  constructor(private readonly audit: AuditService) {}

  @Get('details') @Audit({ details: () => traps }) details() {
    return { fine: true };
  }

  @Get('throws')
  @Audit({
    details: () => {
      throw new Error('details');
    },
    resourceId: () => {
      throw new Error('id');
    },
    outcome: () => 'ok' as 'success',
  })
  throws() {
    return { fine: true };
  }

  @Get('rejects') @Audit({ details: (() => Promise.reject(new Error('later'))) as never }) rejects() {
    return { fine: true };
  }

  @Get('result') result() {
    return new Trapped();
  }

  @Get('stream-like') streamLike() {
    return {
      fine: true,
      getHeaders: () => ({}),
      getStream() {
        throw new Error('no stream');
      },
    };
  }

  @Get('annotation') annotation() {
    this.audit.annotate({
      outcome: 'ok' as 'success',
      severity: 'huge' as 'low',
      userId: { toString: () => 7 } as never,
      details: {
        get broken() {
          throw new Error('getter');
        },
        fn: () => 1,
        kept: 'yes',
      },
    });
    return { fine: true };
  }

  @Get('name') name() {
    this.audit.annotate({ constructor: 'of every object', details: { kept: 'yes' } } as never);
    return { fine: true };
  }
}

describe('an application that loses the context of its requests', () => {
  let app: INestApplication | undefined;

  afterEach(() => app?.close());

  it('is audited all the same', async () => {
    // As a session store that calls back from its connection's context, not from the request's.
    const elsewhere = new AsyncResource('connection');
    app = await start([audited()], [], (nest) =>
      nest.use((_request: unknown, _response: unknown, next: () => void) => elsewhere.runInAsyncScope(next)),
    );
    const headers = { ...bearer('ann'), 'x-request-id': 'annotated' };
    await send(portOf(app), { method: 'PUT', path: '/api/invoices/7', body: '{"amount":2}', headers });
    await send(portOf(app), { path: '/api/faults/error', headers: { 'x-request-id': 'failed' } });
    const audit = app.get(AuditService);
    await audit.flush();
    const { events } = await audit.find({ allTenants: true, order: 'oldest' });
    expect(events).toMatchObject([
      { userId: 'ann', details: { 'changes.amount.after': 2 } },
      { outcome: 'failure', metadata: { errorName: 'Error' } },
    ]);
  });
});

describe('hostile applications', () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  let app: INestApplication;

  beforeAll(async () => {
    process.on('unhandledRejection', note);
    app = await start([audited()], [HostileController]);
  });

  afterAll(async () => {
    await app?.close();
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
  });

  it.each([
    ['details', { stageErrors: ['details'] }],
    ['throws', { stageErrors: ['details', 'resourceId', 'outcome'] }],
    ['rejects', { stageErrors: ['details'] }],
    ['result', {}],
    ['stream-like', { stageErrors: ['result'] }],
    ['annotation', { stageErrors: ['annotate.outcome', 'annotate.severity', 'annotate.userId'] }],
    ['name', { stageErrors: ['annotate.constructor'] }],
  ])('answers and records a request whose %s misbehaves', async (path, metadata) => {
    const answer = await send(portOf(app), {
      path: `/api/hostile/${path}`,
      headers: { 'x-request-id': path },
    });
    expect(answer).toMatchObject({ status: 200, body: '{"fine":true}' });
    const audit = app.get(AuditService);
    await audit.flush();
    const { events } = await audit.find({ allTenants: true, metadata: { requestId: path } });
    expect(events).toMatchObject([{ outcome: 'success', metadata }]);
    if (path === 'annotation') expect(events[0]!.details).toEqual({ broken: '[unreadable]', kept: 'yes' });
    if (path === 'name') expect(events[0]!.details).toEqual({ kept: 'yes' });
  });
});
