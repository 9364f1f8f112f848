// Each detection, a blocked request and a flagged export, by real requests to the demo's own application.
import type { LoggerService } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filter, firstValueFrom, ReplaySubject, timeout } from 'rxjs';
import { AuditService } from 'nest-audit-trail';
import type { AuditLogEvent } from 'nest-audit-trail';
import { eventually } from '../support/eventually.js';
import { abandon, send } from '../support/http-client.js';
import type { Call } from '../support/http-client.js';

/** What the demo's main.ts exports. */
let createApi: typeof import('../../demo/src/main.js').createApi;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nest-audit-trail-demo-'));
  process.env['AUDIT_FILE'] = join(folder, 'audit.sqlite');
  process.env['AUDIT_JOURNAL'] = join(folder, 'audit-journal');
  // Only now: the module reads the variables.
  ({ createApi } = await import('../../demo/src/main.js'));
});

afterAll(async () => {
  delete process.env['AUDIT_FILE'];
  delete process.env['AUDIT_JOURNAL'];
  await rm(folder, { recursive: true, force: true });
});

/** The demo's API on a free port, and what it has recorded and logged so far. */
class Demo {
  readonly recorded: AuditLogEvent[] = [];
  readonly logged: string[] = [];
  /** Its clients keep their connection, as browsers do. */
  readonly agent = new Agent({ keepAlive: true });
  port = 0;
  private readonly events = new ReplaySubject<AuditLogEvent>();
  private requests = 0;

  private constructor(private readonly app: NestExpressApplication) {}

  /** @param trustProxy Express' setting, where the demo stands behind a proxy */
  static async start(trustProxy?: string): Promise<Demo> {
    const app = await createApi(['fatal']);
    const demo = new Demo(app);
    app.useLogger(demo.logger);
    if (trustProxy !== undefined) app.set('trust proxy', trustProxy);
    demo.events.subscribe((event) => demo.recorded.push(event));
    app.get(AuditService).observe().subscribe(demo.events);
    await app.listen(0, '127.0.0.1');
    demo.port = (app.getHttpServer().address() as AddressInfo).port;
    return demo;
  }

  async close(): Promise<void> {
    this.agent.destroy();
    await this.app.close();
  }

  /**
   * Closes, which has the audit look at everything a last time. Answers what is stored, by the demo started again; who
   * listened was told of the same.
   */
  async findings(): Promise<AuditLogEvent[]> {
    await this.close();
    const again = await createApi(['fatal']);
    await again.init();
    const query = { allTenants: true, resource: 'detection', order: 'oldest', limit: 1_000 } as const;
    const { events } = await again.get(AuditService).find(query);
    await again.close();
    const told = this.recorded.filter(({ resource }) => resource === 'detection');
    expect(told.map(({ id }) => id)).toEqual(events.map(({ id }) => id));
    return events;
  }

  newRequestId(): string {
    this.requests += 1;
    return `request-${this.requests}`;
  }

  /** The first such event, as soon as it is recorded. */
  event(isIt: (event: AuditLogEvent) => boolean): Promise<AuditLogEvent> {
    return firstValueFrom(this.events.pipe(filter(isIt), timeout(20_000)));
  }

  finding(): Promise<AuditLogEvent> {
    return this.event(({ resource }) => resource === 'detection');
  }

  /** Warnings and errors of the application and the audit, with who says so. */
  private get logger(): LoggerService {
    const note = (message: unknown, ...more: unknown[]) =>
      void this.logged.push(`${String(more.at(-1))}: ${String(message)}`);
    return { log: () => undefined, warn: note, error: note };
  }
}

/** What came of a request, and the event that it left. */
interface Done {
  readonly status?: number;
  readonly body?: unknown;
  readonly event: AuditLogEvent;
}

/** Somebody who uses the API, and logs in where that is needed. */
class Caller {
  private token: string | undefined;

  constructor(
    private readonly demo: Demo,
    private readonly name: string,
    private readonly company: string,
    /** What the proxy says of where the requests come from. */
    private readonly address?: string,
  ) {}

  async logIn(password = `${this.name}-password`): Promise<Done> {
    const body = { email: `${this.name}@${this.company}.example`, password };
    const done = await this.call('POST /login', body);
    if (done.status === 200) this.token = (done.body as { accessToken: string }).accessToken;
    return done;
  }

  /** Sends a request such as `GET /invoices`, and waits for the answer. */
  async send(line: string, body?: object): Promise<Done> {
    if (this.token === undefined) await this.logIn();
    return this.call(line, body);
  }

  /** Goes away as soon as the answer begins. */
  async breakOff(path: string): Promise<Done> {
    if (this.token === undefined) await this.logIn();
    const requestId = this.demo.newRequestId();
    await abandon(this.demo.port, { path, headers: this.headers(requestId) }, 'answering').gone;
    return { event: await this.recorded(requestId) };
  }

  private async call(line: string, body?: object): Promise<Done> {
    const [method = '', path = ''] = line.split(' ');
    const requestId = this.demo.newRequestId();
    const call: Call = { method, path, headers: this.headers(requestId), agent: this.demo.agent };
    const answer = await send(this.demo.port, { ...call, ...(body && { body: JSON.stringify(body) }) });
    const isJson = answer.headers['content-type']?.includes('json');
    return {
      status: answer.status,
      body: isJson ? JSON.parse(answer.body) : answer.body,
      event: await this.recorded(requestId),
    };
  }

  /** Requests are recorded in the order in which they are made: each is waited for. */
  private recorded(requestId: string): Promise<AuditLogEvent> {
    return this.demo.event(({ metadata }) => metadata['requestId'] === requestId);
  }

  private headers(requestId: string): Record<string, string> {
    return {
      'x-request-id': requestId,
      ...(this.token !== undefined && { authorization: `Bearer ${this.token}` }),
      ...(this.address !== undefined && { 'x-forwarded-for': this.address }),
    };
  }
}

/** The whole event of a finding about these events, the one that reached the threshold last. */
function finding(
  detection: string,
  who: { readonly by: string; readonly key: string; readonly tenantId: string },
  events: readonly AuditLogEvent[],
  more: { readonly count?: number; readonly windowSeconds: number; readonly severity?: string },
) {
  const { by, key, tenantId } = who;
  const { count = events.length, windowSeconds, severity = 'high' } = more;
  const [firstAt, lastAt] = [events[0]!.timestamp, events.at(-1)!.timestamp];
  const eventIds = events.map(({ id }) => id).slice(-50);
  return {
    id: expect.any(String),
    timestamp: lastAt,
    tenantId,
    ...(by === 'user' && { userId: key }),
    ...(by === 'address' && { ipAddress: key }),
    action: `detection.${detection}`,
    resource: 'detection',
    category: 'security',
    outcome: 'failure',
    severity,
    details: { detection, by, key, count, windowSeconds, firstAt, lastAt, eventIds },
    riskScore: expect.any(Number),
    complianceFlags: expect.any(Array),
    metadata: expect.not.objectContaining({ stageErrors: expect.anything() }),
  };
}

/** Does something for the index-th time. */
type Act = (caller: Caller, index: number) => Promise<Done>;
/** What `times` acts of one caller are: one finding, and one act less is none. */
type Attack = [
  detection: string,
  times: number,
  act: Act,
  more: { count?: number; windowSeconds: number; severity?: string; by?: string; key?: string },
];

const ATTACKS: Attack[] = [
  [
    'brute-force',
    10,
    (caller, index) => caller.logIn(`guess-${index}`),
    { windowSeconds: 300, by: 'address', key: '127.0.0.1' },
  ],
  [
    'rapid-actions',
    300,
    // The login is one of them.
    (caller, index) => (index === 0 ? caller.logIn() : caller.send('GET /invoices')),
    { windowSeconds: 60, severity: 'medium' },
  ],
  [
    'resource-breadth',
    100,
    // Most are not there; what counts is that somebody tries.
    (caller, index) => caller.send(`GET /invoices/INV-${1001 + index}`),
    { windowSeconds: 300 },
  ],
  [
    'mass-export',
    10,
    // Not even an export that its client breaks off passes uncounted: of how many rows is not known, so 1,000.
    (caller) => caller.breakOff('/journal-entries/export.csv'),
    { windowSeconds: 3_600, count: 10_000 },
  ],
  [
    'privilege-escalation',
    5,
    (caller) => caller.send('POST /invoices/INV-1001/approve'),
    { windowSeconds: 300 },
  ],
];

describe('the demo', () => {
  let demo: Demo;

  afterEach(async () => {
    await demo.close();
    // The next one starts with nothing stored.
    await rm(folder, { recursive: true, force: true });
  });

  // Hundreds of requests may take their time on a busy machine.
  it.each(ATTACKS)(
    'finds %s at %i, once, and none before',
    async (detection, times, act, more) => {
      demo = await Demo.start();
      const [alice, dave] = [new Caller(demo, 'alice', 'acme'), new Caller(demo, 'dave', 'globex')];
      for (let index = 0; index < times - 1; index += 1) await act(alice, index);
      const events: AuditLogEvent[] = [];
      for (let index = 0; index < times; index += 1) events.push((await act(dave, index)).event);
      await demo.finding();
      await act(dave, times);
      const who = { by: 'user', key: 'dave', ...more, tenantId: 'globex' };
      expect(await demo.findings()).toEqual([finding(detection, who, events, more)]);
      expect(demo.logged).toEqual([]);
    },
    90_000,
  );

  it('finds brute-force against one account from many addresses', async () => {
    demo = await Demo.start('loopback');
    const events: AuditLogEvent[] = [];
    for (let guess = 1; guess <= 10; guess += 1) {
      const of = (name: string) => new Caller(demo, name, 'acme', `192.0.2.${guess}`).logIn(`guess-${guess}`);
      if (guess < 10) await of('bob');
      events.push((await of('alice')).event);
    }
    await demo.finding();
    await new Caller(demo, 'alice', 'acme', '192.0.2.11').logIn('guess-11');
    const who = { by: 'account', key: 'alice', tenantId: 'acme' };
    expect(await demo.findings()).toEqual([finding('brute-force', who, events, { windowSeconds: 300 })]);
  });

  it('finds a user in a foreign tenant', async () => {
    demo = await Demo.start();
    await new Caller(demo, 'alice', 'acme').send('GET /invoices');
    await new Caller(demo, 'dave', 'globex').send('GET /invoices');
    const [atAcme, atGlobex] = [new Caller(demo, 'erin', 'acme'), new Caller(demo, 'erin', 'globex')];
    await atAcme.logIn();
    const { event: first } = await atAcme.send('GET /invoices');
    const { event: second } = await atGlobex.logIn();
    await atGlobex.send('GET /invoices');
    await demo.finding();
    await atAcme.send('GET /invoices');
    const who = { by: 'user', key: 'erin', tenantId: 'globex' };
    const more = { windowSeconds: 3_600, severity: 'critical' };
    expect(await demo.findings()).toEqual([finding('foreign-tenant', who, [first, second], more)]);
  });

  it('blocks a request after the guards and before its handler', async () => {
    demo = await Demo.start();
    const alice = new Caller(demo, 'alice', 'acme');
    const create = (caller: Caller, cents: number) =>
      caller.send('POST /invoices', { customer: 'Umbrella', cents, currency: 'CHF' });
    const blocked = await create(alice, 1_000_001);
    expect(blocked.status).toBe(403);
    expect(blocked.body).toMatchObject({ statusCode: 403, code: 'AUDIT_BLOCKED' });
    expect(blocked.event).toMatchObject({
      userId: 'alice',
      tenantId: 'acme',
      action: 'invoice.create',
      category: 'authorization',
      outcome: 'failure',
      complianceFlags: expect.arrayContaining(['company.four-eyes']),
      metadata: { stage: 'compliance', blockedBy: 'company.four-eyes', statusCode: 403 },
    });
    // Who may create no invoices at all is refused by the guard, and the rule is not asked.
    const refused = await create(new Caller(demo, 'carol', 'acme'), 1_000_001);
    expect(refused.body).toMatchObject({ statusCode: 403, message: 'This takes the role bookkeeper.' });
    expect(refused.event.metadata).toMatchObject({ stage: 'guard' });
    expect(refused.event.metadata).not.toHaveProperty('blockedBy');
    // The next invoice has the next number: nothing was created.
    expect(await create(alice, 1_000_000)).toMatchObject({ status: 201, body: { id: 'INV-1004' } });
    const { body } = await alice.send('GET /invoices');
    expect((body as { id: string }[]).map(({ id }) => id)).toEqual(['INV-1001', 'INV-1002', 'INV-1004']);
    expect(await demo.findings()).toEqual([]);
  });

  it('flags a large export, and calls the handler that the rule names', async () => {
    demo = await Demo.start();
    const bob = new Caller(demo, 'bob', 'acme');
    const small = await bob.send('GET /invoices/export');
    expect(small.event.complianceFlags).not.toContain('company.bulk-export');
    const large = await bob.send('GET /journal-entries/export.csv');
    expect(large.status).toBe(200);
    expect(large.event).toMatchObject({
      action: 'journal-entry.export',
      outcome: 'success',
      details: { format: 'csv', rows: 250_000 },
      complianceFlags: expect.arrayContaining(['company.bulk-export']),
    });
    const alert = 'Compliance: Exports of more than 100,000 rows: bob did journal-entry.export.';
    await eventually(() => expect(demo.logged).toContain(alert));
    await demo.finding();
    const who = { by: 'user', key: 'bob', tenantId: 'acme' };
    const more = { windowSeconds: 3_600, count: 250_002 };
    expect(await demo.findings()).toEqual([finding('mass-export', who, [small.event, large.event], more)]);
    expect(demo.logged).toEqual([alert]);
  });
});

describe("the demo's session", () => {
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it.each([
    ['nest', 'nest'],
    ['nest-fastify', 'nest'],
    ['express', 'express'],
    ['fastify', 'fastify'],
  ])(
    'leaves the events that it should on %s',
    async (door, module) => {
      const { serve } = (await import(
        `../../demo/src/${module}.ts`
      )) as typeof import('../../demo/src/nest.js');
      const { playSession, checkEvents } = (await import('../../demo/session.mjs' as string)) as {
        playSession(url: string, audit: AuditService, resetToken: string): Promise<unknown>;
        checkEvents(session: unknown, events: readonly AuditLogEvent[], door: string): readonly string[];
      };
      const said = vi.spyOn(console, 'log').mockImplementation(() => undefined);
      const { audit, users, listen, close } = await serve(door);
      try {
        const url = `http://127.0.0.1:${await listen(0, '127.0.0.1')}`;
        const session = await playSession(url, audit, users.issueResetToken('dave@globex.example'));
        await audit.flush();
        const events: AuditLogEvent[] = [];
        for await (const event of audit.stream({ allTenants: true, order: 'oldest' })) events.push(event);
        expect(checkEvents(session, events, door)).toEqual([]);
      } finally {
        await close();
        said.mockRestore();
      }
    },
    90_000,
  );
});
