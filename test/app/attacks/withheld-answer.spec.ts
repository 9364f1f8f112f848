// A strict answer whose event is not committed in time is withheld: what its handler put into its headers is a part of it.
import 'reflect-metadata';
import { Controller, Injectable, Module, Post, Res } from '@nestjs/common';
import type { CanActivate, ExecutionContext, INestApplication } from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import type { NextFunction, Request, Response } from 'express';
import type { AddressInfo } from 'node:net';
import { AuditModule } from 'nest-audit-trail';
import { Gate } from '../../support/things-app.js';
import { send } from '../../support/http-client.js';
import { removable } from '../../support/removable-database.js';
import type { RemovableDatabase } from '../../support/removable-database.js';
import { createDatabase } from '../../support/harness/databases.js';
import type { TestDatabase } from '../../support/harness/databases.js';

/** What a handler may say by headers that is not for whoever did not get its answer. */
const OF_THE_HANDLER = {
  'set-cookie': 'session=secret',
  authorization: 'Bearer secret',
  'x-auth-token': 'secret',
  'x-new-password': 'secret',
  location: '/invoices/secret',
  etag: '"secret"',
  'content-disposition': 'attachment; filename="secret.pdf"',
  'content-language': 'secret',
  link: '</secret>; rel=next',
  'x-total-count': '4711',
  trailer: 'x-late',
  'proxy-authenticate': 'secret',
};

describe('headers of a strict answer that is withheld', () => {
  let database: TestDatabase;
  let store: RemovableDatabase;
  let app: INestApplication;
  let port: number;
  let gate: Gate;

  beforeEach(async () => {
    gate = new Gate();
    database = await createDatabase('sqlite');
    store = await removable(database, true);

    @Injectable()
    class Limits implements CanActivate {
      canActivate(context: ExecutionContext): boolean {
        context.switchToHttp().getResponse<Response>().setHeader('x-ratelimit-remaining', '9');
        return true;
      }
    }

    @Controller('tokens')
    class TokensController {
      @Post() async create(@Res() response: Response): Promise<void> {
        response.set(OF_THE_HANDLER);
        // Node adds to the list that the middleware has given.
        response.appendHeader('x-list', 'secret');
        response.removeHeader('x-frame-options');
        response.setHeader('access-control-allow-origin', 'https://secret.example');
        response.status(201);
        await gate.pass();
        response.end('secret');
      }
    }

    @Module({
      imports: [
        AuditModule.forRoot({
          database: store.options,
          delivery: {
            mode: 'strict',
            directory: database.journal,
            strictTimeoutMs: 300,
            shutdownTimeoutMs: 100,
          },
        }),
      ],
      controllers: [TokensController],
      providers: [{ provide: APP_GUARD, useClass: Limits }],
    })
    class TokensModule {}

    app = await NestFactory.create(TokensModule, { logger: false });
    app.use((_request: Request, response: Response, next: NextFunction) => {
      response.setHeader('access-control-allow-origin', 'https://app.example');
      response.setHeader('vary', 'Origin');
      response.setHeader('x-list', ['of the middleware']);
      response.setHeader('content-security-policy', "default-src 'self'");
      response.setHeader('x-frame-options', 'DENY');
      response.setHeader('etag', '"of the middleware"');
      // As `on-headers` does for a session: its cookie comes with the head.
      const { writeHead } = response as unknown as { writeHead: (...args: unknown[]) => Response };
      response.writeHead = function (this: Response, ...args: unknown[]) {
        this.setHeader('set-cookie', 'sid=secret');
        return writeHead.apply(this, args);
      } as Response['writeHead'];
      next();
    });
    await app.listen(0, '127.0.0.1');
    port = (app.getHttpServer().address() as AddressInfo).port;
  });

  afterEach(async () => {
    await app.close();
    await store.release();
    await database.drop();
  });

  it('goes out with nothing that the handler has set, and with all that was there before', async () => {
    const answer = send(port, { method: 'POST', path: '/tokens' });
    await gate.begun;
    await store.remove();
    gate.open();
    const { status, headers, body } = await answer;
    expect(status).toBe(503);
    expect(JSON.parse(body)).toMatchObject({ code: 'AUDIT_UNAVAILABLE', carriedOut: true });
    expect(JSON.stringify(headers)).not.toContain('secret');
    const { date: _date, connection: _connection, 'keep-alive': _keepAlive, ...others } = headers;
    expect(others).toEqual({
      'x-powered-by': 'Express',
      'access-control-allow-origin': 'https://app.example',
      vary: 'Origin',
      'x-list': 'of the middleware',
      'content-security-policy': "default-src 'self'",
      'x-frame-options': 'DENY',
      'x-ratelimit-remaining': '9',
      'cache-control': 'no-store',
      'content-type': 'application/json; charset=utf-8',
      'content-length': String(body.length),
    });
  });

  it('goes out as it is where its event is committed', async () => {
    gate.open();
    const { status, headers, body } = await send(port, { method: 'POST', path: '/tokens' });
    expect([status, body]).toEqual([201, 'secret']);
    expect(headers).toMatchObject({ location: '/invoices/secret', 'x-list': 'of the middleware, secret' });
    expect(headers['set-cookie']).toEqual(['sid=secret']);
  });
});
