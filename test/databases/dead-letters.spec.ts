// Events that the database refuses for themselves: kept whole, shown to their tenant, and stored once it takes them.
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AuditError, AuditModule, AuditService } from 'nest-audit-trail';
import type { AuditDeadLetter, AuditLogEvent } from 'nest-audit-trail';
import { createEventId } from '../../src/event/event-id.js';
import { classifyStoreError } from '../../src/store/store-error.js';
import { numbered, openStore } from '../support/audit-store.js';
import type { AuditStore } from '../support/audit-store.js';
import { narrowActions, narrowColumn, POISON, widenActions } from '../support/narrow-column.js';
import { removable } from '../support/removable-database.js';
import { describeEachDatabase } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';
import { ask } from '../support/stored-rows.js';

const SOURCE = createEventId(Date.now());

/** As much as an event can hold, in characters that take most room. */
const LARGE_DETAILS = Object.fromEntries(
  Array.from({ length: 14 }, (_, index) => [`k${index}`, 'é🧾'.repeat(700)]),
);

describeEachDatabase('dead letters', (create, name) => {
  let database: TestDatabase;
  let store: AuditStore;
  let app: INestApplicationContext | undefined;

  beforeEach(async () => {
    database = await create();
    store = await openStore(database.options);
  });

  afterEach(async () => {
    await app?.close();
    app = undefined;
    await store.close();
    await database.drop();
  });

  const poison = (sequence: number, more: Partial<AuditLogEvent> = {}) =>
    numbered(SOURCE, sequence, { action: POISON, ...more });
  const idsOf = (letters: readonly AuditDeadLetter[]) => letters.map(({ event }) => event.id);

  async function startApp(): Promise<AuditService> {
    @Module({
      imports: [
        AuditModule.forRoot({ database: database.options, delivery: { directory: database.journal } }),
      ],
    })
    class ReadingModule {}
    app = await NestFactory.createApplicationContext(ReadingModule, { logger: false, abortOnError: false });
    return app.get(AuditService);
  }

  it('keeps an event whole, whatever is in it, and once', async () => {
    const hostile = poison(1, {
      tenantId: 'Zażółć "gęślą" \\ 🧾',
      userId: '\u0000\u001b[31m\u202e',
      resourceId: "'; DROP TABLE audit_events; --",
      userAgent: '\ud800 alone',
      details: {
        ...LARGE_DETAILS,
        '\u0000': '\u2028\u007f\\u0041',
        'ü "': ['\n', '🧾', ''],
        ...(JSON.parse('{"__proto__":"own"}') as object),
        numbers: [0, -1.5, 1e300],
      },
      complianceFlags: ['sox-404', 'ö'],
    });
    const before = Date.now();
    await store.letters.keep(hostile, 'first');
    await store.letters.keep(hostile, 'second');
    await store.letters.keep({ ...hostile, userId: 'forged' }, 'third');
    const letters = await store.letters.find({ limit: 10 });
    expect(letters).toEqual([{ event: hostile, reason: 'first', refusedAt: expect.any(Number) }]);
    // Byte by byte, the order of keys included.
    expect(JSON.stringify(letters[0]!.event)).toBe(JSON.stringify(hostile));
    expect(letters[0]!.refusedAt).toBeGreaterThanOrEqual(before);
    const [row] = await ask<Record<string, string>>(store.connection, 'SELECT * FROM audit_dead_letters');
    expect(row).toMatchObject({ id: hostile.id, source: SOURCE });
    for (const column of ['tenant_id', 'reason', 'event']) expect(row![column]).toMatch(/^[ -~]+$/);
  });

  it.each<[what: string, broken: object]>([
    ['details', { details: null }],
    ['metadata', { metadata: undefined }],
    ['compliance flags', { complianceFlags: undefined }],
  ])('knows by which fault it is the event itself that can not be stored: %s', async (_what, broken) => {
    const event = { ...poison(1), ...broken } as AuditLogEvent;
    const failure: unknown = await store.events.append([event]).catch((error: unknown) => error);
    // Neither is tried again for ever: `unclear` ones are tried apart after a few times.
    expect(['refused', 'unclear']).toContain(classifyStoreError(failure));
  });

  it('keeps one line of any reason', async () => {
    const reasons = [
      'value too long for type character varying(20)',
      'a\r\nb\u0000\u001b[31m\u202eé🧾',
      '',
      `${'x'.repeat(1_023)}🧾`,
      '\n'.repeat(5_000),
      'x'.repeat(2 ** 20),
    ];
    const letters = reasons.map((_, index) => poison(index + 1));
    for (const [index, reason] of reasons.entries()) await store.letters.keep(letters[index]!, reason);
    const kept = (await store.letters.find({ limit: 10 })).map(({ reason }) => reason);
    expect(kept.slice(0, 3)).toEqual([
      'value too long for type character varying(20)',
      'a\\u000d\\u000ab\\u0000\\u001b[31m\\u202e\\u00e9\\ud83e\\uddfe',
      '',
    ]);
    for (const reason of kept) expect(reason).toMatch(/^[ -~]{0,1024}$/);
  });

  it('keeps tenants apart, whatever they are called', async () => {
    await store.letters.keep(poison(1, { tenantId: 'Zażółć' }), 'refused');
    const [row]: { tenant_id: string }[] = await store.connection.query(
      'SELECT tenant_id FROM audit_dead_letters',
    );
    const tenants = [
      'Zażółć',
      'acme',
      'ACME',
      'acme ',
      'x'.repeat(128),
      `${'x'.repeat(127)}é`,
      // What stands in the table for somebody else.
      row!.tenant_id,
    ];
    for (const tenantId of tenants.slice(1)) await store.letters.keep(poison(1, { tenantId }), 'refused');
    const audit = await startApp();
    for (const tenantId of tenants) {
      const letters = await audit.deadLetters({ tenantId });
      expect(letters.map(({ event }) => event.tenantId)).toEqual([tenantId]);
    }
    expect(await audit.deadLetters({ tenantId: 'nobody' })).toEqual([]);
    expect(await audit.deadLetters({ allTenants: true })).toHaveLength(tenants.length);
  });

  it('keeps a tenant that no longer fits its column', async () => {
    await narrowColumn(store.connection, name, 'audit_dead_letters', 'tenant_id', 40);
    const tenants = ['t', 'x'.repeat(41), `${'x'.repeat(40)}y`];
    for (const tenantId of tenants) {
      const letter = poison(1, { tenantId });
      await store.letters.keep(letter, 'refused');
      await store.letters.keep(letter, 'refused');
    }
    for (const tenantId of tenants) {
      const letters = await store.letters.find({ tenantId, limit: 10 });
      expect(letters.map(({ event }) => event.tenantId)).toEqual([tenantId]);
    }
  });

  it('stores the events once the database takes them, and forgets none', async () => {
    await narrowActions(store.connection, name);
    const letters = [
      poison(2, { details: LARGE_DETAILS, tenantId: 'Zażółć' }),
      poison(4),
      numbered(SOURCE, 5, { action: 'short' }),
      poison(7),
    ];
    for (const letter of letters.filter(({ action }) => action === POISON)) {
      const failure: unknown = await store.events.append([letter]).catch((error: unknown) => error);
      expect(classifyStoreError(failure)).toBe('refused');
    }
    for (const letter of letters) await store.letters.keep(letter, 'refused');
    const audit = await startApp();
    // One fits already; the others stay.
    expect(await audit.replayDeadLetters({ allTenants: true })).toEqual({ replayed: 1, refused: 3 });
    expect(idsOf(await audit.deadLetters({ allTenants: true }))).toEqual(
      [letters[0], letters[1], letters[3]].map((letter) => letter!.id),
    );
    await widenActions(store.connection, name);
    expect(await audit.replayDeadLetters({ tenantId: 'acme' })).toEqual({ replayed: 2, refused: 0 });
    expect(idsOf(await audit.deadLetters({ allTenants: true }))).toEqual([letters[0]!.id]);
    expect(await audit.replayDeadLetters({ allTenants: true })).toEqual({ replayed: 1, refused: 0 });
    expect(await audit.replayDeadLetters({ allTenants: true })).toEqual({ replayed: 0, refused: 0 });
    for (const letter of letters)
      expect(await audit.findById(letter.id, { allTenants: true })).toEqual(letter);
    // Nothing was deleted, so kept once more it is still known to be stored.
    await store.letters.keep(letters[0]!, 'again');
    expect(await audit.deadLetters({ allTenants: true })).toEqual([]);
    expect(await store.connection.query('SELECT id FROM audit_dead_letters')).toHaveLength(4);
    expect((await audit.sources()).find(({ source }) => source === SOURCE)).toMatchObject({
      events: 4,
      gaps: [
        { from: 1, to: 1 },
        { from: 3, to: 3 },
        { from: 6, to: 6 },
      ],
    });
  });

  it('answers pages, and replays all of them', async () => {
    const letters = Array.from({ length: 45 }, (_, index) =>
      poison(index + 1, { tenantId: index % 3 === 0 ? 'globex' : 'acme', action: 'thing.create' }),
    );
    for (const letter of letters) await store.letters.keep(letter, 'refused');
    const audit = await startApp();
    const acme = letters.filter(({ tenantId }) => tenantId === 'acme').map(({ id }) => id);
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const page = await audit.deadLetters({ tenantId: 'acme', limit: 7, ...(after && { after }) });
      seen.push(...idsOf(page));
      after = page.at(-1)?.event.id;
    } while (after !== undefined);
    expect(seen).toEqual(acme);
    expect(await audit.replayDeadLetters({ tenantId: 'acme' })).toEqual({ replayed: 30, refused: 0 });
    expect((await audit.find({ tenantId: 'acme', action: 'thing.create' })).events).toHaveLength(30);
    expect(await audit.deadLetters({ tenantId: 'acme' })).toEqual([]);
    expect(await audit.deadLetters({ allTenants: true })).toHaveLength(15);
  });

  it('stores each event once, however many replay at the same time', async () => {
    const letters = Array.from({ length: 10 }, (_, index) => poison(index + 1));
    for (const letter of letters) await store.letters.keep(letter, 'refused');
    const waiting = await store.letters.find({ limit: 100 });
    const other = await openStore(database.options);
    const answers = await Promise.all([
      store.letters.replay(waiting),
      other.letters.replay(waiting),
      store.letters.replay(waiting),
    ]);
    await other.close();
    for (const counts of answers) expect(counts).toEqual({ replayed: 10, refused: 0 });
    expect(await store.connection.query('SELECT id FROM audit_events')).toHaveLength(10);
  });

  it('refuses wrong questions by the name of the field', async () => {
    const audit = await startApp();
    const wrong: [field: string, ask: () => Promise<unknown>][] = [
      ['tenantId', () => audit.deadLetters({} as never)],
      ['tenantId', () => audit.deadLetters(undefined as never)],
      ['tenantId', () => audit.replayDeadLetters(undefined as never)],
      ['allTenants', () => audit.replayDeadLetters({ tenantId: 'acme', allTenants: true } as never)],
      ['limit', () => audit.deadLetters({ tenantId: 'acme', limit: 0 })],
      ['limit', () => audit.deadLetters({ tenantId: 'acme', limit: 1_001 })],
      ['limit', () => audit.deadLetters({ tenantId: 'acme', limit: 1.5 })],
      ['limit', () => audit.replayDeadLetters({ tenantId: 'acme', limit: 5 } as never)],
      ['after', () => audit.deadLetters({ tenantId: 'acme', after: 'x' })],
      ['after', () => audit.deadLetters({ tenantId: 'acme', after: '' })],
      ['userId', () => audit.deadLetters({ tenantId: 'acme', userId: 'ann' } as never)],
    ];
    for (const [field, ask] of wrong) {
      const failure = (await ask().catch((error: unknown) => error)) as AuditError;
      expect([failure.code, failure.field]).toEqual(['AUDIT_INVALID_QUERY', field]);
    }
  });

  it('says so when the database is away, and loses nothing by it', async () => {
    const store2 = await removable(database, true);
    const away = await openStore(store2.options);
    const letters = [poison(1), poison(2)];
    await away.letters.keep(letters[0]!, 'refused');
    await away.events.ping();
    const waiting = await away.letters.find({ limit: 10 });
    await store2.remove();
    const failure: unknown = await away.letters.keep(letters[1]!, 'refused').catch((error: unknown) => error);
    // The driver is of another realm than the test.
    expect(failure).toMatchObject({ message: expect.any(String) });
    expect(classifyStoreError(failure)).toBe('away');
    const unavailable = { code: 'AUDIT_STORE_UNAVAILABLE' };
    await expect(away.letters.replay(waiting)).rejects.toMatchObject(unavailable);
    // Who holds the lock of a SQLite file does not keep others from reading.
    if (name !== 'sqlite') {
      await expect(away.events.ping()).rejects.toMatchObject(unavailable);
      await expect(away.letters.find({ limit: 1 })).rejects.toMatchObject(unavailable);
      await expect(away.sources.summaries()).rejects.toMatchObject(unavailable);
    }
    await store2.restore();
    await away.letters.keep(letters[1]!, 'refused');
    expect(await away.letters.replay(await away.letters.find({ limit: 10 }))).toEqual({
      replayed: 2,
      refused: 0,
    });
    await away.close();
    await store2.release();
    await expect(away.events.ping()).rejects.toMatchObject(unavailable);
  });
});
