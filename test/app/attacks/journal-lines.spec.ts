// Whoever writes into the journal's directory can make a checksum: a line with a right one and a wrong body is damage like any
// other. It never keeps the application from starting, nor an event from being delivered.
import { createHash } from 'node:crypto';
import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AuditLogEvent } from 'nest-audit-trail';
import { crash, segmentsOf } from '../../support/crashed-journal.js';
import { eventually } from '../../support/eventually.js';
import { abandon, send } from '../../support/http-client.js';
import { bodyOf, eventLine, lineOf, linesOf } from '../../support/journal-text.js';
import { removable } from '../../support/removable-database.js';
import type { RemovableDatabase } from '../../support/removable-database.js';
import { startThings } from '../../support/things-app.js';
import type { ThingsApp } from '../../support/things-app.js';
import { createDatabase, describeOnSqlite } from '../../support/harness/databases.js';
import type { TestDatabase } from '../../support/harness/databases.js';

/** What an application left when it was killed, and what starts on it. */
class Killed {
  private readonly apps: ThingsApp[] = [];

  private constructor(
    private readonly database: TestDatabase,
    private readonly store: RemovableDatabase,
    readonly events: readonly AuditLogEvent[],
    readonly head: Buffer,
    /** A line of each kind that the application wrote, without its checksum. */
    readonly lines: ReadonlyMap<string, string>,
  ) {}

  /** An application that recorded some events without a database, and was killed while it answered a request. */
  static async in(database: TestDatabase): Promise<Killed> {
    const store = await removable(database, false);
    const delivery = { directory: database.journal, shutdownTimeoutMs: 0 };
    const app = await store.start(() => startThings({ database: store.options, delivery }));
    for (let index = 1; index <= 10; index += 1) {
      await app.audit.record({
        action: 'thing.create',
        resourceId: `${index}`,
        userId: 'ann',
        details: { index },
      });
    }
    const slow = send(app.port, { method: 'POST', path: '/things/slow/1' });
    await app.gate.begun;
    await crash(database.journal, left(database));
    app.gate.open();
    await slow;
    await abandon(app.port, { path: '/things/large' }, 'answering').gone;
    await send(app.port, { method: 'POST', path: '/things/silent/1' });
    await eventually(async () =>
      expect([...(await linesOf(await newest(database.journal))).keys()]).toContain('amend'),
    );
    const lines = new Map(await linesOf(await newest(database.journal)));
    await app.close();
    const text = await readFile(await newest(left(database)), 'utf8');
    const all = text.trimEnd().split('\n');
    const events = all
      .filter((line) => line.slice(9).startsWith('event '))
      .map((line) => bodyOf<AuditLogEvent>(line.slice(9)));
    return new Killed(database, store, events, Buffer.from(`${all[0]}\n`), lines);
  }

  /** Puts these lines into the journal that was left. */
  async write(lines: readonly Buffer[]): Promise<void> {
    await writeFile(await newest(left(this.database)), Buffer.concat([this.head, ...lines]));
  }

  get directory(): string {
    return left(this.database);
  }

  async start(directory = this.directory): Promise<ThingsApp> {
    await this.store.release();
    await this.store.restore().catch(() => undefined);
    const app = await startThings({ database: this.store.options, delivery: { directory } });
    this.apps.push(app);
    return app;
  }

  /** What the next start finds, when this one is killed as well. */
  async startAgain(): Promise<ThingsApp> {
    await crash(this.directory, `${this.directory}-again`);
    return this.start(`${this.directory}-again`);
  }

  async end(): Promise<void> {
    for (const app of this.apps) await app.close();
    await this.store.release();
    for (const name of ['', '-again']) await rm(this.directory + name, { recursive: true, force: true });
  }
}

const left = ({ journal }: TestDatabase) => `${journal}-left`;
const newest = async (directory: string) => (await segmentsOf(directory)).at(-1)!;

async function storedBy({ audit }: ThingsApp): Promise<Map<string, AuditLogEvent>> {
  const events = new Map<string, AuditLogEvent>();
  for await (const event of audit.stream({ allTenants: true, order: 'oldest' })) events.set(event.id, event);
  return events;
}

/** All of these are there, byte by byte, whatever else is. */
function expectAll(stored: ReadonlyMap<string, AuditLogEvent>, events: readonly AuditLogEvent[]): void {
  expect(events.filter(({ id }) => !stored.has(id))).toEqual([]);
  for (const event of events) expect(stored.get(event.id)).toEqual(event);
}

function lossesIn(stored: ReadonlyMap<string, AuditLogEvent>): AuditLogEvent[] {
  return [...stored.values()].filter(({ action }) => action === 'audit.loss');
}

/** It is as well as any other: takes events, and has delivered all of them. */
async function expectWell(app: ThingsApp): Promise<void> {
  expect((await send(app.port, { method: 'POST', path: '/things/new' })).status).toBe(201);
  await eventually(() => app.audit.flush());
  expect(app.audit.status()).toMatchObject({ healthy: true, pending: 0, dropped: 0 });
  const { events } = await app.audit.find({ allTenants: true, resourceId: 'new' });
  expect(events.length).toBeGreaterThan(0);
}

const HUGE = [
  '1e308',
  '9007199254740993',
  '99999999999999999999',
  '9007199254740991',
  '562949953421312',
  '-1',
  '0',
  '01',
  '1.5',
  'NaN',
  'Infinity',
  '0x10',
  '',
  ' 1',
];

/** @param event a right one, whose parts are made wrong */
function wrongBodies(event: AuditLogEvent): string[] {
  const wrong: object[] = [
    { id: undefined },
    { id: 'x' },
    { id: event.id.toUpperCase() },
    { id: '00000000-0000-0000-0000-000000000000' },
    { timestamp: `${event.timestamp}` },
    { timestamp: -1 },
    { timestamp: 1.5 },
    { timestamp: 2 ** 48 },
    { timestamp: null },
    { tenantId: undefined },
    { tenantId: '' },
    { tenantId: 'a\u0000b' },
    { tenantId: 'x'.repeat(129) },
    { tenantId: '\ud800' },
    { tenantId: ['default'] },
    { userId: null },
    { userId: { $ne: 1 } },
    { userId: 'a\u001b[31mb' },
    { action: 7 },
    { action: undefined },
    { resource: {} },
    { resourceId: 'x'.repeat(256) },
    { details: null },
    { details: [] },
    { details: 'x' },
    { details: { a: null } },
    { details: { a: { b: 1 } } },
    { details: { a: [1, 'b'] } },
    { details: { a: [[1]] } },
    { details: { a: '\udc00' } },
    { details: { '\ud800': 1 } },
    { ipAddress: 1 },
    { userAgent: 'x'.repeat(513) },
    { sessionId: true },
    { severity: 'fatal' },
    { severity: 'toString' },
    { category: ['system'] },
    { outcome: '__proto__' },
    { riskScore: 101 },
    { riskScore: '5' },
    { riskScore: 0.5 },
    { riskScore: undefined },
    { complianceFlags: 'sox' },
    { complianceFlags: [1] },
    { complianceFlags: undefined },
    { metadata: undefined },
    { metadata: {} },
    { metadata: { source: event.metadata['source']! } },
    { metadata: { ...event.metadata, source: 'x' } },
    { metadata: { ...event.metadata, source: 1 } },
    { metadata: { ...event.metadata, sequence: 7 } },
    { metadata: { ...event.metadata, sequence: '3' } },
    { metadata: { ...event.metadata, sequence: 1e308 } },
    { metadata: { ...event.metadata, unreadable: ['details'] } },
    { metadata: { ...event.metadata, protected: 'v1.x.y' } },
    { metadata: { ...event.metadata, protected: true } },
    { metadata: { ...event.metadata, protected: ['erased'] } },
    { metadata: { ...event.metadata, protectedFields: 'userId' } },
    { more: 1 },
    { toJSON: 'x' },
  ];
  const texts = wrong.map((part) => JSON.stringify({ ...event, ...part }));
  const right = JSON.stringify(event);
  return [
    '{nope',
    '',
    'null',
    'true',
    '0',
    '"x"',
    '{}',
    '[]',
    '[{}]',
    `[${right}]`,
    right.slice(0, -1),
    `${right}}`,
    right.replace('"details":{', '"details":{"infinite":1e999,'),
    right.replace('{', '{"__proto__":{"admin":true},'),
    '['.repeat(100_000),
    ...texts,
  ];
}

/** Lines with a right checksum that no journal has. */
function wrongLines({ events, head }: Killed): Buffer[] {
  const event = events[2]!;
  const json = JSON.stringify(event);
  const begun = JSON.stringify({ ...event, riskScore: undefined, complianceFlags: undefined });
  const source = String(event.metadata['source']);
  const headBody = head.toString().slice(9).split(' ').slice(3).join(' ').trim();
  const texts = [
    ...wrongBodies(event).flatMap((body) => [`event 3 3 ${body}`, `amend 3 3 ${body}`]),
    ...wrongBodies(event)
      .filter((body) => !body.includes('"riskScore"') && !body.includes('"id"'))
      .map((body) => `intent 50 0 ${body}`),
    ...HUGE.flatMap((number) => [
      `event ${number} 3 ${json}`,
      `intent ${number} 0 ${begun}`,
      `void ${number} 0 {}`,
    ]),
    // White space is right there.
    ...HUGE.filter((number) => number !== ' 1').flatMap((number) => [
      `stored 0 0 [[1,${number}]]`,
      `stored 0 0 [[${number},1]]`,
      `segment 1 0 ${headBody.replace('"sequence":0', `"sequence":${number === '0' ? '-0.5' : number}`)}`,
      `segment 1 0 ${headBody.replace('"number":0', `"number":${number === '0' ? '{}' : number}`)}`,
    ]),
    ...HUGE.filter((number) => number !== '0').map((number) => `event 3 ${number} ${json}`),
    ...HUGE.map((number) => `event 3 ${number === '0' ? '5' : number} ${json}`),
    'event',
    'event 3',
    'event 3 3',
    `event 3 3${json}`,
    `Event 3 3 ${json}`,
    ` event 3 3 ${json}`,
    `constructor 3 3 ${json}`,
    `__proto__ 3 3 ${json}`,
    `toString 3 3 ${json}`,
    'void 3 0 null',
    'void 3 0 {"a":1}',
    'void 3 0 []',
    'void 3 3 {}',
    'stored 0 0 {}',
    'stored 0 0 null',
    'stored 0 0 [1,2]',
    'stored 0 0 [[1]]',
    'stored 0 0 [[1,2,3]]',
    'stored 0 0 [["1","2"]]',
    'stored 0 0 [[2,1]]',
    'stored 0 0 [[1,1e308]]',
    'stored 0 0 [[-1,1e308]]',
    'stored 0 0 [null]',
    'stored 1 0 [[1,2]]',
    'stored 0 0 {"length":1e9}',
    'dropped 0 9 {}',
    'dropped 0 9 null',
    `dropped 0 9 {"source":"${source}","count":-1,"firstSequence":7,"lastSequence":9}`,
    `dropped 0 9 {"source":"${source}","count":3,"firstSequence":9,"lastSequence":7}`,
    `dropped 0 9 {"source":"x","count":3,"firstSequence":7,"lastSequence":9}`,
    `dropped 0 9 {"source":"${source}","count":1e308,"firstSequence":7,"lastSequence":9}`,
    `dropped 0 1e308 {"source":"${source}","count":3,"firstSequence":7,"lastSequence":9}`,
    'damaged 0 0 {}',
    'damaged -1 0 {}',
    'damaged 1 0 null',
    'damaged 1e308 0 {}',
    'closed 0 1e308 {}',
    'closed 0 9007199254740991 {}',
    'closed 1 3 {}',
    'closed 0 3 null',
    'segment 1 0 null',
    'segment 1 0 {}',
    'segment 1 0 []',
    `segment 1 0 ${headBody.replace('"format":1', '"format":2')}`,
    `segment 1 0 ${headBody.replace(source, 'x')}`,
    `segment 1 0 ${headBody.replace(`"${source}"`, '{}')}`,
    'intent 50 0 {"id":1}',
    `intent 50 7 ${begun}`,
    `intent 0 0 ${begun}`,
    `intent 50 0 ${begun.replace('{', '{"blockedBy":null,')}`,
    `intent 50 0 ${begun.replace('{', '{"blockedBy":{"id":1,"name":{}},')}`,
    // Of an event that is there already.
    `intent 1 0 ${begun}`,
  ];
  const notUtf8 = Buffer.from(`event 3 3 ${json}`);
  notUtf8[notUtf8.indexOf('ann')] = 0xff;
  return [...texts.map((text) => lineOf(text.replaceAll('\n', ' '))), lineOf(notUtf8)];
}

describeOnSqlite('a journal line with a right checksum and a wrong body', (create) => {
  let database: TestDatabase;
  let killed: Killed;

  beforeEach(async () => {
    database = await create();
    killed = await Killed.in(database);
  });

  afterEach(async () => {
    await killed.end();
    await database.drop();
  });

  it('is told as damage, and keeps no other from being delivered', async () => {
    const wrong = wrongLines(killed);
    const share = Math.ceil(wrong.length / killed.events.length);
    const lines = killed.events.flatMap((event, index) => [
      eventLine(index + 1, event),
      ...wrong.slice(index * share, (index + 1) * share),
    ]);
    await killed.write(lines);
    const app = await killed.start();
    await eventually(() => app.audit.flush());
    const stored = await storedBy(app);
    expectAll(stored, killed.events);
    // None of them was taken for anything else.
    const told = lossesIn(stored).reduce((sum, { details }) => sum + Number(details['lines']), 0);
    expect(told).toBe(wrong.length);
    expect(stored.size).toBe(killed.events.length + lossesIn(stored).length);
    expect(app.logged.some((line) => line.includes('is damaged in'))).toBe(true);
    await expectWell(app);
    // And once only.
    const again = await killed.startAgain();
    await expectWell(again);
    expectAll(await storedBy(again), killed.events);
    expect(lossesIn(await storedBy(again))).toHaveLength(lossesIn(stored).length);
  });

  it('which could be right, but not beside the others, keeps none from being delivered either', async () => {
    const { events } = killed;
    const source = String(events[0]!.metadata['source']);
    const invented = (index: number, sequence: number, more: object = {}) => ({
      ...events[0]!,
      id: events[0]!.id.replace(/.{12}$/, String(index).padStart(12, '0')),
      details: { invented: index },
      metadata: { ...events[0]!.metadata, sequence },
      ...more,
    });
    const lines = [
      // Before any: it can tell of none of them.
      lineOf('stored 0 0 [[1,281474976710655]]'),
      lineOf(
        `segment 1 0 {"format":1,"source":"${source}","sequence":281474976710656,"number":281474976710656}`,
      ),
      // The number of another.
      eventLine(3, invented(1, 11)),
      // The sequence of another.
      eventLine(21, invented(2, 4)),
      // The id of another, and the whole of another.
      eventLine(22, { ...invented(3, 12), id: events[0]!.id }),
      eventLine(23, invented(4, 13)),
      eventLine(24, invented(4, 13)),
      // Out of their order, and far away.
      eventLine(999_999, invented(5, 14)),
      eventLine(26, invented(6, 281_474_976_710_000)),
      lineOf('void 5 0 {}'),
      ...events.slice(1).map((event, index) => eventLine(index + 2, event)),
      lineOf('damaged 7 0 {}'),
      lineOf('closed 0 3 {}'),
      lineOf(`segment 1 0 {"format":1,"source":"${source}","sequence":0,"number":0}`),
    ];
    await killed.write(lines);
    const app = await killed.start();
    await eventually(() => app.audit.flush());
    expectAll(await storedBy(app), events.slice(1));
    await expectWell(app);
    const again = await killed.startAgain();
    await expectWell(again);
    expectAll(await storedBy(again), events.slice(1));
  });
});

describe('a file of the journal that is none', () => {
  let database: TestDatabase;
  let killed: Killed;

  beforeEach(async () => {
    database = await createDatabase('sqlite');
    killed = await Killed.in(database);
    await killed.write(killed.events.map((event, index) => eventLine(index + 1, event)));
  });

  afterEach(async () => {
    await killed.end();
    await database.drop();
  });

  it.each<[what: string, name: string, write: (path: string) => Promise<void>]>([
    ['empty', '000000000009.journal', (path) => writeFile(path, '')],
    ['one line without an end', '000000000009.journal', (path) => writeFile(path, 'x'.repeat(9_000_000))],
    ['ends of lines alone', '000000000009.journal', (path) => writeFile(path, '\n'.repeat(9_000_000))],
    [
      'larger than the disk',
      '000000000009.journal',
      async (path) => {
        await writeFile(path, '');
        await truncate(path, 2 ** 40);
      },
    ],
    ['numbered with more zeros', '0000000000001.journal', (path) => writeFile(path, 'x\n')],
    ['numbered absurdly', '999999999999.journal', (path) => writeFile(path, 'x\n')],
    ['numbered without bounds', '9999999999999999.journal', (path) => writeFile(path, 'x\n')],
    ['an owner without bounds', 'owner.9999999999999999', (path) => writeFile(path, '{}')],
    ['an owner far away', 'owner.281474976710655', (path) => writeFile(path, 'null')],
    ['an owner of the wrong type', 'owner.7', (path) => writeFile(path, '{"pid":"x","host":[]}')],
  ])('%s, keeps no event from being delivered', async (_what, name, write) => {
    await write(join(killed.directory, name));
    const app = await killed.start();
    await eventually(() => app.audit.flush());
    expectAll(await storedBy(app), killed.events);
    await expectWell(app);
    const again = await killed.startAgain();
    await expectWell(again);
  });

  it('larger than a segment, is read as far as a segment can be, and the log names it', async () => {
    const path = await newest(killed.directory);
    await truncate(path, 2 ** 40);
    const app = await killed.start();
    await eventually(() => app.audit.flush());
    expectAll(await storedBy(app), killed.events);
    expect(app.logged).toContainEqual(
      expect.stringContaining(`${path} of the audit journal has 1099511627776 bytes`),
    );
    await expectWell(app);
  });
});

describe('every byte of a journal line, with the checksum made right', () => {
  let database: TestDatabase;
  let killed: Killed;

  beforeEach(async () => {
    database = await createDatabase('sqlite');
    killed = await Killed.in(database);
  });

  afterEach(async () => {
    await killed.end();
    await database.drop();
  });

  const HOSTILE = [0x00, 0x22, 0x39, 0xff, 0x0a];
  /** An id of its own for each, in the place of `id`. */
  const renamed = (id: string, index: number) =>
    id.slice(0, 24) + createHash('sha256').update(String(index)).digest('hex').slice(0, 12);

  /** Its numbers have five digits, so that no change of one byte makes another line's of them. */
  const LINES: Readonly<Record<string, (index: number, killed: Killed) => string>> = {
    segment: (_, { lines }) =>
      lines
        .get('segment')!
        .replace('segment 1 ', 'segment 20000 ')
        .replace('"sequence":0', '"sequence":20000'),
    intent: (index, { lines }) => {
      const begun = bodyOf<AuditLogEvent>(lines.get('intent'));
      return `intent ${20_000 + index} 0 ${JSON.stringify({ ...begun, id: renamed(begun.id, index) })}`;
    },
    void: (index) => `void ${20_000 + index} 0 {}`,
    event: (index, { lines }) => {
      const event = bodyOf<AuditLogEvent>(lines.get('event'));
      const { id, metadata } = event;
      const own = { ...event, id: renamed(id, index), metadata: { ...metadata, sequence: 20_000 + index } };
      return `event ${20_000 + index} ${20_000 + index} ${JSON.stringify(own)}`;
    },
    amend: (index, { lines }) => {
      const event = bodyOf<AuditLogEvent>(lines.get('amend'));
      const { id, metadata } = event;
      const own = { ...event, id: renamed(id, index), metadata: { ...metadata, sequence: 20_000 + index } };
      return `amend ${20_000 + index} ${20_000 + index} ${JSON.stringify(own)}`;
    },
    stored: () => 'stored 0 0 [[20000,20003],[20007,20007]]',
    dropped: (_, { events }) =>
      `dropped 0 20003 {"source":"${String(events[0]!.metadata['source'])}","count":3,"firstSequence":20001,"lastSequence":20003}`,
    damaged: () => 'damaged 20000 0 {}',
    closed: () => 'closed 0 20000 {}',
  };

  it.each(Object.keys(LINES))('of the kind %s, harms no other line', async (kind) => {
    const line = (index: number) => LINES[kind]!(index, killed);
    const mutants: Buffer[] = [];
    for (let position = 0; position < Buffer.byteLength(line(0)); position += 1) {
      for (const byte of HOSTILE) {
        const bytes = Buffer.from(line(mutants.length));
        if (bytes[position] === byte) continue;
        bytes[position] = byte;
        // What comes before the end of a line is a line, and has the checksum.
        const cut = byte === 0x0a ? position : bytes.length;
        mutants.push(
          Buffer.concat([lineOf(bytes.subarray(0, cut)), bytes.subarray(cut + 1), Buffer.from('\n')]),
        );
      }
    }
    const { events } = killed;
    const share = Math.ceil(mutants.length / (events.length - 1));
    const lines = events.flatMap((event, index) => [
      eventLine(index + 1, event),
      ...mutants.slice(index * share, (index + 1) * share),
    ]);
    await killed.write(lines);
    const app = await killed.start();
    await eventually(() => app.audit.flush());
    const stored = await storedBy(app);
    expectAll(stored, events);
    expect(lossesIn(stored).length).toBeGreaterThan(0);
    expect(app.logged.some((text) => text.includes('is damaged in'))).toBe(true);
    expect(app.audit.status().dead).toBe(0);
    await expectWell(app);
    const again = await killed.startAgain();
    await expectWell(again);
    expectAll(await storedBy(again), events);
  });
});
