// Subscribers to events, in real applications: who is called with what, and what they can't harm.
import 'reflect-metadata';
import { Controller, Get, Inject, Injectable, Module, Param, Post, Scope } from '@nestjs/common';
import type { INestApplication, NestMiddleware, Provider, Type } from '@nestjs/common';
import { DiscoveryModule, DiscoveryService, NestFactory } from '@nestjs/core';
import { AsyncLocalStorage } from 'node:async_hooks';
import type { AddressInfo } from 'node:net';
import { AuditError, AuditModule, AuditService } from 'nest-audit-trail';
import type { AuditLogEvent, AuditModuleOptions } from 'nest-audit-trail';
import { listeners, OnAuditEvent } from 'nest-audit-trail/listeners';
import type { AuditEventFilter } from 'nest-audit-trail/listeners';
import { RateLimitedLog } from '../../src/event/audit-logger.js';
import { AuditEventExplorer, CLOSING_PATIENCE_MS } from '../../src/features/listeners/nest.js';
import { EVENT_CONDITIONS } from '../../src/features/listeners/event-conditions.js';
import { SUBSCRIBER_LIMITS, SubscriberQueue } from '../../src/features/listeners/subscriber-queue.js';
import { eventually } from '../support/eventually.js';
import { send } from '../support/http-client.js';
import { numbered } from '../support/audit-store.js';
import { codeWords, Page } from '../support/docs/page.js';
import { createDatabase, describeOnSqlite } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';

/** A context of the application's own, as tracing packages keep one for each request. */
const ofRequest = new AsyncLocalStorage<string>();

@Injectable()
class ContextMiddleware implements NestMiddleware {
  use(request: { user?: unknown; path: string }, _response: unknown, next: () => void): void {
    request.user = { id: 'ann', tenantId: 'acme' };
    ofRequest.run(request.path, next);
  }
}

@Controller('things')
class ThingsController {
  /** In what order things happened. */
  static readonly order: string[] = [];

  constructor(private readonly audit: AuditService) {}

  @Get(':id') one(@Param('id') id: string) {
    return { id };
  }

  @Post(':id/note') async note(@Param('id') resourceId: string) {
    const recorded = this.audit.record({ action: 'thing.note', resourceId });
    ThingsController.order.push('recorded');
    await recorded;
    return {};
  }
}

interface Listening {
  readonly app: INestApplication;
  readonly audit: AuditService;
  readonly port: number;
  readonly logged: string[];
}

/** What a test starts, and ends whether it passes or not. */
class Applications {
  private readonly open: INestApplication[] = [];

  async start(
    options: AuditModuleOptions,
    providers: readonly Provider[],
    controllers: readonly Type[] = [],
  ): Promise<Listening> {
    @Module({
      imports: [AuditModule.forRoot(options), DiscoveryModule],
      controllers: [ThingsController, ...controllers],
      providers: [...providers],
    })
    class ListeningModule {}
    const logged: string[] = [];
    const keep = (message: unknown) => void logged.push(String(message));
    const app = await NestFactory.create(ListeningModule, {
      logger: { log: keep, warn: keep, error: keep, fatal: keep },
      abortOnError: false,
    });
    this.open.push(app);
    const middleware = new ContextMiddleware();
    app.use(middleware.use.bind(middleware));
    await app.listen(0, '127.0.0.1');
    return {
      app,
      audit: app.get(AuditService),
      port: (app.getHttpServer().address() as AddressInfo).port,
      logged,
    };
  }

  async close(): Promise<void> {
    for (const app of this.open.splice(0)) await app.close().catch(() => undefined);
  }
}

const optionsOf = (database: TestDatabase): AuditModuleOptions => ({
  database: database.options,
  delivery: { directory: database.journal },
  features: [listeners()],
});

const unhandled: unknown[] = [];
const noteUnhandled = (reason: unknown) => void unhandled.push(reason);

beforeAll(() => void process.on('unhandledRejection', noteUnhandled));
afterAll(() => void process.off('unhandledRejection', noteUnhandled));
afterEach(() => expect(unhandled.splice(0)).toEqual([]));

describeOnSqlite('a subscriber to events', (create) => {
  const applications = new Applications();
  let database: TestDatabase;

  beforeEach(async () => {
    database = await create();
  });

  afterEach(async () => {
    await applications.close();
    await database.drop();
  });

  it('hears what is stored, of requests and of record(), in its order', async () => {
    const heard: AuditLogEvent[] = [];
    @Injectable()
    class Listener {
      @OnAuditEvent() onEvent(event: AuditLogEvent) {
        heard.push(event);
      }
    }
    const { audit, port } = await applications.start(optionsOf(database), [Listener]);
    await send(port, { path: '/things/1' });
    await send(port, { method: 'POST', path: '/things/2/note' });
    await send(port, { path: '/nowhere' });
    await eventually(() => expect(heard).toHaveLength(4));
    await audit.flush();
    const { events } = await audit.find({ allTenants: true });
    const inOrder = events.sort((a, b) => Number(a.metadata['sequence']) - Number(b.metadata['sequence']));
    expect(heard).toEqual(inOrder);
    expect(heard.map(({ action }) => action)).toEqual([
      'thing.read',
      'thing.note',
      'thing.note',
      'http.request',
    ]);
  });

  it('harms nobody by what it throws, rejects or never settles', async () => {
    const heard: string[] = [];
    @Injectable()
    class Bad {
      @OnAuditEvent() throws(event: AuditLogEvent) {
        event.action = 'spoiled';
        event.metadata['spoiled'] = true;
        throw new RangeError('password of ann');
      }
      @OnAuditEvent() async rejects() {
        await Promise.resolve();
        throw undefined;
      }
      @OnAuditEvent() answersWhatRejects() {
        // oxlint-disable-next-line unicorn/no-thenable -- as query builders and old promise libraries answer
        return { then: (_: unknown, reject: (reason: unknown) => void) => reject(new TypeError('no')) };
      }
      @OnAuditEvent() hangs() {
        heard.push('hangs');
        return new Promise(() => undefined);
      }
      @OnAuditEvent() hears({ action, metadata }: AuditLogEvent) {
        heard.push(`${action} ${String(metadata['spoiled'])}`);
      }
    }
    const { audit, port, logged } = await applications.start(optionsOf(database), [Bad]);
    for (const id of [1, 2, 3]) {
      expect((await send(port, { path: `/things/${id}` })).status).toBe(200);
    }
    await eventually(() => expect(heard.filter((what) => what !== 'hangs')).toHaveLength(3));
    await audit.flush();
    const { events } = await audit.find({ allTenants: true });
    expect(events.map(({ action }) => action)).toEqual(Array.from({ length: 3 }, () => 'thing.read'));
    expect(heard.filter((what) => what !== 'hangs')).toEqual(
      Array.from({ length: 3 }, () => 'thing.read undefined'),
    );
    // The one that never settles gets no second event while the first has time.
    expect(heard.filter((what) => what === 'hangs')).toHaveLength(1);
    expect(logged.filter((line) => line.startsWith('The subscriber')).sort()).toEqual([
      'The subscriber to audit events Bad.answersWhatRejects() failed with TypeError.',
      'The subscriber to audit events Bad.rejects() failed with undefined.',
      'The subscriber to audit events Bad.throws() failed with RangeError.',
    ]);
  });
});

describe('subscribers', () => {
  const applications = new Applications();
  let database: TestDatabase;

  beforeEach(async () => {
    database = await createDatabase('sqlite');
    ThingsController.order.length = 0;
  });

  afterEach(async () => {
    await applications.close();
    await database.drop();
  });

  const start = (providers: readonly Provider[], controllers: readonly Type[] = []) =>
    applications.start(optionsOf(database), providers, controllers);

  describe('are found', () => {
    it('inherited, overridden, wrapped, of any name, and each once', async () => {
      const heard: string[] = [];
      /** As decorators of tracing and caching packages do, and forgetting the metadata. */
      const Wrapped = (): MethodDecorator => (_target, _key, descriptor: PropertyDescriptor) => {
        const original = descriptor.value as (...args: unknown[]) => unknown;
        descriptor.value = function (this: unknown, ...args: unknown[]) {
          return original.apply(this, args);
        };
      };
      class Base {
        constructor(readonly name: string) {}
        @OnAuditEvent() inherited() {
          heard.push(`${this.name}.inherited`);
        }
        @OnAuditEvent() overridden() {
          heard.push('not to be called');
        }
        @OnAuditEvent() marked() {
          heard.push('not to be called');
        }
      }
      const hidden = Symbol('hidden');
      @Injectable()
      class Derived extends Base {
        constructor() {
          super('Derived');
        }
        override overridden() {
          heard.push('no longer a subscriber');
        }
        @OnAuditEvent() override marked() {
          heard.push('Derived.marked');
        }
        @Wrapped() @OnAuditEvent() wrapped() {
          heard.push('Derived.wrapped');
        }
        @OnAuditEvent() [hidden]() {
          heard.push('Derived.symbol');
        }
        @OnAuditEvent({ action: 'thing.*' }) @OnAuditEvent({ tenantId: 'acme' }) twice() {
          heard.push('Derived.twice');
        }
      }
      @Controller('listening')
      class ListeningController {
        @Get() @OnAuditEvent() onEvent() {
          heard.push('ListeningController.onEvent');
        }
      }
      const { app, port } = await start(
        [
          Derived,
          { provide: 'alias', useExisting: Derived },
          { provide: 'value', useValue: new Base('value') },
          { provide: 'factory', useFactory: () => new Base('factory') },
          { provide: 'nothing', useValue: null },
          { provide: 'bare', useValue: Object.create(null) },
        ],
        [ListeningController],
      );
      // As a spy of a test does.
      app.get<Base>('factory').marked = () => void heard.push('factory.marked');
      app.get<Base>('factory').overridden = () => undefined;
      app.get<Base>('value').overridden = () => undefined;
      app.get<Base>('value').marked = () => undefined;
      await send(port, { path: '/things/1' });
      await app.close();
      expect(heard.sort()).toEqual([
        'Derived.inherited',
        'Derived.marked',
        'Derived.symbol',
        'Derived.twice',
        'Derived.wrapped',
        'ListeningController.onEvent',
        'factory.inherited',
        'factory.marked',
        'value.inherited',
      ]);
    });

    it('as what they are of, and refused where they are none', async () => {
      @Injectable({ scope: Scope.REQUEST })
      class PerRequest {
        @OnAuditEvent() onEvent() {}
      }
      @Injectable({ scope: Scope.TRANSIENT })
      class Transient {
        @OnAuditEvent() onEvent() {}
      }
      @Injectable()
      class Dependent {
        constructor(@Inject('per-request') readonly part: unknown) {}
        @OnAuditEvent() onEvent() {}
      }
      class Static {
        @OnAuditEvent() static onEvent() {}
      }
      class Accessor {
        @OnAuditEvent() get onEvent() {
          return () => undefined;
        }
      }
      const perRequest = { provide: 'per-request', useFactory: () => ({}), scope: Scope.REQUEST };
      const cases: [Provider[], string][] = [
        [[PerRequest], '@OnAuditEvent() of PerRequest.onEvent: PerRequest is made for each request'],
        [[Transient], '@OnAuditEvent() of Transient.onEvent: Transient is transient'],
        [[perRequest, Dependent], '@OnAuditEvent() of Dependent.onEvent: Dependent is made for each request'],
        [[Static], '@OnAuditEvent() of Static.onEvent: a static method'],
        [[Accessor], '@OnAuditEvent() of Accessor.onEvent: it is no method'],
      ];
      for (const [providers, message] of cases) {
        const error = await start(providers).then(
          () => 'started',
          (thrown: unknown) => thrown,
        );
        expect(error).toBeInstanceOf(AuditError);
        expect(error).toMatchObject({
          code: 'AUDIT_INVALID_OPTIONS',
          message: expect.stringContaining(message),
        });
      }
      // None of them has taken the journal.
      await start([]);
    });

    it('refused where nobody would call them, as the feature is not listed', async () => {
      class Alarms {
        @OnAuditEvent() raise() {}
      }
      class Inherited extends Alarms {}
      class Static {
        @OnAuditEvent() static raise() {}
      }
      @Injectable({ scope: Scope.REQUEST })
      class PerRequest {
        @OnAuditEvent() raise() {}
      }
      @Controller('alarms')
      class AlarmsController {
        @OnAuditEvent() raise() {}
      }
      const cases: [string, Provider[], Type[]?][] = [
        ['Alarms', [Alarms]],
        ['Alarms', [{ provide: 'value', useValue: new Alarms() }]],
        ['Inherited', [Inherited]],
        ['Static', [Static]],
        ['PerRequest', [PerRequest]],
        ['AlarmsController', [], [AlarmsController]],
      ];
      const options = { ...optionsOf(database), features: [] };
      for (const [name, providers, controllers] of cases) {
        const error = await applications.start(options, providers, controllers).then(
          () => 'started',
          (thrown: unknown) => thrown,
        );
        expect(error).toBeInstanceOf(AuditError);
        expect(error).toMatchObject({
          code: 'AUDIT_INVALID_OPTIONS',
          field: 'features',
          message: `${name} has a decorator of nest-audit-trail/listeners, and the audit option features has not listeners(): write features: [listeners()], with import { listeners } from 'nest-audit-trail/listeners'.`,
        });
      }
      // None of them has taken the journal, and what has no such method needs no feature.
      const bare = { provide: 'bare', useValue: Object.create(null) };
      await applications.start(options, [bare, { provide: 'nothing', useValue: null }]);
    });

    it.each([
      [{ nonsense: 1 }, 'nonsense', 'there is no option "nonsense". The options are action, '],
      [{ toString: 1 }, 'toString', 'there is no option "toString"'],
      [{ minRisk: 101 }, 'minRisk', 'minRisk is 101: write an integer from 0 to 100.'],
      [{ minRisk: '70' }, 'minRisk', 'an integer'],
      [{ category: 'sabotage' }, 'category', "write 'authentication', "],
      [{ severity: ['high', 'grave'] }, 'severity', "'critical', or a list of these"],
      [{ outcome: [] }, 'outcome', "write 'success', 'failure', 'partial'"],
      [{ flags: '' }, 'flags', 'write a text that is not empty, or a list of these'],
      [{ resource: [7] }, 'resource', 'a text'],
      [{ action: '*' }, 'action', "'invoice.*'"],
      [{ action: 'invoice.*.read' }, 'action', "'invoice.*'"],
      [{ tenantId: ['a'] }, 'tenantId', 'write a text that is not empty.'],
      [{ tenantId: undefined }, 'tenantId', 'tenantId is null: write a text that is not empty.'],
      ['invoice.*', undefined, "write @OnAuditEvent({ action: 'invoice.*' })"],
      [[], undefined, 'the filter must be an object'],
      [null, undefined, 'the filter must be an object'],
    ])('with a filter that is one, unlike %j', async (filter, field, message) => {
      class Wrong {
        @OnAuditEvent(filter as AuditEventFilter) onEvent() {}
      }
      const error = await start([Wrong]).then(
        () => 'started',
        (thrown: unknown) => thrown,
      );
      expect(error).toMatchObject({ code: 'AUDIT_INVALID_OPTIONS' });
      expect((error as AuditError).field).toBe(field);
      expect((error as AuditError).message).toContain('@OnAuditEvent() of Wrong.onEvent: ');
      expect((error as AuditError).message).toContain(message);
    });
  });

  describe('hear what they ask for', () => {
    const risky = { action: 'invoice.void', riskScore: 70, complianceFlags: ['sox-1', 'pci-2'] };
    const cases: [AuditEventFilter, string[]][] = [
      [{}, ['invoice.void', 'invoices.read', 'user.login']],
      [{ action: 'invoice.void' }, ['invoice.void']],
      [{ action: 'invoice.*' }, ['invoice.void']],
      [{ action: ['invoice.*', 'user.login'] }, ['invoice.void', 'user.login']],
      [{ resource: ['user', 'invoices'] }, ['invoices.read', 'user.login']],
      [{ category: 'authentication' }, ['user.login']],
      [{ severity: ['high', 'critical'] }, ['user.login']],
      [{ outcome: 'failure' }, ['user.login']],
      [{ flags: ['pci-2', 'other'] }, ['invoice.void']],
      [{ flags: 'other' }, []],
      [{ minRisk: 70 }, ['invoice.void']],
      [{ minRisk: 71 }, []],
      [{ tenantId: 'acme' }, ['invoices.read']],
      [{ tenantId: 'Acme' }, []],
      [{ minRisk: 70, outcome: 'failure' }, []],
    ];

    it.each(cases)('by %j', async (filter, expected) => {
      const heard: string[] = [];
      class Listener {
        @OnAuditEvent(filter) onEvent({ action }: AuditLogEvent) {
          heard.push(action);
        }
      }
      const { app, audit } = await start([Listener]);
      await audit.record(risky);
      await audit.record({ action: 'invoices.read', tenantId: 'acme', riskScore: 0 });
      await audit.record({
        action: 'user.login',
        category: 'authentication',
        outcome: 'failure',
        severity: 'high',
        riskScore: 69,
      });
      await app.close();
      expect(heard).toEqual(expected);
    });
  });

  it('are called in a turn of their own, in no context of the request', async () => {
    const contexts: (string | undefined)[] = [];
    @Injectable()
    class Listener {
      constructor(private readonly audit: AuditService) {}

      @OnAuditEvent({ action: 'thing.note', tenantId: 'acme' }) async onEvent({ metadata }: AuditLogEvent) {
        if (metadata['method'] !== undefined) return;
        ThingsController.order.push('heard');
        contexts.push(ofRequest.getStore());
        await this.audit.record({ action: 'note.heard' });
      }
    }
    const { app, audit, port } = await start([Listener]);
    await send(port, { method: 'POST', path: '/things/1/note' });
    await eventually(() => expect(contexts).toHaveLength(1));
    expect(contexts).toEqual([undefined]);
    expect(ThingsController.order).toEqual(['recorded', 'heard']);
    await audit.flush();
    const [event] = await eventually(async () => {
      const { events } = await audit.find({ allTenants: true, action: 'note.heard' });
      expect(events).toHaveLength(1);
      return events;
    });
    expect(event).toMatchObject({ tenantId: 'default' });
    expect(event).not.toHaveProperty('userId');
    expect(event!.metadata).not.toHaveProperty('requestId');
    await app.close();
  });

  it('are called with one event at a time, in order, and with what waits when the application closes', async () => {
    const heard: number[] = [];
    let running = 0;
    let most = 0;
    class Slow {
      @OnAuditEvent() async onEvent({ details }: AuditLogEvent) {
        running += 1;
        most = Math.max(most, running);
        const number = Number(details['number']);
        for (let turn = 0; turn < number % 3; turn += 1) {
          await new Promise((resolve) => setImmediate(resolve));
        }
        heard.push(number);
        running -= 1;
      }
    }
    const { app, audit } = await start([Slow]);
    const numbers = Array.from({ length: 50 }, (_, number) => number);
    await Promise.all(numbers.map((number) => audit.record({ action: 'thing.count', details: { number } })));
    await app.close();
    expect(heard).toEqual(numbers);
    expect(most).toBe(1);
  });

  it('lose what they are too slow for, and are told of', async () => {
    const heard: number[] = [];
    let open = () => {};
    const opened = new Promise<void>((resolve) => (open = resolve));
    class Slow {
      @OnAuditEvent() async onEvent({ details }: AuditLogEvent) {
        heard.push(Number(details['number']));
        await opened;
      }
    }
    const { audit, logged } = await start([Slow]);
    const total = SUBSCRIBER_LIMITS.waiting + 10;
    await audit.record({ action: 'thing.count', details: { number: 0 } });
    await eventually(() => expect(heard).toEqual([0]));
    for (let number = 1; number < total; number += 1) {
      await audit.record({ action: 'thing.count', details: { number } });
    }
    open();
    await eventually(() => expect(heard).toHaveLength(SUBSCRIBER_LIMITS.waiting + 1));
    await audit.record({ action: 'thing.count', details: { number: total } });
    await eventually(() => expect(heard.at(-1)).toBe(total));
    expect(heard).toEqual([
      ...Array.from({ length: SUBSCRIBER_LIMITS.waiting + 1 }, (_, number) => number),
      total,
    ]);
    expect(logged.filter((line) => line.includes('Slow.onEvent()'))).toEqual([
      `The subscriber to audit events Slow.onEvent() is too slow: ${SUBSCRIBER_LIMITS.waiting} events wait for it, so others don't reach it, 1 until now. They are recorded anyway.`,
    ]);
    // All are recorded.
    await audit.flush();
    expect((await audit.statistics({ allTenants: true })).total).toBe(total + 1);
  });

  it('that answer each other come to an end', async () => {
    @Injectable()
    class Echo {
      constructor(private readonly audit: AuditService) {}

      @OnAuditEvent() async one({ action }: AuditLogEvent) {
        await Promise.resolve();
        await this.audit.record({ action: `one.${action}` });
      }

      @OnAuditEvent() async two({ action }: AuditLogEvent) {
        await this.audit.record({ action: `two.${action}` });
      }
    }
    const { audit } = await start([Echo]);
    const actions = async () => {
      await audit.flush();
      const { events } = await audit.find({ allTenants: true });
      return events.map(({ action }) => action).sort();
    };
    const expected = ['one.said', 'one.two.said', 'said', 'two.one.said', 'two.said'];
    await audit.record({ action: 'said' });
    await eventually(async () => expect(await actions()).toEqual(expected));
    // Another event: had the first one gone on, there were more by now.
    await audit.record({ action: 'again' });
    await eventually(async () =>
      expect(await actions()).toEqual(
        [...expected, ...expected.map((action) => action.replace('said', 'again'))].sort(),
      ),
    );
  });

  it('do not keep the application from closing', async () => {
    let calls = 0;
    class Hanging {
      @OnAuditEvent() onEvent() {
        calls += 1;
        return new Promise(() => undefined);
      }
    }
    const { app, audit, logged } = await start([Hanging]);
    for (let number = 0; number < 3; number += 1) await audit.record({ action: 'thing.count' });
    await eventually(() => expect(calls).toBe(1));
    await app.close();
    expect(calls).toBe(1);
    expect(logged).toContain(
      'The subscriber to audit events Hanging.onEvent() was not done when the application closed: 2 events did not reach it.',
    );
  });

  it('are no longer called once the application has closed', async () => {
    const heard: string[] = [];
    class Listener {
      @OnAuditEvent() onEvent({ action }: AuditLogEvent) {
        heard.push(action);
      }
    }
    const listeners = new Set<(event: AuditLogEvent) => void>();
    const explore = async (providers: Provider[]) => {
      const { app } = await start(providers);
      const ignore = () => undefined;
      const explorer = new AuditEventExplorer(
        app.get(DiscoveryService, { strict: false }),
        (listener) => {
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
        { log: ignore, warn: ignore, error: ignore },
      );
      explorer.onModuleInit();
      explorer.onApplicationBootstrap();
      return { app, explorer };
    };
    const { app, explorer } = await explore([Listener]);
    const [listener] = listeners;
    expect(listeners.size).toBe(1);
    listener!(numbered('source', 1, { action: 'before' }));
    await explorer.onApplicationShutdown();
    expect(listeners.size).toBe(0);
    listener!(numbered('source', 2, { action: 'after' }));
    await new Promise((resolve) => setImmediate(resolve));
    expect(heard).toEqual(['before']);
    await app.close();
    // Where nobody listens, the recorder has nobody to call.
    await explore([]);
    expect(listeners.size).toBe(0);
  });

  it('that do not settle are given up, whatever comes of them', async () => {
    const logged: string[] = [];
    const keep = (message: string) => void logged.push(message);
    const heard: string[] = [];
    let rejectFirst: (reason: unknown) => void = () => undefined;
    const queue = new SubscriberQueue(
      'Hanging.onEvent',
      ({ action }) => {
        heard.push(action);
        return action === 'first' ? new Promise((_, reject) => (rejectFirst = reject)) : undefined;
      },
      new RateLimitedLog({ log: keep, warn: keep, error: keep }),
      { ...SUBSCRIBER_LIMITS, callMs: 10 },
    );
    queue.offer(numbered('source', 1, { action: 'first' }));
    queue.offer(numbered('source', 2, { action: 'second' }));
    await queue.drained();
    expect(heard).toEqual(['first', 'second']);
    rejectFirst(new RangeError('too late'));
    await eventually(() =>
      expect(logged).toEqual([
        'The subscriber to audit events Hanging.onEvent() did not settle within 10 ms and was given up; it gets the events after that.',
        'The subscriber to audit events Hanging.onEvent() failed with RangeError.',
      ]),
    );
  });
});

describe('the page on listening', () => {
  const page = Page.read('docs/read/listening.md');

  it('names the conditions that there are', () => {
    const said = page.section('Which events').table('Condition');
    const names = said.flatMap(([cell]) => (cell!.includes('`') ? codeWords(cell!) : [cell!]));
    expect(names).toEqual(Object.keys(EVENT_CONDITIONS));
  });

  it('names the limits', () => {
    const { text } = page.section('A subscriber harms nobody');
    expect(text).toContain(`At most ${SUBSCRIBER_LIMITS.waiting.toLocaleString('en')} wait for it`);
    expect(text).toContain(`not settled after ${SUBSCRIBER_LIMITS.callMs / 1_000} seconds`);
    expect(text).toContain(`for at most ${CLOSING_PATIENCE_MS / 1_000} seconds`);
  });
});
