// Who looked at the audit, at what, and how much of it they saw.
import 'reflect-metadata';
import { Controller, Get, Module, Query } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { AddressInfo } from 'node:net';
import { DataSource } from 'typeorm';
import { AuditModule, AuditQueryDto, AuditService } from 'nest-audit-trail';
import type { AuditLogEvent, AuditModuleOptions } from 'nest-audit-trail';
import { access } from 'nest-audit-trail/access';
import { DataProtection, protection } from 'nest-audit-trail/protection';
import { eventually } from '../support/eventually.js';
import { startLedgerApp } from '../support/ledger-app.js';
import type { LedgerApp } from '../support/ledger-app.js';
import { describeOnSqlite } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';
import { ask } from '../support/stored-rows.js';

const TENANT = { tenantId: 'acme' } as const;
const ALL = { allTenants: true } as const;
const READS = ['audit.read', 'audit.read-end'];

describeOnSqlite('audited reads', (create) => {
  let database: TestDatabase;
  let app: LedgerApp | undefined;

  beforeEach(async () => {
    database = await create();
  });

  afterEach(async () => {
    await app?.close();
    app = undefined;
    await database.drop();
  });

  async function start(options: Omit<AuditModuleOptions, 'database'> = {}): Promise<AuditService> {
    app = await startLedgerApp(database, { features: [access(), protection({ fields: [] })], ...options });
    const { audit } = app;
    for (const resourceId of ['1', '2', '3']) {
      await audit.record({
        ...TENANT,
        action: 'invoice.pay',
        resource: 'invoice',
        resourceId,
        userId: 'ann',
      });
    }
    await audit.record({ tenantId: 'other', action: 'invoice.pay' });
    await audit.flush();
    return audit;
  }

  /** What the table has of them, raw. */
  async function recorded(): Promise<Record<string, unknown>[]> {
    await app!.audit.flush();
    const connection = await new DataSource(database.options).initialize();
    try {
      const rows = await ask<Record<string, string>>(
        connection,
        `SELECT * FROM audit_events WHERE action IN ('${READS.join("', '")}') ORDER BY id`,
      );
      return rows.map((row) => ({
        action: row['action'],
        tenant: row['tenant_id'],
        user: row['user_id'],
        outcome: row['outcome'],
        ...(JSON.parse(row['details']!) as object),
      }));
    } finally {
      await connection.destroy();
    }
  }

  const read = { action: 'audit.read', tenant: 'acme', user: null, outcome: 'success' };

  it('records each method that shows events once, with its filter and how many came back', async () => {
    const audit = await start({ ledger: { intervalMs: 600_000 } });
    const { events, nextCursor } = await audit.find({ ...TENANT, userId: 'ann', minRiskScore: 1, limit: 2 });
    await audit.find({ ...TENANT, userId: 'ann', minRiskScore: 1, limit: 2, cursor: nextCursor! });
    await audit.findById(events[0]!.id, TENANT);
    await audit.findById(events[0]!.id, { tenantId: 'other' });
    await audit.history({ ...TENANT, resource: 'invoice', resourceId: '1', order: 'oldest' });
    await audit.statistics({ ...TENANT, action: 'invoice.*' });
    await audit.deadLetters(TENANT);
    await audit.prove(events[0]!.id, TENANT);
    const streamed: AuditLogEvent[] = [];
    for await (const event of audit.stream({ ...TENANT, action: 'invoice.pay' })) streamed.push(event);
    for await (const event of app!.get(DataProtection).exportSubject({ ...TENANT, subjectId: 'ann' }))
      streamed.push(event);
    expect(streamed).toHaveLength(6);
    const filter = { 'filter.userId': 'ann', 'filter.minRiskScore': 1, limit: 2 };
    const [begin, exported] = (await recorded()).filter(
      ({ method }) => method === 'stream' || method === 'exportSubject',
    );
    expect(await recorded()).toEqual([
      { ...read, method: 'find', ...filter, returned: 2 },
      { ...read, method: 'find', ...filter, continued: true, returned: 1 },
      { ...read, method: 'findById', 'filter.id': events[0]!.id, returned: 1 },
      { ...read, tenant: 'other', method: 'findById', 'filter.id': events[0]!.id, returned: 0 },
      {
        ...read,
        method: 'history',
        'filter.resource': 'invoice',
        'filter.resourceId': '1',
        order: 'oldest',
        returned: 1,
      },
      { ...read, method: 'statistics', 'filter.action': 'invoice.*', returned: 3 },
      { ...read, method: 'deadLetters', returned: 0 },
      { ...read, method: 'prove', 'filter.id': events[0]!.id, returned: 1 },
      { ...read, method: 'stream', 'filter.action': 'invoice.pay' },
      {
        ...read,
        action: 'audit.read-end',
        method: 'stream',
        'filter.action': 'invoice.pay',
        readId: expect.any(String),
        returned: 3,
      },
      { ...read, method: 'exportSubject', 'filter.subjectId': 'ann' },
      {
        ...read,
        action: 'audit.read-end',
        method: 'exportSubject',
        'filter.subjectId': 'ann',
        readId: expect.any(String),
        returned: 3,
      },
    ]);
    expect([begin, exported].every((one) => one !== undefined)).toBe(true);
    // They are events like others: read, and recorded again.
    const page = await audit.find({ ...TENANT, action: 'audit.read', limit: 1 });
    expect(page.events[0]).toMatchObject({
      category: 'data_access',
      resource: 'audit',
      details: { method: 'exportSubject' },
    });
    expect((await recorded()).at(-1)).toMatchObject({
      method: 'find',
      'filter.action': 'audit.read',
      returned: 1,
    });
  });

  it('records streams that are broken off, and observers', async () => {
    const audit = await start();
    for await (const _event of audit.stream({ ...ALL })) break;
    const seen: AuditLogEvent[] = [];
    const subscription = audit
      .observe({ ...TENANT, action: 'invoice.pay' })
      .subscribe((event) => seen.push(event));
    await eventually(async () => expect((await recorded()).at(-1)).toMatchObject({ method: 'observe' }));
    await audit.record({ ...TENANT, action: 'invoice.pay' });
    subscription.unsubscribe();
    expect(seen).toHaveLength(1);
    await eventually(async () =>
      expect(
        (await recorded()).map(({ action, tenant, method, returned, outcome }) => [
          action,
          tenant,
          method,
          returned,
          outcome,
        ]),
      ).toEqual([
        ['audit.read', 'default', 'stream', undefined, 'success'],
        ['audit.read-end', 'default', 'stream', 1, 'partial'],
        ['audit.read', 'acme', 'observe', undefined, 'success'],
        ['audit.read-end', 'acme', 'observe', 1, 'success'],
      ]),
    );
    expect((await recorded())[0]).toMatchObject({ allTenants: true });
  });

  it('records what was refused, and keeps secrets in a filter to itself', async () => {
    const audit = await start();
    await expect(audit.find({ ...TENANT, limit: 0 })).rejects.toThrow(/limit/);
    await expect(audit.find({} as never)).rejects.toThrow(/tenantId/);
    expect(() => audit.stream({ ...TENANT, limit: 1 } as never)).toThrow(/limit/);
    expect(() => audit.observe({ ...TENANT, text: '' } as never)).toThrow(/text/);
    await audit.find({
      ...TENANT,
      text: 'Bearer abcdefghijklmnop.qrstuvwxyz0123456789',
      metadata: { password: 'hunter2' },
    });
    const all = await recorded();
    expect(all.map(({ method, outcome, error }) => [method, outcome, error])).toEqual([
      ['find', 'failure', 'AUDIT_INVALID_QUERY'],
      ['find', 'failure', 'AUDIT_INVALID_QUERY'],
      ['stream', 'failure', 'AUDIT_INVALID_QUERY'],
      ['observe', 'failure', 'AUDIT_INVALID_QUERY'],
      ['find', 'success', undefined],
    ]);
    expect(JSON.stringify(all)).not.toMatch(/abcdefghijklmnop|hunter2/);
  });

  it('says who: of the request, or of runAs()', async () => {
    @Controller('log')
    class LogController {
      constructor(private readonly audit: AuditService) {}

      @Get() find(@Query() query: AuditQueryDto) {
        return this.audit.find({ ...query, ...TENANT });
      }
    }
    @Module({
      imports: [
        AuditModule.forRoot({
          database: database.options,
          features: [access()],
          delivery: { directory: database.journal },
          capture: { resolve: { user: () => 'auditor', session: () => 's-1', tenant: () => 'own' } },
        }),
      ],
      controllers: [LogController],
    })
    class RootModule {}
    const nest = await NestFactory.create<NestExpressApplication>(RootModule, { logger: false });
    await nest.listen(0, '127.0.0.1');
    try {
      const { port } = nest.getHttpServer().address() as AddressInfo;
      const headers = { 'x-request-id': 'look-1', 'user-agent': 'Auditor/1' };
      const answer = await fetch(`http://127.0.0.1:${port}/log?action=invoice.*`, { headers });
      expect(await answer.json()).toEqual({ events: [] });
      const audit = nest.get(AuditService);
      await audit.runAs({ userId: 'root', tenantId: 'staff', actorType: 'job' }, () =>
        audit.find({ ...ALL }),
      );
      await audit.flush();
      const { events } = await audit.find({ ...ALL, action: 'audit.read', order: 'oldest', limit: 2 });
      expect(events).toMatchObject([
        {
          tenantId: 'acme',
          userId: 'auditor',
          sessionId: 's-1',
          ipAddress: '127.0.0.1',
          userAgent: 'Auditor/1',
          details: { method: 'find', 'filter.action': 'invoice.*', returned: 0 },
          metadata: { requestId: 'look-1' },
        },
        { tenantId: 'staff', userId: 'root', details: { allTenants: true }, metadata: { actorType: 'job' } },
      ]);
    } finally {
      await nest.close();
    }
  });

  it('shows nothing that it can not record, and records nothing where it is off', async () => {
    const audit = await start({
      delivery: { mode: 'buffered', maxBuffered: 4, flushIntervalMs: 60_000, batchSize: 5_000 },
    });
    for (let read = 0; read < 4; read += 1) await audit.find(TENANT);
    // There is no room for another event until these are stored.
    await expect(audit.find(TENANT)).rejects.toMatchObject({ code: 'AUDIT_STORE_UNAVAILABLE' });
    await audit.flush();
    expect((await audit.find(TENANT)).events.length).toBeGreaterThan(3);
    await app!.close();
    app = await startLedgerApp(database, {});
    const before = (await recorded()).length;
    expect(before).toBe(5);
    await app.audit.find(TENANT);
    expect(await recorded()).toHaveLength(before);
  });
});
