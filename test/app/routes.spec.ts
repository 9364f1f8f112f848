// How Nest applications are really written: scoped filters, wrapped handlers, silenced controllers, base classes,
// middleware that refuses, sources that fail, clients that send too much.
import 'reflect-metadata';
import {
  Body,
  Catch,
  Controller,
  Get,
  Module,
  NotFoundException,
  Post,
  Res,
  Scope,
  Sse,
  StreamableFile,
  UnauthorizedException,
  UseInterceptors,
} from '@nestjs/common';
import type {
  ArgumentsHost,
  CallHandler,
  ExceptionFilter,
  ExecutionContext,
  INestApplication,
  MiddlewareConsumer,
  NestInterceptor,
} from '@nestjs/common';
import { APP_FILTER, NestFactory } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import type { Response } from 'express';
import { errorMonitor } from 'node:events';
import { createReadStream } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { concat, of, throwError } from 'rxjs';
import { Audit, AuditModule, AuditService, NoAudit } from 'nest-audit-trail';
import { send } from '../support/http-client.js';
import type { Call } from '../support/http-client.js';

/** As decorators of tracing and caching packages do: replaces the method by a function without a name. */
function Wrapped(): MethodDecorator {
  return (_target, _key, descriptor: PropertyDescriptor) => {
    const original = descriptor.value as (...args: unknown[]) => unknown;
    descriptor.value = (() =>
      function (this: unknown, ...args: unknown[]) {
        return original.apply(this, args);
      })();
    for (const key of Reflect.getMetadataKeys(original)) {
      Reflect.defineMetadata(key, Reflect.getMetadata(key, original), descriptor.value as object);
    }
  };
}

@Catch()
class ScopedFilter implements ExceptionFilter {
  catch(_error: unknown, host: ArgumentsHost): void {
    host.switchToHttp().getResponse<Response>().status(200).json({ hidden: true });
  }
}

/** Serves many responses, and outlives each. */
const shared = new PassThrough();

class PassOn implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler) {
    return next.handle();
  }
}

class BaseController {
  constructor(readonly audit: AuditService) {}

  @Get('inherited') inherited() {
    return { id: 'from-base' };
  }
}

@Controller('widgets')
class WidgetsController extends BaseController {
  constructor(audit: AuditService) {
    super(audit);
  }

  @Wrapped() @Post(':key/approve') approve() {
    return {};
  }

  @Get('hidden') hidden(): never {
    throw new NotFoundException();
  }

  @Sse('refusing') async refusing(): Promise<never> {
    await delay(20);
    throw new NotFoundException();
  }

  @UseInterceptors(PassOn) @Sse('failing') failing() {
    return concat(
      of({ data: 'one' }),
      throwError(() => new RangeError('source failed')),
    );
  }

  @Post('flood')
  @Audit({ body: true, query: true, details: () => ({ approvedAmount: 42 }) })
  flood(@Body() body: object) {
    this.audit.annotate({
      details: { approver: 'ann', 'body.k1': 'mine' },
      metadata: { statusCode: 1, note: 'kept' },
    });
    return { keys: Object.keys(body).length };
  }

  @Get('missing') missing() {
    return new StreamableFile(createReadStream('/nowhere/at/all.csv'));
  }

  @Get('shared') sharedStream(@Res() response: Response): void {
    shared.pipe(response, { end: false });
    shared.unpipe(response);
    response.end('done');
  }

  @Get('changed') changed() {
    const details = { amount: 1, changes: { a: 1 } };
    this.audit.annotate({ details });
    details.amount = 999;
    this.audit.annotate({ details: { changes: { b: 2 } } });
    return {};
  }
}

@NoAudit()
@Controller('quiet')
class QuietController {
  @Get('silent') silent() {
    return {};
  }

  @Get('spoken') @Audit('quiet.export') spoken() {
    return {};
  }
}

@Audit()
@Controller('loud-child')
class LoudChildController extends QuietController {}

@Audit('loud.any')
@Controller('loud')
class LoudController {
  @Get('silent') @NoAudit() silent() {
    return {};
  }

  @Get('spoken') spoken() {
    return {};
  }
}

@Module({
  imports: [AuditModule.forRoot({ database: { type: 'better-sqlite3', database: ':memory:' } })],
  controllers: [WidgetsController, QuietController, LoudController, LoudChildController],
  providers: [{ provide: APP_FILTER, useClass: ScopedFilter, scope: Scope.REQUEST }],
})
class RoutesModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer
      .apply((request: Request, _response: unknown, next: (error?: unknown) => void) =>
        next(request.headers['x-refuse'] ? new UnauthorizedException() : undefined),
      )
      .forRoutes('*path');
  }
}

interface Request {
  readonly headers: Readonly<Record<string, unknown>>;
}

describe('routes as applications write them', () => {
  let app: INestApplication;
  let second: INestApplication | undefined;

  beforeAll(async () => {
    app = await NestFactory.create(RoutesModule, { logger: false });
    await app.listen(0, '127.0.0.1');
  });

  afterAll(async () => {
    await second?.close();
    await app?.close();
  });

  async function eventsOf(call: Call, of = app) {
    const { port } = of.getHttpServer().address() as AddressInfo;
    const requestId = `r-${Math.random()}`;
    const answer = await send(port, { ...call, headers: { ...call.headers, 'x-request-id': requestId } });
    const audit = of.get(AuditService);
    await audit.flush();
    return { answer, ...(await audit.find({ allTenants: true, metadata: { requestId } })) };
  }

  it('sees the error that a request-scoped filter hides', async () => {
    const { answer, events } = await eventsOf({ path: '/widgets/hidden' });
    expect(answer).toMatchObject({ status: 200, body: '{"hidden":true}' });
    expect(events).toMatchObject([
      { outcome: 'failure', metadata: { errorName: 'NotFoundException', statusCode: 200 } },
    ]);
  });

  it('names a wrapped handler by its method', async () => {
    const { events } = await eventsOf({ method: 'POST', path: '/widgets/7/approve' });
    expect(events).toMatchObject([
      { action: 'widget.approve', metadata: { handler: 'WidgetsController.approve' } },
    ]);
  });

  it('audits an inherited handler under the class that is mounted', async () => {
    const { events } = await eventsOf({ path: '/widgets/inherited' });
    expect(events).toMatchObject([
      {
        action: 'widget.inherited',
        resourceId: 'from-base',
        metadata: { handler: 'WidgetsController.inherited' },
      },
    ]);
  });

  it('lets a handler speak over its controller', async () => {
    expect((await eventsOf({ path: '/quiet/silent' })).events).toEqual([]);
    expect((await eventsOf({ path: '/quiet/spoken' })).events).toMatchObject([{ action: 'quiet.export' }]);
    expect((await eventsOf({ path: '/loud/silent' })).events).toEqual([]);
    expect((await eventsOf({ path: '/loud/spoken' })).events).toMatchObject([{ action: 'loud.any' }]);
  });

  it('lets a controller speak over the class that it extends', async () => {
    expect((await eventsOf({ path: '/loud-child/silent' })).events).toMatchObject([
      { action: 'loud-child.silent' },
    ]);
  });

  it('tells server-sent events whose source fails from those that end', async () => {
    const { answer, events } = await eventsOf({ path: '/widgets/failing' });
    expect(answer.status).toBe(200);
    expect(events).toMatchObject([
      { outcome: 'partial', metadata: { errorName: 'RangeError', statusCode: 200 } },
    ]);
  });

  it('has a handler of server-sent events refuse as it does without the audit', async () => {
    const { answer, events } = await eventsOf({ path: '/widgets/refusing' });
    // As the filter of this application answers, and no stream.
    expect(answer).toMatchObject({ status: 200, body: '{"hidden":true}' });
    expect(events).toMatchObject([
      { outcome: 'failure', metadata: { errorName: 'NotFoundException', statusCode: 200 } },
    ]);
  });

  it('tells a file that can not be opened from one that breaks off', async () => {
    const { answer, events } = await eventsOf({ path: '/widgets/missing' });
    expect(answer.status).toBe(400);
    expect(events).toMatchObject([{ outcome: 'failure', metadata: { errorName: 'Error', statusCode: 400 } }]);
    expect(events[0]!.metadata).not.toHaveProperty('aborted');
  });

  it('tells what a middleware refuses', async () => {
    const { answer, events } = await eventsOf({ path: '/widgets/changed', headers: { 'x-refuse': 'yes' } });
    expect(answer.status).toBe(401);
    expect(events).toMatchObject([
      {
        action: 'http.request',
        category: 'authentication',
        outcome: 'failure',
        metadata: { stage: 'middleware', statusCode: 401 },
      },
    ]);
  });

  it("keeps the application's facts, however much a client sends", async () => {
    const keys = Array.from({ length: 400 }, (_, index) => [`k${index}`, index] as const);
    const { events } = await eventsOf({
      method: 'POST',
      path: `/widgets/flood?${keys.map(([key]) => `${key}=1&${key}=2`).join('&')}`,
      body: JSON.stringify(Object.fromEntries(keys)),
    });
    expect(events).toMatchObject([
      {
        details: {
          approver: 'ann',
          approvedAmount: 42,
          'query.k0': ['1', '2'],
          'body.k1': 'mine',
          '…': expect.stringMatching(/more cut$/),
        },
        metadata: { statusCode: 201, note: 'kept' },
      },
    ]);
  });

  it('copies what it is told, and adds up', async () => {
    const { events } = await eventsOf({ path: '/widgets/changed' });
    expect(events[0]?.details).toEqual({ amount: 1, 'changes.a': 1, 'changes.b': 2 });
  });

  it('holds no stream that outlives its response', async () => {
    for (let index = 0; index < 20; index += 1) {
      expect((await eventsOf({ path: '/widgets/shared' })).events).toHaveLength(1);
    }
    expect(shared.listenerCount(errorMonitor)).toBe(0);
  });

  it('audits an application that a testing module makes, beside another in the same process', async () => {
    const testing = await Test.createTestingModule({ imports: [RoutesModule] }).compile();
    second = testing.createNestApplication({ logger: false });
    await second.listen(0, '127.0.0.1');
    expect((await eventsOf({ path: '/widgets/changed' }, second)).events).toMatchObject([
      { action: 'widget.changed' },
    ]);
  });
});
