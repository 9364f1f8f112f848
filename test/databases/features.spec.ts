// Each feature alone, in each database that starts empty: it does its job, and only its tables are made.
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DataSource } from 'typeorm';
import { AuditModule, AuditService } from 'nest-audit-trail';
import type { AuditDatabaseOptions, AuditFeature, AuditLogEvent } from 'nest-audit-trail';
import { access } from 'nest-audit-trail/access';
import { authentication, AuthenticationAudit } from 'nest-audit-trail/authentication';
import { detection } from 'nest-audit-trail/detection';
import { AuditHealthIndicator, health } from 'nest-audit-trail/health';
import { listeners, OnAuditEvent } from 'nest-audit-trail/listeners';
import { metrics } from 'nest-audit-trail/metrics';
import { NodeAudit } from 'nest-audit-trail/node';
import { AuditPolicy, policy } from 'nest-audit-trail/policy';
import { DataProtection, protection } from 'nest-audit-trail/protection';
import { AuditRetention, retention } from 'nest-audit-trail/retention';
import { risk } from 'nest-audit-trail/risk';
import { complianceRules } from 'nest-audit-trail/rules';
import { eventually } from '../support/eventually.js';
import { send } from '../support/http-client.js';
import { describeEachDatabase } from '../support/harness/databases.js';

const TENANT = { tenantId: 'default' };
const CORE_TABLES = [
  'audit_checkpoints',
  'audit_dead_letters',
  'audit_events',
  'audit_events_text',
  'audit_leases',
  'audit_leaves',
  'audit_migrations',
  'audit_settings',
  'audit_sources',
  'audit_tiles',
];
const RULE = { id: 'r', name: 'r', category: 'compliance', severity: 'high', actions: ['log'] } as const;

/** Does what the feature is there for. The request of `invoice.read` by ann is stored. */
type Job = (audit: NodeAudit) => Promise<void>;

const FEATURES: Readonly<Record<string, { make: () => AuditFeature; tables?: readonly string[]; job: Job }>> =
  {
    access: {
      make: access,
      async job({ service }) {
        // The read of the request's event, before.
        await service.flush();
        expect((await service.find({ ...TENANT, action: 'audit.read' })).events).toHaveLength(1);
      },
    },
    authentication: {
      make: authentication,
      async job(audit) {
        const login = { outcome: 'failure', account: 'ann@example.org' } as const;
        const event = await audit.get(AuthenticationAudit).record('login', login);
        await audit.service.flush();
        expect(await audit.service.findById(event.id, TENANT)).toMatchObject({ category: 'authentication' });
      },
    },
    complianceRules: {
      make: () =>
        complianceRules({
          rules: [{ ...RULE, conditions: { field: 'resource', operator: 'equals', value: 'invoice' } }],
        }),
      async job({ service }) {
        const [event] = (await service.find({ ...TENANT, action: 'invoice.read' })).events;
        expect(event!.complianceFlags).toEqual(['r']);
      },
    },
    detection: {
      make: () => detection({ bruteForce: { threshold: 2 } }),
      async job({ service }) {
        const login = {
          ...TENANT,
          action: 'auth.login',
          category: 'authentication',
          outcome: 'failure',
        } as const;
        for (let attempt = 0; attempt < 2; attempt += 1)
          await service.record({ ...login, ipAddress: '192.0.2.1' });
        await eventually(async () => {
          const { events } = await service.find({ ...TENANT, action: 'detection.brute-force' });
          expect(events).toHaveLength(1);
        });
      },
    },
    health: {
      make: health,
      async job(audit) {
        const { audit: told } = await audit.get(AuditHealthIndicator).isHealthy();
        expect(told).toMatchObject({ status: 'up' });
      },
    },
    // What it reports, observability.spec.ts shows: it reads no database.
    metrics: { make: metrics, job: async () => undefined },
    policy: {
      make: () => policy([{ level: 'metadata', match: { path: '/invoices/*' } }]),
      async job(audit) {
        expect(audit.get(AuditPolicy)).toBeInstanceOf(AuditPolicy);
        const [event] = (await audit.service.find({ ...TENANT, action: 'invoice.read' })).events;
        expect(event).toMatchObject({ userId: 'ann' });
      },
    },
    protection: {
      make: () => protection({ fields: ['userAgent'], masterKey: randomBytes(32).toString('base64') }),
      tables: ['audit_keys'],
      async job(audit) {
        const query = { ...TENANT, action: 'invoice.read' };
        expect((await audit.service.find(query)).events).toMatchObject([{ userAgent: '[protected]' }]);
        expect((await audit.service.find({ ...query, reveal: true })).events).toMatchObject([
          { userAgent: 'Browser/1' },
        ]);
        await audit
          .get(DataProtection)
          .forget({ ...TENANT, subjectId: 'ann' })
          .catch(throwUnlessHeld);
      },
    },
    retention: {
      make: () => retention({ rules: [{ keepDays: 365 }] }),
      tables: ['audit_removals'],
      async job(audit) {
        const service = audit.get(AuditRetention);
        const hold = await service.placeHold({
          ...TENANT,
          userId: 'ann',
          reason: 'case',
          placedBy: 'counsel',
        });
        await service.liftHold(hold.id, { reason: 'settled', liftedBy: 'counsel' });
        expect(await service.removeExpired()).toMatchObject({ removed: 0 });
      },
    },
    risk: {
      make: () => risk({ businessHours: { timeZone: 'UTC', from: '00:00', to: '00:01' } }),
      async job({ service }) {
        const [event] = (await service.find({ ...TENANT, action: 'invoice.read' })).events;
        expect(event!.riskScore).toBeGreaterThan(0);
      },
    },
  };

/** Without retention no feature can tell whether a legal hold keeps what is to be forgotten. */
function throwUnlessHeld(error: unknown): void {
  expect(error).toMatchObject({ code: 'AUDIT_INVALID_OPTIONS' });
}

describeEachDatabase('a feature alone', (create) => {
  it.each(Object.entries(FEATURES))('%s', async (_name, { make, tables = [], job }) => {
    const database = await create({ isEmpty: true });
    const audit = new NodeAudit({
      database: database.options,
      delivery: { directory: database.journal },
      features: [make()],
    });
    const server = createServer((request, response) =>
      audit.handle(request, response, async () => {
        await audit.route(request, { pattern: '/invoices/:id', params: { id: '7' }, user: { id: 'ann' } });
        response.end('{}');
      }),
    );
    try {
      await audit.ready();
      await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
      const { port } = server.address() as AddressInfo;
      await send(port, { path: '/invoices/7', headers: { 'user-agent': 'Browser/1' } });
      await audit.service.flush();
      const { events } = await audit.service.find({ ...TENANT, action: 'invoice.read' });
      expect(events).toMatchObject([{ resourceId: '7', userId: 'ann', outcome: 'success' }]);
      await job(audit);
      await audit.service.flush();
      await audit.service.checkpoint();
      expect(await audit.service.verify()).toMatchObject({ ok: true, problems: [] });
    } finally {
      await new Promise((closed) => server.close(closed));
      await audit.close();
    }
    expect(await addedTo(database.options)).toEqual([...tables].sort());
  });

  it('listeners, which needs Nest', async () => {
    const database = await create({ isEmpty: true });
    const heard: string[] = [];
    class Alarms {
      @OnAuditEvent() hear({ action }: AuditLogEvent) {
        heard.push(action);
      }
    }
    @Module({
      imports: [
        AuditModule.forRoot({
          database: database.options,
          delivery: { directory: database.journal },
          features: [listeners()],
        }),
      ],
      providers: [Alarms],
    })
    class ListeningModule {}
    const app = await NestFactory.createApplicationContext(ListeningModule, { logger: false });
    await app.get(AuditService).record({ action: 'invoice.read' });
    await app.close();
    expect(heard).toEqual(['invoice.read']);
    expect(await addedTo(database.options)).toEqual([]);
  });
});

/** The tables that are not the core's. */
async function addedTo(options: AuditDatabaseOptions): Promise<string[]> {
  const made = await tablesOf(new DataSource(options as never));
  return made.filter((table) => !CORE_TABLES.includes(table));
}

async function tablesOf(source: DataSource): Promise<string[]> {
  await source.initialize();
  try {
    const schema = source.options.type === 'mysql' ? 'DATABASE()' : 'current_schema()';
    const found = await source.query<{ name: string }[]>(
      source.options.type === 'better-sqlite3'
        ? "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
        : `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = ${schema}`,
    );
    return found
      .map(({ name }) => name)
      .filter((name) => name.startsWith('audit_'))
      .sort();
  } finally {
    await source.destroy();
  }
}
