// Questions: every filter, tenants kept apart, cursors, streams, histories and figures.
import 'reflect-metadata';
import { Controller, Get, Module, Query, ValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { INestApplication } from '@nestjs/common';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import {
  AuditError,
  AuditEventRepository,
  AuditModule,
  AuditQueryDto,
  AuditService,
  CATEGORIES,
  OUTCOMES,
  SEVERITIES,
} from 'nest-audit-trail';
import type { AuditEventInput, AuditLogEvent, AuditQuery } from 'nest-audit-trail';
import { matchesFilter } from '../../src/store/event-filter.js';
import { checkQuery } from '../../src/trail/audit-query.dto.js';
import { Redactor } from '../../src/recorder/redaction/redactor.js';
import { toFilter } from '../../src/trail/to-filter.js';
import { send } from '../support/http-client.js';
import { describeEachDatabase } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';

@Controller('audit')
class AuditController {
  constructor(private readonly audit: AuditService) {}

  @Get('wrong') wrong() {
    return this.audit.find({ tenantId: 'acme', limit: -1 });
  }

  /** As an application writes it: the tenant is its own word, whatever the query string says. */
  @Get() find(@Query() query: AuditQueryDto) {
    return this.audit.find({ ...query, tenantId: 'acme' });
  }
}

const T0 = Date.UTC(2026, 0, 1);

const EVENTS: readonly AuditEventInput[] = [
  {
    action: 'invoice.create',
    tenantId: 'acme',
    userId: 'ann',
    resourceId: '1',
    timestamp: T0,
    details: { amount: 120, tags: ['a', 'b'], 'odd"key': 1 },
  },
  {
    action: 'invoice.approve',
    tenantId: 'acme',
    userId: 'bob',
    resourceId: '1',
    timestamp: T0 + 1_000,
    severity: 'high',
    riskScore: 80,
    complianceFlags: ['sox-404', 'sox-302'],
  },
  {
    action: 'invoice.read',
    tenantId: 'acme',
    userId: 'ann',
    resourceId: '2',
    timestamp: T0 + 2_000,
    sessionId: 's-1',
    ipAddress: '2001:DB8::1',
    userAgent: 'Mozilla/5.0 (X11)',
  },
  {
    action: 'invoices.export',
    tenantId: 'acme',
    userId: 'ann',
    timestamp: T0 + 3_000,
    outcome: 'partial',
    details: { amount: 1200, note: 'Zażółć "quoted" 100%_' },
  },
  {
    action: 'user.login',
    tenantId: 'acme',
    userId: 'eve',
    category: 'authentication',
    outcome: 'failure',
    timestamp: T0 + 3_600_000,
    severity: 'critical',
    riskScore: 100,
  },
  {
    action: 'invoice.create',
    tenantId: 'globex',
    userId: 'ann',
    resourceId: '1',
    timestamp: T0 + 500,
    details: { amount: 120 },
  },
  { action: 'invoice.create', tenantId: 'ACME', userId: 'ann', resourceId: '9', timestamp: T0 + 500 },
  { action: 'invoice.create', tenantId: 'acme ', userId: 'ann', resourceId: '8', timestamp: T0 + 500 },
];

/** Queries of one tenant, and which of {@link EVENTS} each must find, newest first. */
const QUERIES: readonly [
  title: string,
  query: Omit<AuditQuery, 'tenantId' | 'allTenants'>,
  found: readonly number[],
][] = [
  ['everything', {}, [4, 3, 2, 1, 0]],
  ['oldest first', { order: 'oldest' }, [0, 1, 2, 3, 4]],
  ['a user', { userId: 'ann' }, [3, 2, 0]],
  ['several users', { userId: ['ann', 'eve'] }, [4, 3, 2, 0]],
  ['an action', { action: 'invoice.read' }, [2]],
  ['an action prefix', { action: 'invoice.*' }, [2, 1, 0]],
  ['an action and a prefix', { action: ['user.login', 'invoices.*'] }, [4, 3]],
  ['a resource', { resource: 'invoice' }, [2, 1, 0]],
  ['a thing', { resource: 'invoice', resourceId: '1' }, [1, 0]],
  ['a session', { sessionId: 's-1' }, [2]],
  ['an address in another spelling', { ipAddress: '2001:0db8:0:0::1' }, [2]],
  ['a user agent', { userAgent: 'Mozilla/5.0 (X11)' }, [2]],
  ['a severity', { severity: 'high' }, [1]],
  ['severities', { severity: ['high', 'critical'] }, [4, 1]],
  ['a category', { category: 'authentication' }, [4]],
  ['an outcome', { outcome: 'partial' }, [3]],
  ['outcomes', { outcome: ['partial', 'failure'] }, [4, 3]],
  ['from a time on', { from: T0 + 2_000 }, [4, 3, 2]],
  ['before a time', { to: T0 + 2_000 }, [1, 0]],
  ['a range of ISO times', { from: '2026-01-01T00:00:01Z', to: new Date(T0 + 3_000) }, [2, 1]],
  ['a least risk', { minRiskScore: 80 }, [4, 1]],
  ['a range of risk', { minRiskScore: 80, maxRiskScore: 99 }, [1]],
  ['a compliance rule', { complianceFlag: 'sox-302' }, [1]],
  ['no part of a rule id', { complianceFlag: 'sox' }, []],
  ['a detail', { details: { amount: 120 } }, [0]],
  ['no prefix of a number', { details: { amount: 12 } }, []],
  ['a detail of another type', { details: { amount: '120' } }, []],
  ['a list', { details: { tags: ['a', 'b'] } }, [0]],
  ['a key with a quote', { details: { 'odd"key': 1 } }, [0]],
  ['no suffix of a key', { details: { key: 1 } }, []],
  ['metadata', { metadata: { schemaVersion: 1 } }, [4, 3, 2, 1, 0]],
  ['text in details', { text: '100%_' }, [3]],
  ['text in another case', { text: 'mozilla' }, [2]],
  ['text that is not ASCII', { text: 'Zażółć' }, [3]],
  ['text in no event', { text: 'nothing of the kind' }, []],
  ['several conditions', { userId: 'ann', action: 'invoice.*', to: T0 + 1_000 }, [0]],
  ['SQL as text', { userId: "' OR 1=1 --" }, []],
  ['control characters', { userId: 'a\u0000\r\n' }, []],
];

describeEachDatabase('queries', (create) => {
  let database: TestDatabase;
  let app: INestApplication;
  let audit: AuditService;
  let events: AuditLogEvent[];

  beforeAll(async () => {
    database = await create();
    @Module({
      imports: [
        AuditModule.forRoot({
          database: database.options,
          delivery: { mode: 'buffered' },
          capture: { requests: 'annotated' },
        }),
      ],
      controllers: [AuditController],
    })
    class QueryModule {}
    app = await NestFactory.create(QueryModule, { logger: false });
    app.useGlobalPipes(new ValidationPipe({ transform: true, whitelist: true, forbidNonWhitelisted: true }));
    await app.listen(0, '127.0.0.1');
    audit = app.get(AuditService);
    events = [];
    for (const event of EVENTS) events.push(await audit.record(event));
    await audit.flush();
  });

  afterAll(async () => {
    await app?.close();
    await database?.drop();
  });

  const codeOf = (error: unknown) => (error instanceof AuditError ? [error.code, error.field] : error);
  const failureOf = async (ask: () => unknown) => {
    try {
      await ask();
    } catch (error) {
      return codeOf(error);
    }
    return 'no error';
  };

  it.each(QUERIES)('finds %s', async (_title, query, found) => {
    const page = await audit.find({ ...query, tenantId: 'acme' });
    expect(page.events).toEqual(found.map((index) => events[index]));
    expect(page.nextCursor).toBeUndefined();
  });

  it('stores and answers every field as it was recorded', async () => {
    const event = await audit.record({
      action: 'invoice.archive',
      resource: 'invoice',
      resourceId: 'x',
      timestamp: T0 - 5_000,
      tenantId: 'whole',
      userId: 'u',
      sessionId: 's',
      ipAddress: '::ffff:192.0.2.1',
      userAgent: 'agent',
      severity: 'critical',
      category: 'compliance',
      outcome: 'partial',
      riskScore: 33,
      complianceFlags: ['a', 'b'],
      details: { z: 1, a: { b: [1, 2], c: new Date(0), d: 10n, e: null, f: undefined }, '': true },
      metadata: { source: 'forged', sequence: -1, schemaVersion: 99, note: 'kept' },
    });
    expect(event).toEqual({
      id: event.id,
      action: 'invoice.archive',
      resource: 'invoice',
      resourceId: 'x',
      timestamp: T0 - 5_000,
      tenantId: 'whole',
      userId: 'u',
      sessionId: 's',
      ipAddress: '192.0.2.1',
      userAgent: 'agent',
      severity: 'critical',
      category: 'compliance',
      outcome: 'partial',
      riskScore: 33,
      complianceFlags: ['a', 'b'],
      details: { z: 1, 'a.b': [1, 2], 'a.c': '1970-01-01T00:00:00.000Z', 'a.d': '10', '': true },
      metadata: {
        source: expect.not.stringMatching('forged'),
        sequence: expect.any(Number),
        schemaVersion: 1,
        note: 'kept',
      },
    });
    await audit.flush();
    expect(await audit.findById(event.id, { tenantId: 'whole' })).toEqual(event);
  });

  it('keeps tenants apart by every filter, id, cursor and history', async () => {
    const foreign = events[5]!;
    expect(await audit.findById(foreign.id, { tenantId: 'acme' })).toBeUndefined();
    expect(await audit.findById(foreign.id, { tenantId: 'globex' })).toEqual(foreign);
    expect(await audit.findById(foreign.id, { allTenants: true })).toEqual(foreign);
    expect((await audit.find({ tenantId: 'acme', id: foreign.id })).events).toEqual([]);
    const history = await audit.history({ tenantId: 'acme', resource: 'invoice', resourceId: '1' });
    expect(history.events).toEqual([events[1], events[0]]);
    const { nextCursor } = await audit.find({ tenantId: 'globex', userId: 'ann', limit: 1, order: 'oldest' });
    expect(nextCursor).toBeUndefined();
    const own = await audit.find({ tenantId: 'acme', limit: 1 });
    expect(
      await failureOf(() => audit.find({ tenantId: 'globex', limit: 1, cursor: own.nextCursor! })),
    ).toEqual(['AUDIT_INVALID_QUERY', 'cursor']);
    for (const tenantId of ['acme', 'ACME', 'acme ', 'globex']) {
      for await (const event of audit.stream({ tenantId })) expect(event.tenantId).toBe(tenantId);
    }
    // By case and trailing space, the three are three tenants on every database.
    expect((await audit.statistics({ tenantId: 'acme' })).total).toBe(5);
    expect((await audit.statistics({ tenantId: 'acme ' })).total).toBe(1);
  });

  it('refuses reads without a scope, and with two', async () => {
    const calls: ((scope: never) => unknown)[] = [
      (scope) => audit.find(scope),
      (scope) => audit.findById(events[0]!.id, scope),
      (scope) => audit.stream(scope),
      (scope) => audit.statistics(scope),
      (scope) => audit.observe(scope ?? (null as never)),
    ];
    for (const call of calls) {
      for (const scope of [
        {},
        { tenantId: '' },
        { tenantId: undefined },
        { tenantId: 7 },
        { tenantId: ['acme'] },
      ]) {
        expect(await failureOf(() => call(scope as never))).toEqual(['AUDIT_INVALID_QUERY', 'tenantId']);
      }
      for (const scope of [
        { allTenants: false },
        { allTenants: 'true' },
        { allTenants: true, tenantId: 'acme' },
      ]) {
        expect(await failureOf(() => call(scope as never))).toEqual(['AUDIT_INVALID_QUERY', 'allTenants']);
      }
    }
    expect(await failureOf(() => audit.find(undefined as never))).toEqual([
      'AUDIT_INVALID_QUERY',
      'tenantId',
    ]);
  });

  it.each<[string, object]>([
    ['severity', { severity: 'enormous' }],
    ['category', { category: ['system', 'x'] }],
    ['outcome', { outcome: 'ok' }],
    ['from', { from: 'yesterday' }],
    ['to', { to: new Date(Number.NaN) }],
    ['minRiskScore', { minRiskScore: 101 }],
    ['maxRiskScore', { maxRiskScore: 1.5 }],
    ['limit', { limit: 0 }],
    ['limit', { limit: 1_001 }],
    ['order', { order: 'random' }],
    ['cursor', { cursor: 'bm9uc2Vuc2U' }],
    ['cursor', { cursor: '' }],
    ['userId', { userId: 7 }],
    ['userId', { userId: [] }],
    ['action', { action: '*' }],
    ['action', { action: 'a.*.b*' }],
    ['details', { details: 'x' }],
    ['details', { details: { a: { b: 1 } } }],
    ['text', { text: '' }],
    ['user', { user: 'ann' }],
  ])('refuses a wrong %s: %j', async (field, query) => {
    expect(await failureOf(() => audit.find({ tenantId: 'acme', ...query } as AuditQuery))).toEqual([
      'AUDIT_INVALID_QUERY',
      field,
    ]);
  });

  it('refuses lists within lists, however deep they are', async () => {
    let deep: unknown[] = [];
    for (let depth = 0; depth < 50_000; depth += 1) deep = [deep];
    for (const query of [{ resource: deep }, { details: { a: deep } }]) {
      expect(await failureOf(() => audit.find({ tenantId: 'acme', ...query } as AuditQuery))).toEqual([
        'AUDIT_INVALID_QUERY',
        Object.keys(query)[0],
      ]);
    }
  });

  it('refuses cursors that were changed, or that belong to another query', async () => {
    const { nextCursor } = await audit.find({ tenantId: 'acme', limit: 2 });
    const [id, tag] = Buffer.from(nextCursor!, 'base64url').toString().split('.') as [string, string];
    const encode = (text: string) => Buffer.from(text).toString('base64url');
    const forged = [
      encode(`${events[0]!.id}.${tag}`),
      encode(id),
      encode(`${id}.${tag.slice(1)}0`),
      encode(`${id}.`),
      encode(`x.${tag}`),
      nextCursor!.slice(0, -2),
    ];
    for (const cursor of forged) {
      expect(await failureOf(() => audit.find({ tenantId: 'acme', limit: 2, cursor }))).toEqual([
        'AUDIT_INVALID_QUERY',
        'cursor',
      ]);
    }
    for (const other of [{ userId: 'ann' }, { order: 'oldest' as const }]) {
      expect(await failureOf(() => audit.find({ tenantId: 'acme', cursor: nextCursor!, ...other }))).toEqual([
        'AUDIT_INVALID_QUERY',
        'cursor',
      ]);
    }
    // Another page size is the same walk.
    expect((await audit.find({ tenantId: 'acme', limit: 50, cursor: nextCursor! })).events).toEqual([
      events[2],
      events[1],
      events[0],
    ]);
  });

  it('answers each event once in a walk, while others are written', async () => {
    const expected = new Set<string>();
    for (let index = 0; index < 300; index += 1) {
      expected.add(
        (await audit.record({ action: 'walk.step', tenantId: 'walkers', timestamp: T0 + index * 1_000 })).id,
      );
    }
    await audit.flush();
    for (const order of ['newest', 'oldest'] as const) {
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await audit.find({
          tenantId: 'walkers',
          order,
          limit: 17,
          to: T0 + 300_000,
          ...(cursor && { cursor }),
        });
        seen.push(...page.events.map(({ id }) => id));
        cursor = page.nextCursor;
        // Before, within and behind what was read: the order of ids keeps the walk's place.
        for (const timestamp of [T0 + 150_500, T0 - 1, Date.now()]) {
          await audit.record({ action: 'walk.noise', tenantId: 'walkers', timestamp });
        }
        await audit.flush();
      } while (cursor);
      expect(new Set(seen).size).toBe(seen.length);
      expect([...expected].every((id) => seen.includes(id))).toBe(true);
    }
  });

  it('streams everything in order, in bounded pages', async () => {
    const total = 1_203;
    for (let index = 0; index < total; index += 1) {
      await audit.record({
        action: 'bulk.step',
        tenantId: 'bulk',
        timestamp: T0 + index,
        details: { index },
      });
    }
    await audit.flush();
    const oldest: unknown[] = [];
    for await (const event of audit.stream({ tenantId: 'bulk', order: 'oldest' }))
      oldest.push(event.details['index']);
    expect(oldest).toEqual(Array.from({ length: total }, (_, index) => index));
    let newest = 0;
    for await (const event of audit.stream({ tenantId: 'bulk' })) {
      expect(event.details['index']).toBe(total - 1 - newest);
      newest += 1;
      if (newest === 600) break;
    }
  });

  it('computes statistics', async () => {
    expect(await audit.statistics({ tenantId: 'acme', top: 2, interval: 'hour' })).toEqual({
      total: 5,
      byCategory: { data_modification: 2, data_access: 2, authentication: 1 },
      bySeverity: { low: 3, high: 1, critical: 1 },
      byOutcome: { success: 3, partial: 1, failure: 1 },
      meanRiskScore: events.slice(0, 5).reduce((sum, event) => sum + event.riskScore, 0) / 5,
      highRiskCount: 2,
      complianceViolations: 1,
      topActions: [
        { action: 'invoice.approve', count: 1 },
        { action: 'invoice.create', count: 1 },
      ],
      topUsers: [
        { userId: 'ann', count: 3 },
        { userId: 'bob', count: 1 },
      ],
      histogram: [
        { timestamp: T0, count: 4 },
        { timestamp: T0 + 3_600_000, count: 1 },
      ],
    });
    expect(await audit.statistics({ tenantId: 'nobody' })).toEqual({
      total: 0,
      byCategory: {},
      bySeverity: {},
      byOutcome: {},
      meanRiskScore: 0,
      highRiskCount: 0,
      complianceViolations: 0,
      topActions: [],
      topUsers: [],
      histogram: [],
    });
    expect(await failureOf(() => audit.statistics({ tenantId: 'acme', top: 0 }))).toEqual([
      'AUDIT_INVALID_QUERY',
      'top',
    ]);
    expect(await failureOf(() => audit.statistics({ tenantId: 'acme', interval: 'week' as 'day' }))).toEqual([
      'AUDIT_INVALID_QUERY',
      'interval',
    ]);
  });

  it('reads a query string through AuditQueryDto, and takes no tenant from it', async () => {
    const { port } = app.getHttpServer().address() as AddressInfo;
    const ask = async (query: string) => {
      const answer = await send(port, { path: `/audit?${query}` });
      return {
        status: answer.status,
        body: JSON.parse(answer.body) as { events?: AuditLogEvent[]; message?: unknown },
      };
    };
    const found = await ask(
      'severity=high,critical&minRiskScore=80&from=2026-01-01T00:00:00Z&limit=1&userId=bob&userId=eve',
    );
    expect(found.body.events).toEqual([events[4]]);
    for (const query of [
      'tenantId=globex',
      'allTenants=true',
      'limit=many',
      'severity=enormous',
      'from=yesterday',
    ]) {
      expect((await ask(query)).status).toBe(400);
    }
  });

  it('lets a wrong query be answered by 400, whoever made it', async () => {
    const { port } = app.getHttpServer().address() as AddressInfo;
    const answer = await send(port, { path: '/audit/wrong' });
    expect(answer.status).toBe(400);
    expect(answer.body).toContain('limit must not be less than 1');
  });

  it('shows live events to observers, each its own copy, by any filter', async () => {
    const seen: AuditLogEvent[] = [];
    const live = audit.observe({ tenantId: 'live', action: 'invoice.*' }).subscribe((event) => {
      event.userId = 'forged';
      seen.push(event);
    });
    const first = await audit.record({ action: 'invoice.create', tenantId: 'live', userId: 'ann' });
    await audit.record({ action: 'user.create', tenantId: 'live' });
    await audit.record({ action: 'invoice.create', tenantId: 'other' });
    live.unsubscribe();
    await audit.record({ action: 'invoice.create', tenantId: 'live' });
    expect(seen.map(({ id }) => id)).toEqual([first.id]);
    await audit.flush();
    expect((await audit.findById(first.id, { tenantId: 'live' }))?.userId).toBe('ann');
  });

  it('records jobs in the name of who runs them', async () => {
    const event = await audit.runAs(
      { tenantId: 'jobs', userId: 'scheduler', actorType: 'job', impersonatorId: 'root' },
      async () => {
        await Promise.resolve();
        return audit.record({ action: 'report.generate' });
      },
    );
    expect(event).toMatchObject({
      tenantId: 'jobs',
      userId: 'scheduler',
      resource: 'report',
      category: 'data_modification',
      metadata: { actorType: 'job', impersonatorId: 'root' },
    });
    expect((await audit.record({ action: 'report.generate' })).tenantId).toBe('default');
    expect(audit.annotate({ details: { late: true } })).toBe(false);
  });

  it.each<[string, object]>([
    ['action', {}],
    ['action', { action: '' }],
    ['action', { action: 'x'.repeat(129) }],
    ['action', { action: 'a\nb' }],
    ['outcome', { action: 'a.b', outcome: 'ok' }],
    ['severity', { action: 'a.b', severity: 'huge' }],
    ['riskScore', { action: 'a.b', riskScore: 101 }],
    ['tenantId', { action: 'a.b', tenantId: 7 }],
    ['timestamp', { action: 'a.b', timestamp: '2026-01-01' }],
    ['details', { action: 'a.b', details: 'text' }],
    ['ipAddress', { action: 'a.b', ipAddress: 'localhost' }],
    ['complianceFlags', { action: 'a.b', complianceFlags: [1] }],
    ['user', { action: 'a.b', user: 'ann' }],
  ])('refuses to record a wrong %s: %j', async (field, input) => {
    expect(await failureOf(() => audit.record(input as AuditEventInput))).toEqual([
      'AUDIT_INVALID_EVENT',
      field,
    ]);
  });

  it('passes over an id that is stored already', async () => {
    const repository = app.get(AuditEventRepository);
    const fresh = await audit.record({ action: 'again.create', tenantId: 'again' });
    await audit.flush();
    const next = { ...fresh, id: fresh.id.replace(/.{6}$/, 'ffffff') };
    await repository.append([fresh, next, fresh]).catch(() => undefined);
    await repository.append([{ ...fresh, userId: 'forged' }, next]);
    expect((await audit.find({ tenantId: 'again' })).events.map(({ id, userId }) => [id, userId])).toEqual(
      [fresh.id, next.id]
        .sort()
        .reverse()
        .map((id) => [id, undefined]),
    );
  });

  it('answers every filter as the predicate on live events does', async () => {
    const some = <T>(values: readonly T[]) => fc.subarray([...values], { minLength: 1 });
    const text = fc.constantFrom('ann', 'bob', 'Ann', 'é"x', 'MÜLLER', 'a,b', '\\', "o'neil", '🧾');
    const value = fc.oneof(
      text,
      fc.integer({ min: -2, max: 20 }),
      fc.boolean(),
      fc.array(text, { minLength: 1, maxLength: 2 }),
    );
    const facts = fc.dictionary(fc.constantFrom('a', 'b', 'a.b', 'x"y', ',a'), value, { maxKeys: 3 });
    const input = fc.record(
      {
        action: fc.constantFrom('a.create', 'a.read', 'ab.read', 'b.delete'),
        userId: text,
        resourceId: text,
        outcome: fc.constantFrom(...OUTCOMES),
        severity: fc.constantFrom(...SEVERITIES),
        category: fc.constantFrom(...CATEGORIES),
        complianceFlags: fc.uniqueArray(fc.constantFrom('r1', 'r11', '"r1"')),
        timestamp: fc.integer({ min: T0, max: T0 + 9 }),
        details: facts,
      },
      { requiredKeys: ['action'] },
    );
    const query = fc.record(
      {
        action: fc.constantFrom<string | string[]>('a.*', 'a.read', ['b.delete', 'ab*']),
        userId: some(['ann', 'é"x', "o'neil", '\\']),
        resourceId: text,
        outcome: some(OUTCOMES),
        severity: some(SEVERITIES),
        category: some(CATEGORIES),
        complianceFlag: fc.constantFrom('r1', 'r11'),
        from: fc.integer({ min: T0, max: T0 + 9 }),
        to: fc.integer({ min: T0, max: T0 + 9 }),
        minRiskScore: fc.integer({ min: 0, max: 60 }),
        details: facts,
        text: fc.constantFrom('ANN', '"x', 'create', ',', 'MÜLLER'),
      },
      { requiredKeys: [] },
    );
    const tenantId = 'property';
    const recorded: AuditLogEvent[] = [];
    for (const sample of fc.sample(input, { numRuns: 150, seed: 7 }))
      recorded.push(await audit.record({ ...sample, tenantId }));
    await audit.flush();
    await fc.assert(
      fc.asyncProperty(query, async (asked) => {
        const filter = toFilter(checkQuery(asked), tenantId, new Redactor());
        const expected = recorded.filter((event) => matchesFilter(event, filter));
        const { events: found } = await audit.find({ ...asked, tenantId, limit: 1_000 });
        expect(found.map(({ id }) => id).sort()).toEqual(expected.map(({ id }) => id).sort());
      }),
      { numRuns: 150, seed: 7 },
    );
  });
});
