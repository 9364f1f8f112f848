// The read endpoints: over HTTP with guards and a caller's tenant, and in the document that Swagger makes of them.
import 'reflect-metadata';
import { Controller, Injectable, Logger, Module, UseGuards, ValidationPipe } from '@nestjs/common';
import type { CanActivate, ExecutionContext, INestApplication, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import type { OpenAPIObject } from '@nestjs/swagger';
import type { AddressInfo } from 'node:net';
import { AuditEventRepository, AuditModule, AuditService } from 'nest-audit-trail';
import { AuditLogController } from 'nest-audit-trail/endpoints';
import { createEventId } from '../../src/event/event-id.js';
import { numbered } from '../support/audit-store.js';
import { send } from '../support/http-client.js';

interface User {
  readonly id: string;
  readonly tenantId?: string;
}

/** `Bearer <user>@<tenant>`; anybody but a clerk is an auditor. */
@Injectable()
class AuditorGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<{ headers: Record<string, string>; user?: User }>();
    const [, id, tenantId] = /^Bearer (\w+)@(\w*)$/.exec(request.headers['authorization'] ?? '') ?? [];
    if (id === undefined || id === 'clerk') return false;
    request.user = { id, ...(tenantId && { tenantId }) };
    return true;
  }
}

@Controller('audit')
@UseGuards(AuditorGuard)
class AuditTrailController extends AuditLogController {
  scopeOf({ user }: { user: User }) {
    return { tenantId: user.tenantId! };
  }
}

function moduleWith(controller: Type): Type {
  @Module({
    imports: [AuditModule.forRoot({ database: { type: 'better-sqlite3', database: ':memory:' } })],
    controllers: [controller],
  })
  class EndpointsModule {}
  return EndpointsModule;
}

describe('the read endpoints', () => {
  let app: INestApplication;
  let port: number;
  let document: OpenAPIObject;
  let ids: string[];

  beforeAll(async () => {
    app = await NestFactory.create(moduleWith(AuditTrailController), { logger: false });
    app.useGlobalPipes(new ValidationPipe({ transform: true, whitelist: true, forbidNonWhitelisted: true }));
    // As most applications do: before they listen.
    document = SwaggerModule.createDocument(app, new DocumentBuilder().build());
    await app.listen(0, '127.0.0.1');
    ({ port } = app.getHttpServer().address() as AddressInfo);
    const audit = app.get(AuditService);
    const recorded = [];
    for (const [tenantId, resourceId] of [
      ['acme', '1'],
      ['acme', '2'],
      ['globex', '1'],
    ] as const)
      recorded.push(await audit.record({ action: 'invoice.approve', tenantId, resourceId, timestamp: 1 }));
    ids = recorded.map(({ id }) => id);
    await audit.flush();
  });
  afterAll(() => app?.close());

  async function get(path: string, caller = 'ann@acme') {
    const { status, body } = await send(port, { path, headers: { authorization: `Bearer ${caller}` } });
    return { status, body: JSON.parse(body) };
  }

  it("list the events of the caller's tenant, a page at a time", async () => {
    const first = await get('/audit?action=invoice.*&limit=1');
    expect(first).toMatchObject({ status: 200, body: { events: [{ id: ids[1], tenantId: 'acme' }] } });
    const { nextCursor } = first.body;
    const second = await get(`/audit?action=invoice.*&limit=1&cursor=${encodeURIComponent(nextCursor)}`);
    expect(second.body).toEqual({ events: [expect.objectContaining({ id: ids[0] })] });
  });

  it('show one event, the history of a thing, and figures', async () => {
    expect(await get(`/audit/${ids[0]}`)).toMatchObject({ status: 200, body: { id: ids[0] } });
    const { events } = (await get('/audit/history/invoice/1')).body;
    expect(events.map(({ id }: { id: string }) => id)).toEqual([ids[0]]);
    const figures = await get('/audit/statistics?action=invoice.approve&top=1&interval=day');
    expect(figures.body).toMatchObject({ total: 2, topActions: [{ action: 'invoice.approve', count: 2 }] });
  });

  it('prove an event', async () => {
    const { status, body } = await get(`/audit/${ids[0]}/proof`);
    expect(status).toBe(200);
    expect(body.event).toMatchObject({ id: ids[0] });
  });

  it("show nothing of another tenant's", async () => {
    for (const path of [`/audit/${ids[2]}`, `/audit/${ids[2]}/proof`])
      expect((await get(path)).status).toBe(404);
    expect((await get('/audit?action=invoice.approve', 'eve@hooli')).body).toEqual({ events: [] });
  });

  it('refuse whoever the guards refuse, and whoever has no tenant', async () => {
    for (const path of ['', '/statistics', '/history/invoice/1', `/${ids[0]}`, `/${ids[0]}/proof`]) {
      expect((await get(`/audit${path}`, 'clerk@acme')).status).toBe(403);
      expect((await get(`/audit${path}`, 'ann@')).status).toBe(403);
      expect((await send(port, { path: `/audit${path}` })).status).toBe(403);
    }
  });

  it('refuse a query that is wrong', async () => {
    for (const query of ['severity=grave', 'limit=0', 'tenantId=globex', 'allTenants=true', 'reveal=true'])
      expect(await get(`/audit?${query}`)).toMatchObject({ status: 400 });
    expect((await get('/audit/statistics?top=0')).status).toBe(400);
    expect((await get('/audit/statistics?limit=5')).status).toBe(400);
    const audit = app.get(AuditService);
    const ofPages = { tenantId: 'acme', limit: undefined, order: undefined };
    expect(await audit.statistics(ofPages as never)).toMatchObject({ total: expect.any(Number) });
  });

  it('refuse it too without a pipe that checks, and what is not sealed yet, and log no error of the application', async () => {
    const errors: unknown[] = [];
    const logger = { log: () => {}, warn: () => {}, error: (error: unknown) => void errors.push(error) };
    const plain = await NestFactory.create(moduleWith(AuditTrailController), { logger });
    try {
      await plain.listen(0, '127.0.0.1');
      const at = (plain.getHttpServer().address() as AddressInfo).port;
      for (const path of [
        '?limit=0',
        '?tenantId=globex',
        '/statistics?limit=5',
        '/history/invoice/1?cursor=x',
      ]) {
        const answer = await send(at, {
          path: `/audit${path}`,
          headers: { authorization: 'Bearer ann@acme' },
        });
        expect([path, answer.status, JSON.parse(answer.body)]).toEqual([
          path,
          400,
          { statusCode: 400, message: expect.stringContaining('The audit query is not valid') },
        ]);
      }
      // Another one of its source is missing before it.
      const source = createEventId(Date.now());
      const early = numbered(source, 3);
      await plain.get(AuditEventRepository).append([numbered(source, 1), early]);
      const proof = await send(at, {
        path: `/audit/${early.id}/proof`,
        headers: { authorization: 'Bearer ann@acme' },
      });
      expect([proof.status, JSON.parse(proof.body)]).toEqual([
        409,
        { statusCode: 409, message: expect.stringContaining('is not in the log yet') },
      ]);
      expect(errors).toEqual([]);
    } finally {
      await plain.close();
      // It was set for every application of the process.
      Logger.overrideLogger(false);
    }
  });

  it('are in the document of Swagger, with each parameter and the event', () => {
    expect(Object.keys(document.paths)).toEqual([
      '/audit',
      '/audit/statistics',
      '/audit/history/{resource}/{resourceId}',
      '/audit/{id}',
      '/audit/{id}/proof',
    ]);
    const parametersOf = (path: string) => document.paths[path]!.get!.parameters as { name: string }[];
    const namesOf = (path: string) => parametersOf(path).map(({ name }) => name);
    const filter =
      'id userId action resource resourceId ipAddress userAgent sessionId severity category outcome complianceFlag from to minRiskScore maxRiskScore text'.split(
        ' ',
      );
    expect(namesOf('/audit').sort()).toEqual([...filter, 'order', 'limit', 'cursor'].sort());
    expect(namesOf('/audit/statistics').sort()).toEqual([...filter, 'top', 'interval'].sort());
    const { responses } = document.paths['/audit']!.get!;
    const named = new Map(parametersOf('/audit').map((one) => [one.name, one]));
    expect(named.get('severity')).toMatchObject({
      in: 'query',
      required: false,
      schema: { type: 'array', items: { enum: ['low', 'medium', 'high', 'critical'] } },
    });
    expect(named.get('limit')).toMatchObject({ schema: { type: 'integer', minimum: 1, maximum: 1000 } });
    expect(responses['200']).toMatchObject({
      content: { 'application/json': { schema: { $ref: '#/components/schemas/AuditPageDto' } } },
    });
    const { AuditEventDto, AuditPageDto } = document.components!.schemas as Record<string, object>;
    expect(AuditPageDto).toMatchObject({
      required: ['events'],
      properties: { events: { type: 'array', items: { $ref: '#/components/schemas/AuditEventDto' } } },
    });
    expect(AuditEventDto).toMatchObject({
      properties: {
        id: { type: 'string', format: 'uuid' },
        severity: { type: 'string', enum: ['low', 'medium', 'high', 'critical'] },
        complianceFlags: { type: 'array', items: { type: 'string' } },
        details: { type: 'object', additionalProperties: true },
      },
    });
    expect((AuditEventDto as { required: string[] }).required).not.toContain('userId');
  });

  it('start neither without guards, nor without a scope', async () => {
    @Controller('audit')
    class Unguarded extends AuditLogController {
      scopeOf() {
        return { tenantId: 'acme' };
      }
    }
    @Controller('audit')
    @UseGuards(AuditorGuard)
    // @ts-expect-error it has no scopeOf()
    class Unscoped extends AuditLogController {}
    const start = (controller: Type) =>
      NestFactory.create(moduleWith(controller), { logger: false, abortOnError: false });
    await expect(start(Unguarded)).rejects.toThrow(
      /Unguarded would show the audit to anybody: write @UseGuards/,
    );
    await expect(start(Unscoped as Type)).rejects.toThrow(
      /Unscoped would show the audit to anybody: write scopeOf/,
    );
  });
});
