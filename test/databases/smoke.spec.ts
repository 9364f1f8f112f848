// One strict application with every feature on, for each database: what other suites test on SQLite alone works on the servers too.
import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { access } from 'nest-audit-trail/access';
import { authentication } from 'nest-audit-trail/authentication';
import { detection } from 'nest-audit-trail/detection';
import { AuditHealthIndicator, health } from 'nest-audit-trail/health';
import { listeners } from 'nest-audit-trail/listeners';
import { metrics } from 'nest-audit-trail/metrics';
import { policy } from 'nest-audit-trail/policy';
import { AuditRetention, retention } from 'nest-audit-trail/retention';
import { risk } from 'nest-audit-trail/risk';
import { complianceRules } from 'nest-audit-trail/rules';
import { DataProtection, protection } from 'nest-audit-trail/protection';
import { generateKeys } from '../../src/ledger/index.js';
import { eventually } from '../support/eventually.js';
import { send } from '../support/http-client.js';
import { describeEachDatabase, withoutThread } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';
import { NO_LARGE_PAYMENT, startPolicyApp } from '../support/policy-app.js';
import type { PolicyApp } from '../support/policy-app.js';
import { as } from '../support/user-header.js';

const ANN = { id: 'ann', tenantId: 'acme', roles: ['clerk'] };
const TENANT = { tenantId: 'acme' };

describeEachDatabase('an application with every feature', (create) => {
  withoutThread('what is protected is encrypted by the main thread');
  let database: TestDatabase;
  let app: PolicyApp;

  beforeAll(async () => {
    database = await create();
    app = await startPolicyApp({
      database: database.options,
      delivery: { mode: 'strict', directory: database.journal },
      ledger: { signingKey: generateKeys('audit.example').signerKey },
      redaction: { fields: { 'details.body.iban': 'mask' } },
      features: [
        access(),
        authentication(),
        complianceRules({ rules: [NO_LARGE_PAYMENT] }),
        detection(),
        health(),
        listeners(),
        metrics(),
        policy([{ level: 'none', match: { path: '/health' } }]),
        retention({ rules: [{ keepDays: 365 }] }),
        protection({ fields: ['userAgent'], masterKey: randomBytes(32).toString('base64') }),
        risk(),
      ],
    });
  });

  afterAll(() => app?.close());

  const pay = (amount: number) =>
    send(app.port, {
      method: 'POST',
      path: '/payments',
      headers: { ...as(ANN), 'user-agent': 'PlantedBrowser/1' },
      body: JSON.stringify({ amount, iban: 'DE89370400440532013000', password: 'planted' }),
    });

  it('commits the event before it answers, redacted and protected', async () => {
    expect((await pay(10)).status).toBe(201);
    const query = { ...TENANT, action: 'payment.create' };
    const [event, ...others] = (await app.audit.find(query)).events;
    expect(others).toEqual([]);
    expect(event).toMatchObject({
      userId: 'ann',
      userAgent: '[protected]',
      outcome: 'success',
      details: { 'body.amount': 10, note: 'annotated', approver: 'ann' },
      metadata: { statusCode: 201 },
    });
    expect(JSON.stringify(event)).not.toMatch(/planted|DE8937/);
    const [revealed] = (await app.audit.find({ ...query, reveal: true })).events;
    expect(revealed!.userAgent).toBe('PlantedBrowser/1');
  });

  it('blocks what a rule forbids, before the handler', async () => {
    const ran = app.handled.length;
    expect((await pay(2_000)).status).toBe(403);
    expect(app.handled).toHaveLength(ran);
    const { events } = await app.audit.find({ ...TENANT, outcome: 'failure', action: 'payment.create' });
    expect(events).toMatchObject([{ complianceFlags: ['large-payment'], metadata: { statusCode: 403 } }]);
  });

  it('records nothing of what the policy silences', async () => {
    expect((await send(app.port, { path: '/health' })).status).toBe(200);
    await app.audit.flush();
    expect((await app.audit.find({ allTenants: true, resource: 'health' })).events).toEqual([]);
  });

  it('finds who tries many passwords', async () => {
    for (let attempt = 0; attempt < 10; attempt += 1) {
      await app.audit.record({
        ...TENANT,
        action: 'auth.login',
        category: 'authentication',
        outcome: 'failure',
        userId: 'bob',
        ipAddress: '192.0.2.1',
      });
    }
    await eventually(async () => {
      const { events } = await app.audit.find({ ...TENANT, action: 'detection.brute-force' });
      expect(events.map(({ details }) => details['key'])).toContain('192.0.2.1');
    });
  });

  it('tells that it is well', async () => {
    await app.audit.flush();
    const { audit } = await app.app.get(AuditHealthIndicator).isHealthy();
    expect(audit).toMatchObject({ status: 'up', mode: 'strict', dead: 0, dropped: 0 });
  });

  it('holds what has to stay, and says what is stored', async () => {
    const retained = app.app.get(AuditRetention);
    const hold = await retained.placeHold({ ...TENANT, userId: 'ann', reason: 'case', placedBy: 'counsel' });
    const persons = app.app.get(DataProtection);
    await expect(persons.forget({ ...TENANT, subjectId: 'ann' })).rejects.toMatchObject({
      code: 'AUDIT_HELD',
    });
    await retained.liftHold(hold.id, { reason: 'settled', liftedBy: 'counsel' });
    expect(await retained.removeExpired()).toMatchObject({ removed: 0 });
    expect((await retained.storage()).tenants.map(({ tenantId }) => tenantId)).toContain('acme');
  });

  it('records who read the audit, and proves all of it', async () => {
    await app.audit.flush();
    const { events } = await app.audit.find({ ...TENANT, action: 'audit.read' });
    expect(events.length).toBeGreaterThan(0);
    await app.audit.checkpoint();
    expect(await app.audit.verify()).toMatchObject({ ok: true, problems: [] });
  });
});
