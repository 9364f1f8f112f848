// What events mean, through the public door on every database: flags, scores, rules that change while the application
// runs, handlers that are called, policies, findings, and who hears of them.
import { DeliveryLoop } from '../../src/delivery/delivery-loop.js';
import { RepositorySink } from '../../src/delivery/event-sink.js';
import 'reflect-metadata';
import { Body, Controller, Delete, Get, Injectable, Module, Param, Post, Query } from '@nestjs/common';
import type { INestApplication, Provider } from '@nestjs/common';
import { ModuleRef, NestFactory } from '@nestjs/core';
import { AsyncLocalStorage } from 'node:async_hooks';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Audit, AuditModule, AuditService } from 'nest-audit-trail';
import type { AuditEventInput, AuditLogEvent, AuditModuleOptions, AuditQuery } from 'nest-audit-trail';
import { AuthenticationAudit } from 'nest-audit-trail/authentication';
import { detection } from 'nest-audit-trail/detection';
import { listeners, OnAuditEvent } from 'nest-audit-trail/listeners';
import { AuditPolicy, policy } from 'nest-audit-trail/policy';
import { complianceRules, ComplianceRules } from 'nest-audit-trail/rules';
import type { ComplianceFinding, ComplianceRule } from 'nest-audit-trail/rules';
import { risk } from 'nest-audit-trail/risk';
import { Delivery } from '../../src/delivery/delivery.js';
import { DELIVERY_DEFAULTS } from '../../src/delivery/delivery-options.js';
import { AuditRecorder } from '../../src/recorder/audit-recorder.js';
import { Listeners } from '../../src/recorder/listeners.js';
import { Reports } from '../../src/recorder/reports.js';
import { EventCompleter } from '../../src/recorder/event-completer.js';
import { Redactor } from '../../src/recorder/redaction/redactor.js';
import { bookOf } from '../../src/features/rules/compliance-options.js';
import { RuleStage } from '../../src/features/rules/rule-stage.js';
import type { Stage } from '../../src/recorder/stage.js';
import { openStore } from '../support/audit-store.js';
import { eventually } from '../support/eventually.js';
import { send } from '../support/http-client.js';
import type { Answer, Call } from '../support/http-client.js';
import { removable } from '../support/removable-database.js';
import type { RemovableDatabase } from '../support/removable-database.js';
import { as, readUser } from '../support/user-header.js';
import { describeOnSqlite } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';

/** A context of the application's own, as tracing packages keep one for each request. */
const ofRequest = new AsyncLocalStorage<string>();

interface User {
  readonly id: string;
  readonly tenantId?: string;
  readonly roles?: string | readonly string[];
}

const CLERK: User = { id: 'ann', tenantId: 'acme', roles: ['clerk'] };
const ADMIN: User = { id: 'root', tenantId: 'acme', roles: ['Admin', 'clerk'] };

interface Judged {
  readonly app: INestApplication;
  readonly audit: AuditService;
  /** Where the application has the feature. */
  readonly compliance: ComplianceRules;
  /** The ids that handlers ran for. */
  readonly handled: readonly string[];
  readonly logged: readonly string[];
  /** Sends a request in the name of a user, or of nobody. */
  ask(call: Call, user?: User): Promise<Answer>;
  /** All that is stored, in the order of ids. */
  events(query?: Omit<AuditQuery, 'tenantId' | 'allTenants'>): Promise<AuditLogEvent[]>;
  close(): Promise<void>;
}

async function startJudged(
  options: AuditModuleOptions,
  providers: readonly Provider[] = [],
): Promise<Judged> {
  const handled: string[] = [];

  @Audit()
  @Controller('invoices')
  class InvoicesController {
    constructor(private readonly audit: AuditService) {}

    @Get()
    @Audit({ action: 'invoice.export', details: ({ request }) => ({ recordCount: countOf(request.url) }) })
    list(@Query('count') count: string) {
      return { count };
    }

    @Get(':id') read(@Param('id') id: string) {
      handled.push(id);
      return { id };
    }

    @Post() @Audit({ body: ['amount'] }) create(@Body() { amount }: { amount: number }) {
      return { id: '4711', amount };
    }

    @Post(':id/approve') @Audit({ action: 'invoice.sign' }) async approve(@Param('id') resourceId: string) {
      await this.audit.record({ action: 'invoice.approve', resourceId });
      return {};
    }

    @Delete(':id') remove(@Param('id') id: string) {
      handled.push(id);
      return { id };
    }
  }

  @Controller()
  class OfficeController {
    constructor(
      private readonly audit: AuditService,
      private readonly moduleRef: ModuleRef,
    ) {}

    @Post('login') async login(@Body() { account }: { account: string }) {
      await new AuthenticationAudit(this.audit).record('login', {
        outcome: 'failure',
        account,
        method: 'password',
      });
      return {};
    }

    @Post('rules') async change(@Body() rule: ComplianceRule) {
      await this.moduleRef.get(ComplianceRules, { strict: false }).set(rule);
      return {};
    }
  }

  @Module({
    imports: [AuditModule.forRoot(options)],
    controllers: [InvoicesController, OfficeController],
    providers: [...providers],
  })
  class JudgedModule {}

  const logged: string[] = [];
  const keep = (message: unknown) => void logged.push(String(message));
  const app: INestApplication = await NestFactory.create(JudgedModule, {
    logger: { log: keep, warn: keep, error: keep, fatal: keep },
    abortOnError: false,
  });
  // How users are verified is not the matter here.
  app.use((request: SentRequest, _response: unknown, next: () => void) => {
    request.user = readUser(request) as User;
    ofRequest.run(request.url, next);
  });
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  const audit = app.get(AuditService);
  return {
    app,
    audit,
    get compliance() {
      return app.get(ComplianceRules);
    },
    handled,
    logged,
    ask: (call, user) => send(port, { ...call, headers: { ...(user && as(user)), ...call.headers } }),
    async events(query = {}) {
      await audit.flush();
      const events: AuditLogEvent[] = [];
      for await (const event of audit.stream({ order: 'oldest', ...query, allTenants: true }))
        events.push(event);
      return events;
    },
    close: () => app.close(),
  };
}

interface SentRequest {
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly url: string;
  user?: User;
}

function countOf(url: string | undefined): number {
  return Number(new URLSearchParams(url?.split('?')[1]).get('count'));
}

/** The only one of them that has the action. */
function lone(events: readonly AuditLogEvent[], action: string): AuditLogEvent {
  const found = events.filter((event) => event.action === action);
  expect(found.map((event) => event.action)).toEqual([action]);
  return found[0]!;
}

const rule = (more: Partial<ComplianceRule> & Pick<ComplianceRule, 'id' | 'conditions'>): ComplianceRule => ({
  name: `The rule ${more.id}`,
  category: 'compliance',
  severity: 'high',
  ...more,
});

const BIG = rule({
  id: 'big',
  conditions: {
    any: [
      { field: 'details.amount', operator: 'greater_than', value: 1_000 },
      { field: 'details.body.amount', operator: 'greater_than', value: 1_000 },
    ],
  },
});
const DELETION = rule({
  id: 'deletion',
  conditions: { field: 'action', operator: 'equals', value: 'invoice.delete' },
});
const WATCH_ANN = rule({
  id: 'watch-ann',
  conditions: { field: 'userId', operator: 'equals', value: 'ann' },
});

const unhandled: unknown[] = [];
const noteUnhandled = (reason: unknown) => void unhandled.push(reason);

beforeAll(() => void process.on('unhandledRejection', noteUnhandled));
afterAll(() => void process.off('unhandledRejection', noteUnhandled));
afterEach(() => expect(unhandled.splice(0)).toEqual([]));

describeOnSqlite('judgement', (create) => {
  const apps: Judged[] = [];
  let database: TestDatabase;
  let store: RemovableDatabase | undefined;

  beforeEach(async () => {
    database = await create();
  });

  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
    await store?.release();
    store = undefined;
    await database.drop();
  });

  /** Without detection, which sees many requests of a test together, unless the test is about it. */
  async function start(
    options: AuditModuleOptions = {},
    providers: readonly Provider[] = [],
  ): Promise<Judged> {
    const app = await startJudged(
      {
        database: database.options,
        ...options,
        // Each application has a journal of its own.
        delivery: { directory: `${database.journal}/${apps.length}`, ...options.delivery },
      },
      providers,
    );
    apps.push(app);
    return app;
  }

  describe('flags', () => {
    it('what own rules and those of packs say, of requests and of record()', async () => {
      const { ask, audit, events } = await start({
        features: [
          complianceRules({
            packs: ['sox'],
            rules: [BIG, DELETION, { ...WATCH_ANN, enabled: false }],
            disabled: ['sox.404-denied-access'],
          }),
        ],
      });
      const post = (body: object, user: User) =>
        ask({ method: 'POST', path: '/invoices', body: JSON.stringify(body) }, user);
      await post({ amount: 1_000 }, CLERK);
      await post({ amount: 1_001 }, ADMIN);
      await ask({ method: 'DELETE', path: '/invoices/7' }, CLERK);
      await ask({ path: '/invoices/7' }, CLERK);
      await ask({ method: 'POST', path: '/invoices/7/approve' }, ADMIN);
      const own: AuditEventInput[] = [
        { action: 'budget.void', details: { amount: '1000.01' }, complianceFlags: ['by-hand'] },
        { action: 'budget.read', details: { amount: 5_000 } },
        { action: 'door.open', category: 'authorization', outcome: 'failure' },
      ];
      for (const event of own) {
        const answered = await audit.record(event);
        await audit.flush();
        expect(await audit.findById(answered.id, { allTenants: true })).toMatchObject({
          complianceFlags: answered.complianceFlags,
        });
      }
      const stored = await events();
      const change = 'sox.404-financial-record-change';
      const privileged = 'sox.404-privileged-change';
      expect(
        stored
          .map(({ action, userId, complianceFlags }) => [action, userId ?? '', ...complianceFlags])
          .sort((a, b) => a.join().localeCompare(b.join())),
      ).toEqual([
        ['budget.read', '', 'big'],
        ['budget.void', '', 'by-hand', 'sox.302-approval', change, 'big'],
        ['door.open', ''],
        ['invoice.approve', 'root', 'sox.302-approval', change, privileged],
        ['invoice.create', 'ann', change],
        ['invoice.create', 'root', change, privileged, 'big'],
        ['invoice.delete', 'ann', change, 'sox.802-record-deletion', 'deletion'],
        ['invoice.read', 'ann'],
        ['invoice.sign', 'root', change, privileged],
      ]);
      // The event keeps its own category and severity.
      expect(lone(stored, 'invoice.delete')).toMatchObject({
        category: 'data_modification',
        severity: 'medium',
      });
      expect((await events({ complianceFlag: 'big' })).map(({ action }) => action).sort()).toEqual([
        'budget.read',
        'budget.void',
        'invoice.create',
      ]);
    });
  });

  describe('scores', () => {
    it('by named factors, of requests and of record()', async () => {
      const { ask, audit, events } = await start();
      await ask({ path: '/invoices/7' }, CLERK);
      await ask({ path: '/invoices/8' }, ADMIN);
      await ask({ path: '/invoices/9' }, { id: 'eve', roles: 'OWNER' });
      for (const count of [99, 100, 12_000]) await ask({ path: `/invoices?count=${count}` }, CLERK);
      await audit.record({
        action: 'own.delete',
        severity: 'critical',
        outcome: 'failure',
        details: { rows: '1000' },
      });
      // A score that is given is kept, and nobody can claim reasons for one.
      await audit.record({ action: 'own.given', riskScore: 42, metadata: { riskFactors: ['forged:42'] } });
      const stored = await events();
      const judged = stored.map(({ action, resourceId, details, riskScore, metadata }) => [
        `${action} ${resourceId ?? details['recordCount'] ?? ''}`.trim(),
        riskScore,
        metadata['riskFactors'],
      ]);
      expect(judged.sort()).toEqual([
        ['invoice.export 100', 10, ['category:5', 'volume:5']],
        ['invoice.export 12000', 30, ['category:5', 'volume:25']],
        ['invoice.export 99', 5, ['category:5']],
        ['invoice.read 7', 5, ['category:5']],
        ['invoice.read 8', 15, ['category:5', 'privilegedRole:10']],
        ['invoice.read 9', 15, ['category:5', 'privilegedRole:10']],
        ['own.delete', 100, ['category:15', 'severity:45', 'outcome:15', 'verb:15', 'volume:15']],
        ['own.given', 42, undefined],
      ]);
    });

    it('by the hours in which people work', async () => {
      const { audit, events } = await start({
        features: [
          risk({
            weights: { offHours: 33 },
            businessHours: { timeZone: 'Europe/Berlin', from: '08:00', to: '18:00' },
          }),
        ],
      });
      const times: [time: number, isOff: boolean][] = [
        // Berlin is two hours ahead in summer, and one in winter.
        [Date.UTC(2025, 6, 16, 6, 0), false],
        [Date.UTC(2025, 6, 16, 5, 59), true],
        [Date.UTC(2025, 0, 15, 6, 59), true],
        [Date.UTC(2025, 0, 15, 16, 59), false],
        [Date.UTC(2025, 0, 15, 17, 0), true],
        // A Saturday.
        [Date.UTC(2025, 6, 19, 10, 0), true],
        // The last time that an event can have.
        [281_474_976_710_655, true],
      ];
      for (const [timestamp] of times) await audit.record({ action: 'own.read', timestamp });
      const stored = await events();
      for (const [timestamp, isOff] of times) {
        const event = stored.find((one) => one.timestamp === timestamp)!;
        expect([timestamp, event.riskScore, event.metadata['riskFactors']]).toEqual([
          timestamp,
          isOff ? 38 : 5,
          isOff ? ['category:5', 'offHours:33'] : ['category:5'],
        ]);
      }
    });

    it('by what is unusual for the user, whom another process knew before', async () => {
      const before = await start();
      const known = {
        action: 'own.read',
        tenantId: 'acme',
        userId: 'ann',
        ipAddress: '192.0.2.1',
        userAgent: 'browser',
      };
      await before.audit.record({ ...known, timestamp: Date.now() - 7_200_000 });
      await before.audit.flush();
      const { audit } = await start({ features: [risk({ burst: { events: 3, seconds: 3_600 } })] });
      const factorsOf = async (more: Partial<AuditEventInput>) =>
        (await audit.record({ ...known, ...more })).metadata['riskFactors'];
      // Until the store was asked nothing counts as new.
      expect(await factorsOf({ ipAddress: '198.51.100.9' })).toEqual(['category:5']);
      await eventually(async () =>
        expect(await factorsOf({ ipAddress: '198.51.100.9' })).toContain('newAddress:10'),
      );
      const now = Date.now();
      expect(await factorsOf({ timestamp: now })).not.toContain('newAddress:10');
      expect(await factorsOf({ userAgent: 'script', timestamp: now })).toEqual([
        'category:5',
        'newDevice:5',
        'burst:15',
      ]);
      expect(await factorsOf({ userId: 'bob', timestamp: now })).toEqual(['category:5']);
    });

    it('as the application scores, and by default where that fails', async () => {
      const asked: {
        readonly event: AuditLogEvent;
        readonly score: number;
        readonly factors: readonly string[];
      }[] = [];
      const { ask, audit, events, logged } = await start({
        features: [
          complianceRules({
            rules: [
              rule({ id: 'risky', conditions: { field: 'riskScore', operator: 'greater_than', value: 49 } }),
            ],
          }),
          risk({
            scorer: (event, { score, factors }) => {
              asked.push({ event, score, factors });
              switch (event.action) {
                case 'own.raised':
                  return score + 30.4;
                case 'own.above':
                  return 1_000;
                case 'own.below':
                  return -1;
                case 'own.nan':
                  return Number.NaN;
                case 'own.text':
                  return '90' as never;
                case 'own.promise':
                  return Promise.reject(new Error('A secret.')) as never;
                case 'own.throws':
                case 'invoice.read':
                  throw new Error('A secret.');
                default:
                  return score;
              }
            },
          }),
        ],
      });
      for (const name of ['raised', 'above', 'below', 'nan', 'text', 'promise', 'throws', 'same']) {
        await audit.record({ action: `own.${name}` });
      }
      expect((await ask({ path: '/invoices/7' }, CLERK)).status).toBe(200);
      const stored = await events();
      const basis = ['category:15', 'verb:5'];
      const failed = [20, basis, ['risk'], []];
      expect(
        stored.map(({ action, riskScore, metadata, complianceFlags }) => [
          action,
          riskScore,
          metadata['riskFactors'],
          metadata['stageErrors'],
          complianceFlags,
        ]),
      ).toEqual([
        ['own.raised', 50, [...basis, 'scorer:30'], undefined, ['risky']],
        ['own.above', 100, [...basis, 'scorer:80'], undefined, ['risky']],
        ['own.below', 0, [...basis, 'scorer:-20'], undefined, []],
        ['own.nan', ...failed],
        ['own.text', ...failed],
        ['own.promise', ...failed],
        ['own.throws', ...failed],
        ['own.same', 20, basis, undefined, []],
        ['invoice.read', 5, ['category:5'], ['risk'], []],
      ]);
      expect(asked[0]).toMatchObject({
        event: { action: 'own.raised', riskScore: 20 },
        score: 20,
        factors: basis,
      });
      expect([...logged, JSON.stringify(stored)].join()).not.toContain('A secret.');
    });

    it('what no scorer can spoil by what it does to the event that it is given', async () => {
      const { audit, events } = await start({
        features: [
          complianceRules({ rules: [BIG] }),
          risk({
            scorer: (event, { score }) => {
              const hostile = event as unknown as {
                details: Record<string, unknown>;
                metadata: Record<string, unknown>;
              };
              Object.defineProperty(hostile.details, 'amount', {
                enumerable: true,
                get: () => {
                  throw new Error('Not for you.');
                },
              });
              hostile.metadata['source'] = 'forged';
              hostile.metadata['self'] = hostile;
              event.complianceFlags.push('forged');
              return score;
            },
          }),
        ],
      });
      const answered = await audit.record({ action: 'own.update', details: { amount: 5_000 } });
      const [stored, ...more] = await events();
      expect(more).toEqual([]);
      expect(stored).toEqual(answered);
      expect(stored).toMatchObject({ details: { amount: 5_000 }, complianceFlags: ['big'] });
      expect(stored!.metadata).not.toHaveProperty('self');
      expect(stored!.metadata['source']).not.toBe('forged');
    });
  });

  it('loses no event by a stage that throws, nor what the other stages say', async () => {
    const opened = await openStore(database.options);
    const warned: string[] = [];
    const silent = () => undefined;
    const broken = (name: string): Stage => ({
      name,
      judge: () => {
        throw new TypeError('A secret.');
      },
    });
    const logger = { log: silent, error: silent, warn: (message: string) => void warned.push(message) };
    const redactor = new Redactor();
    const rules = new RuleStage(bookOf({ rules: [DELETION] }));
    const stages = [broken('first'), rules, broken('last')];
    const completer = new EventCompleter(redactor, logger, undefined, stages);
    const listeners = new Listeners(logger);
    const delivery = new Delivery(
      (host) => new DeliveryLoop(new RepositorySink(opened.events, opened.letters), DELIVERY_DEFAULTS, host),
      opened.sources,
      logger,
      { ...DELIVERY_DEFAULTS, mode: 'buffered' },
      new Reports(completer, listeners),
    );
    const recorder = new AuditRecorder(delivery, opened.events, completer, listeners);
    try {
      await delivery.open();
      delivery.resume();
      const recorded = recorder.record({
        action: 'invoice.delete',
        metadata: { stageErrors: ['details', 'last'] },
      })!;
      await delivery.flush();
      const stored = await opened.events.findById(recorded.id, {});
      expect(stored).toEqual(recorded);
      expect(stored).toMatchObject({
        complianceFlags: ['deletion'],
        metadata: { stageErrors: ['details', 'last', 'first'] },
      });
      expect(warned).toEqual([expect.stringContaining('stage first'), expect.stringContaining('stage last')]);
      expect(warned.join()).not.toContain('secret');
    } finally {
      await delivery.close();
      await opened.close();
    }
  });

  describe('rules that change while the application runs', () => {
    const changes = async ({ events }: Judged) =>
      (await events({ category: 'compliance' })).map(({ action, resourceId }) => `${action} ${resourceId}`);

    it('flag and block from then on, and each change is an event', async () => {
      const app = await start({ features: [complianceRules({ rules: [DELETION] })] });
      const { audit, compliance, ask, handled, events } = app;
      /** What becomes of a request: its status, and the flags of its event. */
      const read = async (id: string, user: User) => {
        const { status } = await ask({ path: `/invoices/${id}` }, user);
        const [event, ...more] = await events({ resourceId: id });
        expect(more).toEqual([]);
        return [status, event!.complianceFlags];
      };
      expect(await read('1', CLERK)).toEqual([200, []]);

      const full = { ...WATCH_ANN, actions: ['log'], enabled: true };
      expect(await compliance.set(WATCH_ANN)).toEqual(full);
      expect(compliance.list().map(({ id }) => id)).toEqual(['deletion', 'watch-ann']);
      expect(await read('2', CLERK)).toEqual([200, ['watch-ann']]);
      expect((await audit.record({ action: 'own.read', userId: 'ann' })).complianceFlags).toEqual([
        'watch-ann',
      ]);

      const blocking = { ...full, name: 'Ann is to stay out', actions: ['log', 'block'] } as const;
      expect(await compliance.set(blocking)).toEqual(blocking);
      expect(compliance.list().map(({ id }) => id)).toEqual(['deletion', 'watch-ann']);
      expect(await read('3', CLERK)).toEqual([403, ['watch-ann']]);
      expect(await read('4', ADMIN)).toEqual([200, []]);

      expect(await compliance.enable('watch-ann', false)).toEqual({ ...blocking, enabled: false });
      expect(await read('5', CLERK)).toEqual([200, []]);
      expect(await compliance.enable('watch-ann', true)).toEqual(blocking);
      expect(await read('6', CLERK)).toEqual([403, ['watch-ann']]);

      expect(await compliance.remove('watch-ann')).toBe(true);
      expect(await compliance.remove('watch-ann')).toBe(false);
      expect(compliance.list().map(({ id }) => id)).toEqual(['deletion']);
      expect(await read('7', CLERK)).toEqual([200, []]);
      expect(handled).toEqual(['1', '2', '4', '5', '7']);

      expect(await changes(app)).toEqual([
        'compliance-rule.create watch-ann',
        'compliance-rule.update watch-ann',
        'compliance-rule.update watch-ann',
        'compliance-rule.update watch-ann',
        'compliance-rule.delete watch-ann',
      ]);
      const flat = (
        prefix: string,
        { name, actions, enabled }: Pick<ComplianceRule, 'name' | 'actions' | 'enabled'>,
      ) => ({
        [`${prefix}.id`]: 'watch-ann',
        [`${prefix}.name`]: name,
        [`${prefix}.category`]: 'compliance',
        [`${prefix}.severity`]: 'high',
        [`${prefix}.conditions.field`]: 'userId',
        [`${prefix}.conditions.operator`]: 'equals',
        [`${prefix}.conditions.value`]: 'ann',
        [`${prefix}.actions`]: actions,
        [`${prefix}.enabled`]: enabled,
      });
      const off = { ...blocking, enabled: false };
      const told = await events({ category: 'compliance' });
      expect(told.map(({ details }) => details)).toEqual([
        flat('after', full as ComplianceRule),
        { ...flat('before', full as ComplianceRule), ...flat('after', blocking) },
        { ...flat('before', blocking), ...flat('after', off) },
        { ...flat('before', off), ...flat('after', blocking) },
        flat('before', blocking),
      ]);
      for (const event of told) {
        expect(event).toMatchObject({ resource: 'compliance-rule', severity: 'high', outcome: 'success' });
      }
    });

    it('are changed in the name of who asked', async () => {
      const { ask, events } = await start({ features: [complianceRules()] });
      const body = JSON.stringify(WATCH_ANN);
      expect((await ask({ method: 'POST', path: '/rules', body }, ADMIN)).status).toBe(201);
      const stored = await events();
      expect(lone(stored, 'compliance-rule.create')).toMatchObject({
        userId: 'root',
        tenantId: 'acme',
        ipAddress: '127.0.0.1',
        metadata: { roles: ['Admin', 'clerk'] },
      });
    });

    it('stay as they are where a change is refused', async () => {
      const app = await start({
        features: [complianceRules({ rules: [DELETION], handlers: { notify: () => undefined } })],
      });
      const { compliance } = app;
      const before = compliance.list();
      const at = (field: string, value: unknown) => ({
        ...DELETION,
        conditions: { all: [{ ...DELETION.conditions, [field]: value }] },
      });
      const refused: [change: () => Promise<unknown>, field: string, rule: string][] = [
        [() => compliance.set({ ...DELETION, name: ' ' }), 'name', 'deletion'],
        [() => compliance.set({ ...DELETION, actions: ['alert'] }), 'actions[0]', 'deletion'],
        [() => compliance.set({ ...DELETION, actions: ['notify', 'escalate'] }), 'actions[1]', 'deletion'],
        [() => compliance.set({ ...DELETION, clauses: 'x' } as never), 'clauses', 'deletion'],
        [() => compliance.set({ ...DELETION, id: 'a,b' }), 'id', 'a,b'],
        [() => compliance.set(at('field', 'detail.amount') as never), 'conditions.all[0].field', 'deletion'],
        [() => compliance.set(at('operator', 'like') as never), 'conditions.all[0].operator', 'deletion'],
        [() => compliance.set({ ...BIG, actions: ['log', 'block'] }), 'conditions.any[0].field', 'big'],
        [
          () =>
            compliance.set(
              rule({ id: 'slow', conditions: { field: 'action', operator: 'matches', value: '(a)\\1' } }),
            ),
          'conditions.value',
          'slow',
        ],
        [() => compliance.enable('nobody', true), 'id', 'nobody'],
      ];
      for (const [change, field, id] of refused) {
        const error = await change().then(
          () => 'changed',
          (thrown: unknown) => thrown,
        );
        expect(error).toMatchObject({ name: 'AuditError', code: 'AUDIT_INVALID_RULE', field });
        expect((error as Error).message).toContain(`The compliance rule "${id}" is refused: ${field} `);
      }
      await expect(compliance.set(null as never)).rejects.toMatchObject({ code: 'AUDIT_INVALID_RULE' });
      expect(await compliance.remove('nobody')).toBe(false);
      expect(compliance.list()).toBe(before);
      expect(await changes(app)).toEqual([]);
    });

    it('are judged by the rules before them', async () => {
      const watch = rule({
        id: 'watch-rules',
        conditions: { field: 'resource', operator: 'equals', value: 'compliance-rule' },
      });
      const { compliance, events } = await start({ features: [complianceRules({ rules: [watch] })] });
      await compliance.set(DELETION);
      await compliance.enable('watch-rules', false);
      await compliance.enable('watch-rules', true);
      await compliance.remove('watch-rules');
      await compliance.set(watch);
      // One after another, whoever waits for them.
      const [rules, removed] = await Promise.all([
        Promise.all([BIG, WATCH_ANN].map((one) => compliance.set(one))),
        compliance.remove('deletion'),
      ]);
      expect([rules.map(({ id }) => id), removed]).toEqual([['big', 'watch-ann'], true]);
      expect(compliance.list().map(({ id }) => id)).toEqual(['watch-rules', 'big', 'watch-ann']);
      const told = (await events({ category: 'compliance' })).map(
        ({ action, resourceId, complianceFlags }) => [
          `${action} ${resourceId}`,
          complianceFlags.includes('watch-rules'),
        ],
      );
      expect(told).toEqual([
        ['compliance-rule.create deletion', true],
        ['compliance-rule.update watch-rules', true],
        ['compliance-rule.update watch-rules', false],
        ['compliance-rule.delete watch-rules', true],
        ['compliance-rule.create watch-rules', false],
        ['compliance-rule.create big', true],
        ['compliance-rule.create watch-ann', true],
        ['compliance-rule.delete deletion', true],
      ]);
    });

    const away: [why: string, delivery: AuditModuleOptions['delivery'], code: string][] = [
      ['there is no room for its event', { mode: 'buffered', maxBuffered: 1 }, 'AUDIT_STORE_UNAVAILABLE'],
      ['its event is not committed in time', { mode: 'strict', strictTimeoutMs: 300 }, 'AUDIT_UNAVAILABLE'],
    ];

    it.each(away)('stay as they are where %s', async (_why, delivery, code) => {
      store = await removable(database, true);
      const { audit, compliance, events } = await start({
        database: store.options,
        features: [complianceRules({ rules: [DELETION, WATCH_ANN] })],
        delivery: { shutdownTimeoutMs: 2_000, ...delivery },
      });
      // The database is known to be there.
      await eventually(() => audit.record({ action: 'own.read' }));
      await audit.flush();
      await store.remove();
      // Where there is room for one event, this is it.
      await audit.record({ action: 'own.create' }).catch(() => undefined);
      const before = compliance.list();
      for (const change of [
        () => compliance.set(BIG),
        () => compliance.set({ ...DELETION, actions: ['block'] }),
        () => compliance.enable('watch-ann', false),
        () => compliance.remove('deletion'),
      ]) {
        await expect(change()).rejects.toMatchObject({ code });
        expect(compliance.list()).toBe(before);
      }
      // Two that overlap, of which neither takes the other for what was there.
      const both = await Promise.allSettled([compliance.set(BIG), compliance.remove('watch-ann')]);
      expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
      expect(compliance.list()).toBe(before);
      await store.restore();
      // What was dropped is told by an event, which takes the only room there is for a moment.
      const served = await eventually(() =>
        audit.record({ action: 'invoice.delete', userId: 'ann', details: { amount: 5_000 } }),
      );
      expect(served.complianceFlags).toEqual(['deletion', 'watch-ann']);
      // What can't be dropped any more is followed by what says that it was not done.
      const unmade = await eventually(() => events({ category: 'compliance' }));
      const made = unmade.filter(({ outcome }) => outcome === 'success');
      expect(made).toHaveLength(code === 'AUDIT_UNAVAILABLE' ? 6 : 0);
      const refusals = unmade.filter(({ outcome }) => outcome === 'failure');
      expect(refusals.map(({ action, details }) => [action, details])).toEqual(
        made.map(({ action, id }) => [action, { eventId: id, reason: code }]),
      );
      await eventually(() => compliance.set(BIG));
      expect(compliance.list().map(({ id }) => id)).toEqual(['deletion', 'watch-ann', 'big']);
    });
  });

  describe('actions', () => {
    const told = rule({ ...DELETION, actions: ['log', 'alert', 'notify', 'escalate'] });

    it('are done once for each event, with a copy of it, and outside of its request', async () => {
      const taken: (ComplianceFinding & { readonly context: string | undefined })[] = [];
      const take = (finding: ComplianceFinding) => {
        taken.push({ ...finding, event: structuredClone(finding.event), context: ofRequest.getStore() });
        finding.event.action = 'changed';
        finding.event.details['changed'] = true;
      };
      const { ask, audit, events } = await start({
        features: [
          complianceRules({
            rules: [told, rule({ id: 'quiet', conditions: told.conditions })],
            handlers: { alert: take, notify: take, escalate: take },
          }),
        ],
      });
      await ask({ path: '/invoices/7' }, CLERK);
      expect((await ask({ method: 'DELETE', path: '/invoices/7' }, CLERK)).status).toBe(200);
      const own = await audit.record({ action: 'invoice.delete', resourceId: '8' });
      await eventually(() => expect(taken.length).toBeGreaterThanOrEqual(6));
      const stored = (await events({ action: 'invoice.delete' })).sort((a, b) =>
        a.resourceId! < b.resourceId! ? -1 : 1,
      );
      expect(stored).toMatchObject([{ resourceId: '7', userId: 'ann' }, own]);
      const on = { ...told, enabled: true };
      const expected = stored.flatMap((event) =>
        (['alert', 'notify', 'escalate'] as const).map((action) => ({
          rule: on,
          action,
          event,
          context: undefined,
        })),
      );
      expect(taken).toEqual(expected);
      // What a failing handler would leave.
      expect(await events({ action: 'compliance.action-failed' })).toEqual([]);
    });

    it('are done for a request that is blocked as well', async () => {
      const taken: string[] = [];
      const { ask, events } = await start({
        features: [
          complianceRules({
            rules: [
              // What the rule sees of the body is not stored.
              rule({
                id: 'no-gifts',
                conditions: { field: 'details.body.note', operator: 'contains', value: 'gift' },
                actions: ['block', 'alert'],
              }),
            ],
            handlers: { alert: ({ event }) => void taken.push(event.id) },
          }),
        ],
      });
      for (const note of ['a gift', 'a sale']) {
        await ask({ method: 'POST', path: '/invoices', body: JSON.stringify({ amount: 1, note }) }, CLERK);
      }
      const [blocked, passed] = await events();
      expect(blocked).toMatchObject({
        outcome: 'failure',
        complianceFlags: ['no-gifts'],
        metadata: { statusCode: 403, blockedBy: 'no-gifts' },
      });
      expect(passed).toMatchObject({ outcome: 'success', complianceFlags: [] });
      await eventually(() => expect(taken).toEqual([blocked!.id]));
    });

    it('are done again where they fail, and not again for what they record themselves', async () => {
      const calls: string[] = [];
      let audit!: AuditService;
      const app = await start({
        features: [
          complianceRules({
            rules: [{ ...told, actions: ['notify'] }],
            handlers: {
              notify: async ({ event }) => {
                calls.push(event.resourceId!);
                await audit.record({ action: 'invoice.delete', resourceId: 'own' });
                if (calls.length === 1) throw new RangeError('A secret.');
              },
            },
          }),
        ],
      });
      audit = app.audit;
      await app.ask({ method: 'DELETE', path: '/invoices/7' }, CLERK);
      await eventually(() => expect(calls).toHaveLength(2));
      await app.close();
      expect(calls).toEqual(['7', '7']);
      const again = await start();
      expect(await again.events({ resourceId: 'own', complianceFlag: 'deletion' })).toHaveLength(2);
      expect(await again.events({ action: 'compliance.action-failed' })).toEqual([]);
    });

    it('that nobody took are reported by one event when the application ends', async () => {
      let calls = 0;
      const app = await start({
        features: [
          complianceRules({
            // For its own report no handler is called.
            rules: [
              {
                ...told,
                conditions: { field: 'outcome', operator: 'in', value: ['success', 'failure'] },
                actions: ['alert'],
              },
            ],
            handlers: {
              alert: async () => {
                calls += 1;
                throw new RangeError('A secret.');
              },
            },
          }),
        ],
      });
      const { id } = await app.audit.record({ action: 'own.create' });
      await eventually(() => expect(calls).toBe(1));
      await app.close();
      const again = await start();
      const reports = await again.events({ action: 'compliance.action-failed' });
      expect(reports).toMatchObject([
        {
          resource: 'compliance-rule',
          resourceId: 'deletion',
          category: 'system',
          outcome: 'failure',
          severity: 'high',
          complianceFlags: ['deletion'],
          details: { action: 'alert', eventId: id, errorName: 'RangeError' },
        },
      ]);
      expect(JSON.stringify(reports)).not.toContain('secret');
      expect(app.logged.filter((line) => line.includes('failed for the rule'))).toHaveLength(1);
    });

    it('that nobody does stop the start', async () => {
      const handlers = { alert: () => undefined };
      await expect(
        start({ features: [complianceRules({ rules: [DELETION, { ...told, id: 'told' }], handlers })] }),
      ).rejects.toMatchObject({
        code: 'AUDIT_INVALID_OPTIONS',
        field: 'complianceRules.rules[1].actions[2]',
        message: expect.stringMatching(/"told".*'notify'.*no handler/),
      });
      // A rule that is off asks nobody, until it is turned on.
      const { compliance } = await start({
        features: [complianceRules({ rules: [{ ...told, enabled: false }], handlers })],
      });
      await expect(compliance.enable('deletion', true)).rejects.toMatchObject({
        code: 'AUDIT_INVALID_RULE',
        field: 'actions[2]',
      });
    });
  });

  describe('a policy', () => {
    it('from a file decides, and explains itself', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'audit-policy-'));
      const file = join(folder, 'policy.json');
      try {
        const rules = [
          { id: 'reads', level: 'none', match: { path: '/invoices/*', method: 'GET', status: '2xx' } },
          { level: 'request', match: { route: '/invoices', role: 'clerk' }, body: ['amount', 'note'] },
        ];
        await writeFile(file, JSON.stringify({ rules }));
        const { app, ask, events, handled } = await start({ features: [policy({ file })] });
        await ask({ path: '/invoices/7' }, CLERK);
        const body = JSON.stringify({ amount: 5, note: 'x', other: 'y' });
        await ask({ method: 'POST', path: '/invoices', body }, CLERK);
        await ask({ method: 'POST', path: '/invoices', body }, ADMIN);
        await ask({ method: 'POST', path: '/invoices', body }, { id: 'bob' });
        expect(handled).toEqual(['7']);
        expect((await events()).map(({ action, userId, details }) => [action, userId, details])).toEqual([
          ['invoice.create', 'ann', { 'body.amount': 5, 'body.note': 'x' }],
          ['invoice.create', 'root', { 'body.amount': 5, 'body.note': 'x' }],
          ['invoice.create', 'bob', { 'body.amount': 5 }],
        ]);
        const read = { method: 'GET', path: '/invoices/7' };
        const asked = app.get(AuditPolicy);
        expect(asked.explain({ ...read, status: 200 })).toEqual({
          level: 'none',
          rule: 'reads',
          reason: expect.stringContaining("method 'GET', path '/invoices/*', status '2xx'"),
        });
        const unsure = asked.explain({ ...read, route: '/invoices/:id' });
        expect(unsure).not.toHaveProperty('rule');
        expect(unsure.reason).toMatch(/No rule matches.*reads.*status '2xx'.*not given/);
        expect(asked.explain({ method: 'POST', route: '/invoices', roles: ['clerk'] })).toMatchObject({
          level: 'request',
          rule: '#1',
        });
        expect(asked.explain({ ...read, status: 404, route: null })).toEqual({
          reason: expect.stringContaining('No rule matches'),
        });
        for (const [subject, field] of [
          [{ pth: '/invoices' }, 'pth'],
          [{ method: 5 }, 'method'],
          [{ path: null }, 'path'],
          [{ roles: 'clerk' }, 'roles'],
          [{ status: '2xx' }, 'status'],
        ]) {
          const explain = () => asked.explain(subject as never);
          expect(explain).toThrow(expect.objectContaining({ code: 'AUDIT_INVALID_QUERY', field }));
        }
        expect(() => asked.explain(undefined as never)).toThrow('explain() takes an object');
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });

    it('that can not be stops the start', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'audit-policy-'));
      const file = join(folder, 'policy.json');
      const bad: [content: string, field: string][] = [
        ['{', 'policy.file'],
        ['{"rules":{}}', 'policy.file'],
        ['[{"level":"all"}]', 'policy[0].level'],
        ['[{"level":"none"},{"level":"none","match":{"paths":"/x"}}]', 'policy[1].match.paths'],
      ];
      try {
        for (const [content, field] of bad) {
          await writeFile(file, content);
          await expect(start({ features: [policy({ file })] })).rejects.toMatchObject({
            code: 'AUDIT_INVALID_OPTIONS',
            field,
          });
        }
        await expect(
          start({ features: [policy({ file: join(folder, 'none.json') })] }),
        ).rejects.toMatchObject({
          code: 'AUDIT_INVALID_OPTIONS',
          field: 'policy.file',
        });
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });
  });

  describe('detection', () => {
    const fail = async ({ audit }: Judged, account: string, times: number) => {
      const ids: string[] = [];
      for (let index = 0; index < times; index += 1) {
        const { id } = await new AuthenticationAudit(audit).record('login', {
          tenantId: 'acme',
          outcome: 'failure',
          account,
        });
        ids.push(id);
      }
      await audit.flush();
      return ids;
    };
    const findings = ({ events }: Judged) => events({ resource: 'detection' });

    it('makes one finding of failed logins, which names them', async () => {
      const app = await start({ features: [detection()] });
      const ids = await fail(app, 'ann', 10);
      await fail(app, 'bob', 9);
      await eventually(async () => expect(await findings(app)).not.toEqual([]));
      const more = await fail(app, 'ann', 10);
      await app.close();
      const after = await start();
      const [finding, ...others] = await findings(after);
      expect(others).toEqual([]);
      expect(finding).toMatchObject({
        action: 'detection.brute-force',
        category: 'security',
        outcome: 'failure',
        severity: 'high',
        tenantId: 'acme',
        details: { detection: 'brute-force', by: 'account', key: 'ann', count: 10, windowSeconds: 300 },
      });
      expect(finding).not.toHaveProperty('userId');
      const named = finding!.details['eventIds'] as string[];
      expect([...named].sort()).toEqual([...ids].sort());
      const stored = await after.events({ action: 'authn_login_fail' });
      expect(stored.map(({ id }) => id)).toEqual(expect.arrayContaining([...ids, ...more]));
      expect(finding!.timestamp).toBe(
        Math.max(...stored.filter(({ id }) => named.includes(id)).map((one) => one.timestamp)),
      );
      expect(finding!.metadata['riskFactors']).toEqual([
        'category:35',
        'severity:25',
        'outcome:15',
        'verb:5',
      ]);
    });

    it('makes one finding of a burst of requests to log in', async () => {
      const app = await start({
        features: [detection({ bruteForce: { threshold: 4, windowSeconds: 60 } })],
      });
      const tryOne = (account: string) =>
        app.ask({ method: 'POST', path: '/login', body: JSON.stringify({ account }) });
      // One address, many accounts. A window of a minute is decided at once.
      for (const account of ['ann', 'bob', 'eve', 'joe', 'kim', 'lou']) {
        expect((await tryOne(account)).status).toBe(201);
      }
      expect(await findings(app)).toMatchObject([
        {
          action: 'detection.brute-force',
          ipAddress: '127.0.0.1',
          details: { by: 'address', key: '127.0.0.1', count: 4, eventIds: expect.any(Array) },
        },
      ]);
    });

    it('makes one finding of what two applications saw half of, each', async () => {
      const features = [detection()];
      const [one, other] = [await start({ features }), await start({ features })];
      const halves = [await fail(one, 'ann', 5), await fail(other, 'ann', 5)];
      // Each finds something of its own as well, so that both look into the store at about the same time.
      await Promise.all([fail(one, 'eve', 10), fail(other, 'joe', 10)]);
      await eventually(async () =>
        expect(new Set((await findings(one)).map(({ details }) => details['key']))).toEqual(
          new Set(['ann', 'eve', 'joe']),
        ),
      );
      // Each looks a last time when it ends.
      await Promise.all([one.close(), other.close()]);
      const found = await findings(await start());
      expect(found.map(({ details }) => details['key']).sort()).toEqual(['ann', 'eve', 'joe']);
      const ann = found.find(({ details }) => details['key'] === 'ann')!;
      expect(ann.details['count']).toBe(10);
      expect([...(ann.details['eventIds'] as string[])].sort()).toEqual(halves.flat().sort());
    });

    it('finds nothing where it is off', async () => {
      for (const features of [undefined, [detection({ bruteForce: { enabled: false } })]]) {
        const app = await start({ ...(features && { features }) });
        await fail(app, 'ann', 20);
        // A last look would be taken here.
        await app.close();
      }
      expect(await findings(await start())).toEqual([]);
    });
  });

  it('tells those who listen of flagged events and of findings', async () => {
    const flagged: AuditLogEvent[] = [];
    const found: AuditLogEvent[] = [];
    const risky: AuditLogEvent[] = [];
    @Injectable()
    class Listener {
      @OnAuditEvent({ flags: ['deletion', 'never'] }) onFlagged(event: AuditLogEvent) {
        flagged.push(event);
      }
      @OnAuditEvent({ category: 'security', flags: 'iso-27001.8.15-alarm' }) onFinding(event: AuditLogEvent) {
        found.push(event);
      }
      @OnAuditEvent({ minRisk: 80 }) onRisk(event: AuditLogEvent) {
        risky.push(event);
      }
    }
    const { ask, audit, events } = await start(
      {
        features: [
          complianceRules({ packs: ['iso-27001'], rules: [DELETION] }),
          detection({ bruteForce: { threshold: 3 } }),
          listeners(),
        ],
      },
      [Listener],
    );
    await ask({ path: '/invoices/7' }, CLERK);
    await ask({ method: 'DELETE', path: '/invoices/7' }, CLERK);
    await audit.record({ action: 'invoice.delete', resourceId: '8' });
    await audit.record({ action: 'invoice.update', resourceId: '8' });
    const authentication = new AuthenticationAudit(audit);
    for (const account of ['ann', 'ann', 'ann'])
      await authentication.record('login', { outcome: 'failure', account });
    await eventually(() => expect([flagged.length, found.length, risky.length]).toEqual([2, 1, 1]));
    expect(found).toEqual(await events({ category: 'security' }));
    expect(found).toMatchObject([{ action: 'detection.brute-force', riskScore: 80 }]);
    expect(risky).toEqual(found);
    expect(flagged.map(({ resourceId }) => resourceId)).toEqual(['7', '8']);
    expect(flagged).toEqual(
      (await events({ complianceFlag: 'deletion' })).sort((a, b) => (a.resourceId! < b.resourceId! ? -1 : 1)),
    );
  });
});
