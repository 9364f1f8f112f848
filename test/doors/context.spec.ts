// Who is in whose context: a request goes on in that of another one where a connection that many share calls back, as that of a store of
// sessions does. What it records there is its own, or nobody's.
import 'reflect-metadata';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { Controller, ForbiddenException, Module, Post } from '@nestjs/common';
import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { AuditModule, AuditService } from 'nest-audit-trail';
import type { AuditLogEvent } from 'nest-audit-trail';
import { allOf } from './door.js';
import { send } from './send.js';

@Controller('things')
class ThingsController {
  static begun: () => void;
  static end: Promise<void>;

  @Post()
  async make() {
    ThingsController.begun();
    await ThingsController.end;
    return {};
  }
}

@Module({
  imports: [AuditModule.forRoot({ database: { type: 'better-sqlite3', database: ':memory:' } })],
  controllers: [ThingsController],
})
class AppModule {}

describe('a store that many requests ask by one connection', () => {
  let store: Server;
  let connection: Socket;
  let app: INestApplication;

  afterEach(async () => {
    await app.close();
    connection.destroy();
    store.close();
  });

  it('calls back for each in its own context, or in none', async () => {
    store = createServer((socket) => socket.on('data', () => socket.write('session'))).listen(0, '127.0.0.1');
    await once(store, 'listening');
    connection = connect((store.address() as AddressInfo).port, '127.0.0.1');
    await once(connection, 'connect');
    const waiting: (() => void)[] = [];
    connection.on('data', () => waiting.shift()?.());

    app = await NestFactory.create<NestExpressApplication>(AppModule, { logger: false });
    const audit = app.get(AuditService);
    interface WithUser {
      readonly headers: Readonly<Record<string, string>>;
      user?: unknown;
    }
    app.use((request: WithUser, _response: unknown, next: () => void) => {
      waiting.push(() => {
        const { user } = request.headers;
        request.user = { id: user, tenantId: `of ${user}` };
        next();
      });
      connection.write('get');
    });
    app.use(async ({ headers }: WithUser, _response: unknown, next: (error?: Error) => void) => {
      if (headers['user'] !== 'bob') return next();
      audit.annotate({ details: { refused: 'bob' } });
      await audit.record({ action: 'token.mismatch', resource: 'token' });
      next(new ForbiddenException());
    });
    await app.listen(0, '127.0.0.1');
    const url = await app.getUrl();
    const begun = new Promise<void>((resolve) => (ThingsController.begun = resolve));
    let end!: () => void;
    ThingsController.end = new Promise((resolve) => (end = resolve));
    const make = (user: string) => send(url, { method: 'POST', path: '/things', headers: { user } });
    const ann = make('ann');
    await begun;
    expect((await make('bob')).status).toBe(403);
    end();
    expect((await ann).status).toBe(201);

    await vi.waitUntil(async () => (await allOf(audit)).length >= 3, { timeout: 5_000 });
    const of = (found: readonly AuditLogEvent[], user: string) =>
      found
        .filter(({ userId }) => userId === user)
        .map(({ action, outcome, details }) => [action, outcome, details]);
    const events = await allOf(audit);
    expect(of(events, 'ann')).toEqual([['thing.create', 'success', {}]]);
    expect(of(events, 'bob')).toContainEqual(['http.request', 'failure', expect.anything()]);
  });
});
