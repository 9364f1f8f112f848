// Whatever a query is made of (null, NaN, proxies that throw, objects of odd kinds, polluted prototypes, more keys than anybody needs), every
// read answers or refuses it by an AuditError that names the field; and record() never throws what it was given.
import 'reflect-metadata';
import { Body, Controller, Module, Post, ValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { plainToInstance } from 'class-transformer';
import { Agent } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AuditError, AuditModule, AuditQueryDto, AuditService } from 'nest-audit-trail';
import type { AuditEventInput } from 'nest-audit-trail';
import { access } from 'nest-audit-trail/access';
import { AuthenticationAudit } from 'nest-audit-trail/authentication';
import { AuditRetention, retention } from 'nest-audit-trail/retention';
import { DataProtection, protection } from 'nest-audit-trail/protection';
import { eventually } from '../../support/eventually.js';
import { send } from '../../support/http-client.js';
import { startLedgerApp } from '../../support/ledger-app.js';
import type { LedgerApp } from '../../support/ledger-app.js';
import { describeEachDatabase, withoutThread } from '../../support/harness/databases.js';
import type { TestDatabase } from '../../support/harness/databases.js';

type Query = Record<string, unknown>;

const TENANT = { tenantId: 'acme' };
const trap = () => {
  throw new TypeError('a trap was sprung');
};
const throwing = () => new Proxy({}, { get: trap, ownKeys: trap, has: trap, getOwnPropertyDescriptor: trap });
const revoked = () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};
const withGetter = (name: string) =>
  Object.defineProperty({ ...TENANT }, name, { get: trap, enumerable: true });

const FIELDS =
  'id userId action resource resourceId ipAddress userAgent sessionId severity category outcome complianceFlag from to minRiskScore maxRiskScore details metadata text'.split(
    ' ',
  );
const PAGE = ['order', 'limit', 'cursor'];
/** None of them is a value of any field. */
const HOSTILE: readonly (readonly [string, unknown])[] = [
  ['null', null],
  ['NaN', Number.NaN],
  ['a symbol', Symbol('s')],
  ['a bigint', 1n],
  ['a function', trap],
  ['an object without a prototype', Object.assign(Object.create(null), { a: {} })],
  ['an object whose constructor is none', { constructor: 'x', a: {} }],
  ['a list of null', [null]],
  ['a list of objects', [{ toString: 'x' }]],
  ['a Map', new Map([['a', 1]])],
  ['a date that is none', new Date(Number.NaN)],
  ['a proxy that throws', throwing()],
  ['a list that throws', new Proxy([], { get: trap })],
  ['a revoked proxy', revoked()],
];

async function outcomeOf(read: () => unknown): Promise<unknown> {
  try {
    const answer = await read();
    if (typeof answer === 'object' && answer !== null && Symbol.asyncIterator in answer) {
      for await (const _event of answer as AsyncIterable<unknown>) break;
    }
    return 'answered';
  } catch (error) {
    return error;
  }
}

function expectRefused(outcome: unknown, field?: string): void {
  expect(outcome).toBeInstanceOf(AuditError);
  expect(outcome).toMatchObject({ code: 'AUDIT_INVALID_QUERY', status: 400, ...(field && { field }) });
}

describeEachDatabase('hostile queries', (create) => {
  withoutThread('what is protected is encrypted by the main thread');
  let database: TestDatabase;
  let app: LedgerApp;
  let audit: AuditService;

  beforeAll(async () => {
    database = await create();
    app = await startLedgerApp(database, {
      features: [
        access(),
        protection({ fields: ['ipAddress'], masterKey: 'b2s='.padStart(44, 'A') }),
        retention(),
      ],
    });
    ({ audit } = app);
    await audit.record({ ...TENANT, action: 'a.b', userId: 'ann' });
    await eventually(() => audit.flush());
  });

  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  const retained = () => app.get(AuditRetention);
  const reads: Record<string, { call: (query: never) => unknown; fields: readonly string[] }> = {
    find: { call: (query) => audit.find(query), fields: [...FIELDS, ...PAGE, 'reveal'] },
    stream: { call: (query) => audit.stream(query), fields: [...FIELDS, 'order', 'reveal'] },
    history: {
      call: (query) => audit.history(query),
      fields: ['resource', 'resourceId', ...PAGE, 'reveal'],
    },
    statistics: { call: (query) => audit.statistics(query), fields: [...FIELDS, 'top', 'interval'] },
    observe: { call: (query) => audit.observe(query), fields: FIELDS },
    findById: { call: (scope) => audit.findById('x', scope), fields: ['reveal'] },
    prove: { call: (scope) => audit.prove('x', scope), fields: [] },
    deadLetters: { call: (query) => audit.deadLetters(query), fields: ['limit', 'after', 'reveal'] },
    replayDeadLetters: { call: (scope) => audit.replayDeadLetters(scope), fields: [] },
    storage: { call: (scope) => retained().storage(scope), fields: [] },
    holds: { call: (scope) => retained().holds(scope), fields: [] },
    placeHold: {
      call: (hold) => retained().placeHold(hold),
      fields: ['userId', 'resource', 'resourceId', 'from', 'to', 'reason', 'placedBy'],
    },
    exportSubject: {
      call: (subject) => app.get(DataProtection).exportSubject(subject),
      fields: ['subjectId'],
    },
    forget: { call: (subject) => app.get(DataProtection).forget(subject), fields: ['subjectId'] },
  };
  const NEEDED: Record<string, Query> = {
    history: { resource: 'a', resourceId: 'b' },
    placeHold: { reason: 'case 7', placedBy: 'ann' },
  };

  describe.each(Object.keys(reads))('%s()', (method) => {
    const { call, fields } = reads[method]!;

    it('refuses what is no query', async () => {
      for (const query of [null, 1, 'acme', trap, Symbol('s'), [], throwing(), revoked()]) {
        expectRefused(await outcomeOf(() => call(query as never)));
      }
    });

    it.each(['tenantId', ...fields])('refuses what is no value of %s', async (field) => {
      for (const [what, value] of HOSTILE) {
        const query = { ...TENANT, ...NEEDED[method], [field]: value };
        const outcome = await outcomeOf(() => call(query as never));
        try {
          expectRefused(outcome, field);
        } catch (error) {
          throw new Error(`${what} in ${field}: ${String((error as Error).message)}`, { cause: error });
        }
      }
      expectRefused(await outcomeOf(() => call(withGetter(field) as never)), field);
    });

    it('takes whose events it is about from the query itself, not from what objects inherit', async () => {
      class Scope {
        get tenantId() {
          return 'acme';
        }
      }
      const more = { ...NEEDED[method], ...(fields.includes('subjectId') && { subjectId: 'ann' }) };
      for (const scope of [
        Object.create(TENANT) as object,
        Object.create({ allTenants: true }) as object,
        new Scope(),
        Object.setPrototypeOf(
          {},
          {
            get allTenants() {
              return true;
            },
          },
        ) as object,
      ]) {
        expectRefused(await outcomeOf(() => call(Object.assign(scope, more) as never)), 'tenantId');
      }
      const prototype = Object.prototype as Query;
      for (const [name, value] of [
        ['tenantId', 'acme'],
        ['allTenants', true],
      ] as const) {
        Object.defineProperty(prototype, name, {
          value,
          configurable: true,
          enumerable: false,
          writable: true,
        });
        try {
          expectRefused(await outcomeOf(() => call({ ...more } as never)), 'tenantId');
        } finally {
          delete prototype[name];
        }
      }
    });
  });

  it('shows no protected value since the prototype of all objects says so', async () => {
    const { id } = await audit.record({ ...TENANT, action: 'thing.note', ipAddress: '203.0.113.77' });
    await eventually(() => audit.flush());
    const prototype = Object.prototype as Query;
    Object.defineProperty(prototype, 'reveal', { value: true, configurable: true, writable: true });
    try {
      expect(await audit.findById(id, TENANT)).toMatchObject({ ipAddress: '[protected]' });
    } finally {
      delete prototype['reveal'];
    }
  });

  it('refuses options of verify() and of liftHold(), and events to prove, that are none', async () => {
    for (const [field, value] of [
      ['from', null],
      ['keys', null],
      ['keys', 'key'],
      ['checkpoints', 'note'],
      ['origin', null],
    ]) {
      expectRefused(await outcomeOf(() => audit.verify({ [String(field)]: value } as never)), String(field));
    }
    expectRefused(await outcomeOf(() => audit.verify(null as never)));
    for (const release of [null, throwing(), { reason: null, liftedBy: 'ann' }]) {
      expectRefused(await outcomeOf(() => retained().liftHold('x', release as never)));
    }
    const id = '01900000-0000-7000-8000-000000000000';
    for (const event of [null, 1, {}, { id }, throwing(), revoked(), { id, details: 1, metadata: null }]) {
      expectRefused(await outcomeOf(() => audit.prove(event as never, { allTenants: true })), 'id');
    }
  });

  it('finds by a prefix of any characters what begins with it, and nothing else', async () => {
    const actions = [
      'p.\uffff',
      'p.\uffffx',
      'p.\ud7ff',
      'p.\ud7ffx',
      'p.\u{10ffff}',
      'p.\u{10ffff}x',
      'p.\u{1f9fe}',
      'p.\ue000',
      'p.z',
    ];
    for (const action of actions) await audit.record({ ...TENANT, action });
    await eventually(() => audit.flush());
    for (const prefix of ['p.\uffff', 'p.\ud7ff', 'p.\u{10ffff}', 'p.\u{1f9fe}', 'p.', 'p']) {
      const { events } = await audit.find({ ...TENANT, action: `${prefix}*`, limit: 1_000 });
      expect([prefix, events.map(({ action }) => action).sort()]).toEqual([
        prefix,
        actions.filter((action) => action.startsWith(prefix)).sort(),
      ]);
    }
    expect((await audit.find({ ...TENANT, action: '\u{10ffff}*' })).events).toEqual([]);
  });

  it.each([
    ['a proxy', throwing],
    ['a revoked proxy', revoked],
    ['an action that throws', () => withGetter('action')],
    ['a user that throws', () => withGetter('userId')],
  ])('fails by AUDIT_INVALID_EVENT to record %s', async (_what, event) => {
    await expect(audit.record(event() as never)).rejects.toMatchObject({ code: 'AUDIT_INVALID_EVENT' });
    const authentication = new AuthenticationAudit(audit);
    for (const name of ['login', 'logout', 'token-reused', 'user-deleted'] as const) {
      await expect(authentication.record(name, event() as never)).rejects.toMatchObject({
        code: 'AUDIT_INVALID_EVENT',
      });
    }
  });

  it('records what can be read of facts that throw, and an event that answers otherwise each time as it was checked', async () => {
    const { id } = await audit.runAs({ tenantId: 'acme', userId: 'ann', actorType: 'job' }, () =>
      audit.record({
        action: 'thing.note',
        details: {
          good: 1,
          bad: throwing(),
          gone: revoked(),
          list: [1, throwing()],
          inner: withTrap('getter'),
        },
        metadata: withTrap('requestId'),
      }),
    );
    await eventually(() => audit.flush());
    const event = await audit.findById(id, TENANT);
    expect(event).toMatchObject({
      userId: 'ann',
      details: { good: 1 },
      metadata: { actorType: 'job', other: 1 },
    });
    await audit.runAs(
      Object.defineProperty({ tenantId: 'acme' }, 'userId', { get: trap, enumerable: true }),
      () => audit.record({ action: 'thing.note' }),
    );
    let asked = 0;
    const changing = {
      ...TENANT,
      get action() {
        asked += 1;
        return asked === 1 ? 'thing.note' : { toString: trap };
      },
    };
    expect(await audit.record(changing as AuditEventInput)).toMatchObject({ action: 'thing.note' });
  });

  function withTrap(name: string): Query {
    return Object.defineProperty({ other: 1 }, name, { get: trap, enumerable: true });
  }
});

describe('hostile queries through HTTP', () => {
  it.each([
    ['a pipe that makes objects of the class', [new ValidationPipe({ transform: true })]],
    ['a pipe that checks alone', [new ValidationPipe()]],
    ['no pipe', []],
  ])('are answered by 400, with %s', async (_what, pipes) => {
    @Controller()
    class LogController {
      constructor(private readonly audit: AuditService) {}

      @Post('find') find(@Body() query: AuditQueryDto) {
        return this.audit.find({ ...query, ...TENANT });
      }
    }
    @Module({
      imports: [
        AuditModule.forRoot({
          database: { type: 'better-sqlite3', database: ':memory:' },
          delivery: { drainOnSignals: false },
        }),
      ],
      controllers: [LogController],
    })
    class RootModule {}
    const nest = await NestFactory.create<NestExpressApplication>(RootModule, { logger: false });
    nest.useGlobalPipes(...pipes);
    await nest.listen(0, '127.0.0.1');
    const agent = new Agent({ keepAlive: true });
    try {
      const { port } = nest.getHttpServer().address() as AddressInfo;
      const post = async (text: string) => {
        const { status, body } = await send(port, { method: 'POST', path: '/find', body: text, agent });
        return [status, body] as const;
      };
      for (const field of [...FIELDS, ...PAGE]) {
        for (const json of [
          'null',
          '{"constructor":"x"}',
          '{"toString":"x","a":{}}',
          '[null]',
          '[{}]',
          '{"__proto__":{"a":{}}}',
          '[]',
          '{"then":{}}',
        ]) {
          const [status, text] = await post(`{${JSON.stringify(field)}:${json}}`);
          // No condition at all is one of the facts, that is no error.
          const isFacts = field === 'details' || field === 'metadata';
          const isEmpty =
            isFacts && /^\{"__proto__"|^\{"constructor"|^\{"toString":"x","a"/.test(json) && status === 201;
          if (!isEmpty)
            expect([field, json, status, text]).toEqual([field, json, 400, expect.stringContaining(field)]);
        }
      }
      expect(await post('{"text":"x"}')).toEqual([201, '{"events":[]}']);
      expect(
        await post('{"details":{"amount":1},"severity":"low,high","from":"2026-01-01T00:00:00Z"}'),
      ).toEqual([201, '{"events":[]}']);
    } finally {
      agent.destroy();
      await nest.close();
    }
  });

  it('are looked at in time that grows with their keys, not with the square of these', () => {
    // What class-transformer does with each key is counted: by a key that asks to be looked at.
    const facts = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, key) => [`k${key}`, 'v']));
    const looks = (count: number) => {
      const { indexOf } = Array.prototype;
      let looked = 0;
      // By this it finds out whether a key was there before.
      Array.prototype.indexOf = function (this: unknown[], ...args: [unknown, number?]) {
        const at = indexOf.apply(this, args);
        if (this.length >= count) looked += at < 0 ? this.length : at + 1;
        return at;
      };
      try {
        const made = plainToInstance(AuditQueryDto, { details: facts(count), metadata: { a: facts(count) } });
        expect(Object.keys(made.details ?? {})).toHaveLength(count);
      } finally {
        Array.prototype.indexOf = indexOf;
      }
      return looked;
    };
    expect(looks(2_000)).toBeLessThanOrEqual(10 * 2_000);
  });
});
