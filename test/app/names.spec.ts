// What events are called and whom they are of, where the application says nothing or one line: by what common applications call theirs.
import 'reflect-metadata';
import { Controller, Delete, Get, HttpCode, Module, Param, Patch, Post, Res } from '@nestjs/common';
import type { INestApplication, MiddlewareConsumer } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import express from 'express';
import type { Request, Response } from 'express';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Audit, AuditModule, AuditService } from 'nest-audit-trail';
import type { AuditLogEvent } from 'nest-audit-trail';
import { auditTrail } from 'nest-audit-trail/express';
import { NodeAudit } from 'nest-audit-trail/node';
import { send } from '../support/http-client.js';
import { as, userOfHeader } from '../support/user-header.js';

const OPTIONS = { database: { type: 'better-sqlite3', database: ':memory:' } } as const;

/** What the routes answer: an id under one of its names. */
const CREATED: Readonly<Record<string, object>> = {
  id: { id: 7, uuid: 'u-7' },
  uuid: { uuid: 'u-7', slug: 'seven' },
  _id: { _id: { toString: () => 'o-7' }, slug: 'seven' },
  slug: { slug: 'seven' },
  none: { title: 'seven' },
};

@Controller({ path: 'files', version: '1' })
class FilesLocalController {
  @Post() create() {
    return { id: 'f-1' };
  }
}

@Controller('notes')
class NotesController {
  @Get(['', ':id', 'drafts/all']) find(@Param('id') id?: string) {
    return id === undefined ? [] : { id };
  }
}

@Controller('things')
class ThingsController {
  @Post(':name') create(@Param('name') name: string) {
    return CREATED[name];
  }
}

@Audit({ resource: 'user', resourceId: ({ user }) => user.id })
@Controller('auth')
class AuthController {
  @Get('me') me() {
    return { id: 'not the user' };
  }

  @Patch('me') update() {
    return { id: 'not the user' };
  }

  @Delete('me') @HttpCode(204) remove(@Res({ passthrough: true }) response: Response) {
    // As logouts do, before the answer is ready.
    (response.req as { user?: unknown }).user = undefined;
  }
}

@Controller('who')
class WhoController {
  @Get() who() {
    return {};
  }
}

@Module({
  imports: [AuditModule.forRoot(OPTIONS)],
  controllers: [FilesLocalController, NotesController, ThingsController, AuthController, WhoController],
})
class AppModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(userOfHeader).forRoutes('{*path}');
  }
}

describe('on Nest', () => {
  let app: INestApplication;
  let audit: AuditService;
  let port: number;

  beforeAll(async () => {
    app = await NestFactory.create(AppModule, { logger: false, abortOnError: false });
    await app.listen(0, '127.0.0.1');
    audit = app.get(AuditService);
    ({ port } = app.getHttpServer().address() as AddressInfo);
  });

  afterAll(() => app.close());

  async function eventOf(method: string, path: string, user?: object): Promise<AuditLogEvent> {
    await send(port, { method, path, headers: user ? as(user) : {} });
    const [event] = await newest(audit);
    return event!;
  }

  it('names a resource by the thing, not by the mechanism', async () => {
    expect(await eventOf('POST', '/files')).toMatchObject({ action: 'file.create', resourceId: 'f-1' });
  });

  it('names what a handler with several paths does by the one that was found', async () => {
    const actions: string[] = [];
    for (const path of ['/notes', '/notes/7', '/notes/drafts/all'])
      actions.push((await eventOf('GET', path)).action);
    expect(actions).toEqual(['note.list', 'note.read', 'note.find']);
  });

  it('has the id of what was created under any of its common names', async () => {
    const ids: unknown[] = [];
    for (const name of Object.keys(CREATED)) ids.push((await eventOf('POST', `/things/${name}`)).resourceId);
    expect(ids).toEqual(['7', 'u-7', 'o-7', 'seven', undefined]);
  });

  it.each(['GET', 'PATCH', 'DELETE'])('knows by one line whom %s of oneself is about', async (method) => {
    const event = await eventOf(method, '/auth/me', { id: 3 });
    expect(event).toMatchObject({ resource: 'user', resourceId: '3', userId: '3', outcome: 'success' });
    expect(event.metadata).not.toHaveProperty('stageErrors');
    const history = await audit.history({ tenantId: 'default', resource: 'user', resourceId: '3' });
    expect(history.events[0]).toEqual(event);
  });

  it('costs the resource id alone where there is no user', async () => {
    expect(await eventOf('GET', '/auth/me')).toMatchObject({
      resource: 'user',
      resourceId: 'not the user',
      metadata: { stageErrors: ['resourceId'] },
    });
  });

  const identities: [user: object, found: object][] = [
    [
      { id: 1, role: { id: 2, name: 'admin' }, sessionId: 5, iat: 1 },
      { userId: '1', sessionId: '5', tenantId: 'default', metadata: { roles: ['admin'] } },
    ],
    [
      { sub: 'a', tenant: { id: 9 }, session: { id: 's' }, role: 'clerk', jti: 'j' },
      { userId: 'a', tenantId: '9', sessionId: 's', metadata: { roles: ['clerk'] } },
    ],
    [
      { userId: 'b', organizationId: 'o', jti: 'j', roles: [{ name: 'x' }], role: 'not this' },
      { userId: 'b', tenantId: 'o', sessionId: 'j', metadata: { roles: ['x'] } },
    ],
    [
      {
        id: 1,
        tenantId: 't',
        tenant: { id: 9 },
        organizationId: 'o',
        sid: 'sid',
        sessionId: 5,
        session: { id: 's' },
      },
      { tenantId: 't', sessionId: 'sid' },
    ],
    [
      { id: 1, tenant: { id: 9 }, organizationId: 'o', sessionId: 5, session: { id: 's' }, jti: 'j' },
      { tenantId: '9', sessionId: '5' },
    ],
    // Neither the user's own account nor an id of somebody else's kind is a tenant.
    [{ id: 1, accountId: 'a', ownerId: 'b', workspace: 'c', tenant: 'd' }, { tenantId: 'default' }],
    // What a client may have put into its token.
    [
      { id: 1, tenant: { id: { $ne: 1 } }, organizationId: [1], session: [{ id: 1 }], role: { name: 7 } },
      { tenantId: 'default', userId: '1' },
    ],
    [{ id: 1, session: 'x', sessionId: {}, jti: true, role: 5 }, { userId: '1' }],
    [{ id: 1, tenant: { id: 'x'.repeat(1_000) } }, { tenantId: expect.stringMatching(/^x{20,}.*sha256/) }],
  ];

  it.each(identities)('finds in %j who acts', async (user, found) => {
    const event = await eventOf('GET', '/who', user);
    expect(event).toMatchObject(found);
    if (!('metadata' in found)) expect(event.metadata).not.toHaveProperty('roles');
    if (!('sessionId' in found)) expect(event).not.toHaveProperty('sessionId');
    expect(event.metadata).not.toHaveProperty('stageErrors');
  });
});

describe('what was created is found in Location', () => {
  const locations: [location: string | undefined, id: string | undefined][] = [
    ['/invoices/INV-7', 'INV-7'],
    ['https://api.example.com/v1/invoices/a%20b/?x=1#y', 'a b'],
    ['INV-8', 'INV-8'],
    [undefined, undefined],
    ['/', undefined],
    ['/invoices/%zz', undefined],
    ['http://[', undefined],
    // The application has a route of this pattern.
    ['/resets/s3cr3t', undefined],
  ];

  it('on Express', async () => {
    const audit = auditTrail(OPTIONS);
    await audit.ready();
    const app = express();
    app.use(audit);
    const create = (request: Request, response: Response) => {
      const { location } = request.query;
      if (typeof location === 'string') response.setHeader('Location', location);
      response.status(Number(request.query['status'] ?? 201)).json({ id: 'unseen' });
    };
    app.post('/invoices', create);
    app.get('/resets/:token', create);
    const server = createServer(app);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const idAfter = async (query: string) => {
      await send(port, { method: 'POST', path: `/invoices?${query}` });
      return (await newest(audit.service))[0]!.resourceId;
    };
    for (const [location, id] of locations) {
      const query = location === undefined ? '' : `location=${encodeURIComponent(location)}`;
      expect(await idAfter(query), location).toBe(id);
    }
    // Anything else it leads to was not created.
    expect(await idAfter('location=/invoices/1&status=303')).toBeUndefined();
    await new Promise((resolve) => server.close(resolve));
    await audit.close();
  });

  it.each([
    [{ Location: '/invoices/1' }],
    [['location', '/invoices/1']],
    [['set-cookie', ['a=1', 'b=2'], 'location', '/invoices/1']],
  ])('given to writeHead as %j', async (headers) => {
    const audit = new NodeAudit(OPTIONS);
    await audit.ready();
    const server = createServer((request, response) =>
      audit.handle(request, response, () => response.writeHead(201, headers as never).end()),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    await send((server.address() as AddressInfo).port, { method: 'POST', path: '/invoices' });
    expect((await newest(audit.service))[0]!.resourceId).toBe('1');
    await new Promise((resolve) => server.close(resolve));
    await audit.close();
  });

  it('on Fastify', async () => {
    @Controller('invoices')
    class InvoicesController {
      @Post() create(@Res({ passthrough: true }) reply: { header(name: string, value: string): void }) {
        reply.header('Location', '/invoices/7');
        return { number: 1 };
      }
    }
    @Module({ imports: [AuditModule.forRoot(OPTIONS)], controllers: [InvoicesController] })
    class FastifyModule {}
    const app = await NestFactory.create(FastifyModule, new FastifyAdapter(), { logger: false });
    await app.listen(0, '127.0.0.1');
    await send((app.getHttpServer().address() as AddressInfo).port, { method: 'POST', path: '/invoices' });
    expect((await newest(app.get(AuditService)))[0]).toMatchObject({
      action: 'invoice.create',
      resourceId: '7',
    });
    await app.close();
  });
});

/** The newest events first. */
async function newest(audit: AuditService): Promise<readonly AuditLogEvent[]> {
  await audit.flush();
  return (await audit.find({ allTenants: true })).events;
}
