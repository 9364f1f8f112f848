// The test kit: an application's own module is tested with neither database nor folder, and its events are those that it would store.
import 'reflect-metadata';
import { Body, Controller, ForbiddenException, Get, Module, Param, Post, UseGuards } from '@nestjs/common';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { existsSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { Audit, AuditModule, AuditService } from 'nest-audit-trail';
import type { AuditLogEvent } from 'nest-audit-trail';
import { detection } from 'nest-audit-trail/detection';
import { AuditRetention, retention } from 'nest-audit-trail/retention';
import { risk } from 'nest-audit-trail/risk';
import { complianceRules } from 'nest-audit-trail/rules';
import { auditMatchers, AuditTestingModule } from 'nest-audit-trail/testing';
import { DataSource } from 'typeorm';
import { ApproversGuard } from '../support/approvers-guard.js';
import { send } from '../support/http-client.js';

expect.extend(auditMatchers);

@Controller('invoices')
class InvoicesController {
  constructor(private readonly audit: AuditService) {}

  @Post(':id/approve')
  @Audit({
    action: 'invoice.approve',
    delivery: 'strict',
    details: ({ result }) => ({ amount: result.amount }),
  })
  approve(@Body() _body: object) {
    return { amount: 120 };
  }

  @Post(':id/refuse') @UseGuards(ApproversGuard) refuse() {
    throw new ForbiddenException();
  }

  @Get(':id/history') history(@Param('id') resourceId: string) {
    return this.audit.history({ allTenants: true, resource: 'invoice', resourceId });
  }

  @Post('import') async import() {
    await this.audit.record({ action: 'invoice.import', details: { lines: 3 } });
    return {};
  }
}

/** As it is in production: nothing of this is there in a test. */
@Module({
  imports: [
    AuditModule.forRoot({
      database: { type: 'mysql', url: 'mysql://audit@127.0.0.1:1/audit' },
      delivery: { mode: 'strict', directory: 'not-made-by-tests' },
      features: [
        complianceRules({ packs: ['sox'] }),
        detection(),
        risk(),
        retention({ rules: [{ keepDays: 400 }] }),
      ],
    }),
  ],
  controllers: [InvoicesController],
})
class AppModule {}

describe('the test kit', () => {
  let app: INestApplication;
  let port: number;
  let audit: AuditTestingModule;
  const logged: string[] = [];

  beforeAll(async () => {
    const log = (message: string, context: string) => {
      if (context === 'AuditTrail') logged.push(message);
    };
    const module = await Test.createTestingModule({ imports: [AppModule, AuditTestingModule] })
      .setLogger({ log, warn: log, error: log })
      .compile();
    app = module.createNestApplication();
    await app.listen(0, '127.0.0.1');
    ({ port } = app.getHttpServer().address() as AddressInfo);
    audit = app.get(AuditTestingModule);
  });
  afterAll(() => app?.close());
  beforeEach(() => audit.clear());

  it('has the event of a request when its answer has arrived', async () => {
    const { status } = await send(port, { method: 'POST', path: '/invoices/17/approve', body: '{}' });
    expect(status).toBe(201);
    expect(audit).toHaveRecorded({ action: 'invoice.approve', outcome: 'success', resourceId: '17' });
    const [event, ...others] = audit.events();
    expect(others).toEqual([]);
    expect(event).toMatchObject({
      details: { amount: 120 },
      metadata: { statusCode: 201, route: '/invoices/:id/approve', sequence: expect.any(Number) },
    });
    expect(event!.metadata['riskFactors']).toBeDefined();
  });

  it('has what a guard has refused, and what no route takes', async () => {
    await send(port, { method: 'POST', path: '/invoices/17/refuse' });
    await send(port, { path: '/nothing' });
    expect(audit).toHaveRecorded({ outcome: 'failure', details: { reason: 'not an approver' } });
    expect(audit).toHaveRecorded({ action: 'http.request', metadata: { statusCode: 404 } });
    expect(audit.events()).toHaveLength(2);
  });

  it('has what the application records itself, also in a transaction of its own database', async () => {
    await send(port, { method: 'POST', path: '/invoices/import' });
    expect(audit).toHaveRecorded({ action: 'invoice.import', details: { lines: expect.any(Number) } });
    const source = await new DataSource({ type: 'better-sqlite3', database: ':memory:' }).initialize();
    await source.transaction((manager) =>
      app.get(AuditService).record({ action: 'period.close' }, { manager }),
    );
    await source.destroy();
    expect(audit).toHaveRecorded({ action: 'period.close' });
  });

  it('is flushed, and is well', async () => {
    await app.get(AuditService).record({ action: 'period.close' });
    await app.get(AuditService).flush();
    expect(app.get(AuditService).status()).toMatchObject({ healthy: true, pending: 0, dropped: 0 });
  });

  it('has no other reads, and says what to do', async () => {
    const service = app.get(AuditService);
    const told = { code: 'AUDIT_STORE_UNAVAILABLE', message: expect.stringContaining('call events() of') };
    await expect(service.find({ allTenants: true })).rejects.toMatchObject(told);
    await expect(service.statistics({ allTenants: true })).rejects.toMatchObject(told);
    await expect(service.verify()).rejects.toMatchObject(told);
    await expect(service.checkpoint()).rejects.toMatchObject(told);
    await expect(service.sources()).rejects.toMatchObject(told);
    await expect(app.get(AuditRetention).storage()).rejects.toMatchObject(told);
    expect((await send(port, { path: '/invoices/17/history' })).status).toBe(503);
  });

  it('gives each test events of its own, which it may change', async () => {
    await app.get(AuditService).record({ action: 'period.close', details: { year: 2026 } });
    audit.events()[0]!.details['year'] = 1999;
    expect(audit).toHaveRecorded({ details: { year: 2026 } });
    audit.clear();
    expect(audit.events()).toEqual([]);
  });

  it('makes no file, needs no driver, and complains of nothing', () => {
    expect(logged).toEqual([]);
    for (const path of ['not-made-by-tests', 'audit.sqlite', 'audit-journal'])
      expect(existsSync(path)).toBe(false);
  });

  it('says what is missing where no module has the audit', async () => {
    const module = await Test.createTestingModule({ imports: [AuditTestingModule] }).compile();
    expect(() => module.get(AuditTestingModule).events()).toThrow(
      /imports: \[AppModule, AuditTestingModule\]/,
    );
  });
});

describe('the matcher toHaveRecorded()', () => {
  const event = {
    action: 'invoice.approve',
    outcome: 'failure',
    details: { amount: 120, step: 2 },
    metadata: {},
  };
  const other = { action: 'user.read', outcome: 'success', details: {}, metadata: {} };
  const events = [other, event] as unknown as AuditLogEvent[];
  const messageOf = (check: () => void): string => {
    try {
      check();
    } catch (error) {
      return (error as Error).message;
    }
    throw new Error('It has passed.');
  };

  it('finds an event that has more than is expected', () => {
    expect(events).toHaveRecorded({ action: 'invoice.approve', details: { amount: 120 } });
    expect(events).not.toHaveRecorded({ action: 'invoice.approve', outcome: 'success' });
    expect(events).not.toHaveRecorded({ details: { amount: expect.any(String) } });
  });

  it('shows the nearest event, and where it differs', () => {
    const message = messageOf(() =>
      expect(events).toHaveRecorded({
        action: 'invoice.approve',
        outcome: 'success',
        details: { amount: 100 },
      }),
    );
    expect(message).toContain(
      'Expected an audit event with action "invoice.approve", outcome "success", details.amount 100.',
    );
    expect(message).toContain('The nearest of 2 recorded differs:');
    expect(message).toContain('  outcome: expected "success", received "failure"');
    expect(message).toContain('  details.amount: expected 100, received 120');
    expect(message).toContain('"step": 2');
    expect(message).not.toContain('user.read');
  });

  it('says so where nothing was recorded, or what should not have been', () => {
    expect(messageOf(() => expect([]).toHaveRecorded({ action: 'a.b' }))).toContain(
      'but nothing was recorded',
    );
    expect(messageOf(() => expect(events).not.toHaveRecorded({ action: 'user.read' }))).toContain(
      '"user.read"',
    );
  });

  it('does not compile on what has no events', () => {
    // @ts-expect-error a number has no events
    const wrong = () => expect(1).toHaveRecorded({ action: 'a.b' });
    // @ts-expect-error there is no such field
    const misspelt = () => expect(events).toHaveRecorded({ acton: 'a.b' });
    expect([wrong, misspelt]).toHaveLength(2);
  });
});
