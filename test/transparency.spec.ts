// The audit changes no answer, no header and no status, and survives whatever an application hands it.
import 'reflect-metadata';
import { Controller, Get, Global, Module, ValidationPipe, VersioningType } from '@nestjs/common';
import type { INestApplication, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AsyncResource } from 'node:async_hooks';
import type { AddressInfo } from 'node:net';
import { Audit, AuditModule, AuditService } from 'nest-audit-trail';
import { AccountingModule, AuthModule, bearer } from './app/accounting.module.js';
import { send } from './app/http-client.js';
import type { Call } from './app/http-client.js';

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
  });
});
