// Rows in audit_events that no process of this library has written, and that can't be read as events: whoever may INSERT
// makes them. They end no read, no verification, no sealing and no erasure, and a person sees that they are there.
import 'reflect-metadata';
import fc from 'fast-check';
import { randomBytes } from 'node:crypto';
import { DataSource } from 'typeorm';
import type { AuditLogEvent, AuditPage } from 'nest-audit-trail';
import { AuditRetention, retention } from 'nest-audit-trail/retention';
import { DataProtection, protection } from 'nest-audit-trail/protection';
import { run } from '../../../src/cli/program.js';
import { createEventId } from '../../../src/event/event-id.js';
import { generateKeys } from '../../../src/ledger/index.js';
import { numbered } from '../../support/audit-store.js';
import { anyCharacter } from '../../support/any-character.js';
import { dropChecks, dropTriggers, logged, startLedgerApp } from '../../support/ledger-app.js';
import type { LedgerApp } from '../../support/ledger-app.js';
import { describeEachDatabase, withoutThread } from '../../support/harness/databases.js';
import type { TestDatabase } from '../../support/harness/databases.js';
import { as, insertRow, insertRows, rowOf, urlOf, wrongOf } from '../../support/event-rows.js';
import type { RawRow } from '../../support/event-rows.js';
import { grantUsers } from '../../support/granted-users.js';
import type { GrantedUsers } from '../../support/granted-users.js';
import { ask } from '../../support/stored-rows.js';

const keys = generateKeys('audit.example');
const masterKey = randomBytes(32).toString('base64');

/** What the constraints of the tables refuse by themselves. */
const REFUSED: readonly RawRow[] = [
  { details: '{' },
  { details: '' },
  { details: '{"a":1}{' },
  { details: 'null' },
  { details: '[]' },
  { details: '"text"' },
  { metadata: '{"source":' },
  { metadata: 'null' },
  { compliance_flags: '[' },
  { compliance_flags: '{}' },
  { risk_score: -1 },
  { risk_score: 101 },
  { timestamp: -1 },
  { timestamp: '9223372036854775807' },
];

/** What is a row for the database, and no event. */
const TAKEN: readonly RawRow[] = [
  { details: '{"a":{"b":1}}' },
  { details: '{"a":null}' },
  { details: '{"a":[1,"b"]}' },
  { details: '{"__proto__":{"polluted":true}}' },
  { details: `{"a":${'['.repeat(20)}${']'.repeat(20)}}` },
  { metadata: '{"protected":["v1"],"protectedFields":{"0":"userId"}}' },
  { metadata: '{"source":null,"sequence":null}' },
  { compliance_flags: '[1]' },
  { compliance_flags: '[["sox"]]' },
  { severity: 5 },
  { severity: 255 },
  { category: 8 },
  { outcome: 4 },
  { outcome: 0 },
];

/** The same, but MySQL's constraints refuse it. */
const TAKEN_BY_SOME: readonly RawRow[] = [{ details: '{"a":1e999}' }];

describeEachDatabase('rows that are no events', (create, name) => {
  withoutThread('what is protected is encrypted by the main thread');
  let database: TestDatabase;
  let owner: DataSource;
  let attacker: DataSource;
  let users: GrantedUsers;
  let app: LedgerApp;
  const retained = () => app.get(AuditRetention);
  let honest: AuditLogEvent[];

  async function open(): Promise<void> {
    logged.length = 0;
    database = await create();
    // The tables are somebody else's, as docs/operate/hardening.md has it.
    owner = await new DataSource(database.options).initialize();
    users = await grantUsers(database, owner);
    attacker = await new DataSource(users.application).initialize();
  }

  async function openAndStart(): Promise<void> {
    await open();
    app = await startLedgerApp(as(database, users.application), {
      migrate: false,
      ledger: {
        signingKey: keys.signerKey,
        gapTimeoutMs: 0,
        // A SQLite file has no users.
        ...(name !== 'sqlite' && { database: users.sealer }),
      },
      features: [
        protection({ fields: ['details.email'], masterKey }),
        retention({ rules: [{ keepDays: 1 }], database: users.maintenance }),
      ],
    });
    honest = [];
    for (const tenantId of ['acme', 'globex', 'acme']) await record(tenantId);
    await app.audit.checkpoint();
  }

  async function close(): Promise<void> {
    await attacker.destroy();
    await users.drop();
    await owner.destroy();
    await database.drop();
  }

  async function stopAndClose(): Promise<void> {
    await app.close();
    await close();
  }

  async function record(tenantId: string): Promise<AuditLogEvent> {
    const event = await app.audit.record({
      action: 'thing.create',
      resourceId: '7',
      tenantId,
      userId: 'ann',
      details: { email: 'ann@example.test' },
    });
    await app.audit.flush();
    honest.push(event);
    return event;
  }

  let made = 0;
  /** As an attacker would make it look: without a number, as one of an application's transaction. */
  function forged(change: RawRow): RawRow {
    const { metadata: _, ...event } = numbered('a', 1, {
      resourceId: '7',
      userId: 'ann',
      timestamp: Date.now() + ++made,
    });
    return rowOf({ ...event, metadata: { note: 'forged' } }, change);
  }

  /** Inserts all of them, those that the constraints refuse by somebody who has dropped these. */
  async function insertAll(): Promise<RawRow[]> {
    const rows = [...TAKEN, ...TAKEN_BY_SOME, ...REFUSED].map(forged);
    for (const row of rows.slice(0, TAKEN.length)) await insertRow(attacker, 'audit_events', row);
    await dropChecks(owner, { name });
    for (const row of rows.slice(TAKEN.length)) await insertRow(owner, 'audit_events', row);
    return rows;
  }

  const idsOf = (events: readonly AuditLogEvent[]) => events.map(({ id }) => id).sort();

  async function collected(stream: AsyncIterable<AuditLogEvent>): Promise<AuditLogEvent[]> {
    const events: AuditLogEvent[] = [];
    for await (const event of stream) events.push(event);
    return events;
  }

  async function pagesOf(ask: (cursor?: string) => Promise<AuditPage>): Promise<AuditLogEvent[]> {
    const events: AuditLogEvent[] = [];
    for (let page = await ask(); ; page = await ask(page.nextCursor)) {
      events.push(...page.events);
      if (page.nextCursor === undefined) return events;
      expect(events.length).toBeLessThan(1_000);
    }
  }

  describe('in tables of which nobody reads', () => {
    beforeEach(open);
    afterEach(close);

    it('are refused by the tables where they are no JSON of an event or out of range', async () => {
      for (const change of REFUSED) {
        const failure: unknown = await insertRow(attacker, 'audit_events', forged(change)).catch(
          (error: unknown) => error,
        );
        expect([change, failure]).toEqual([change, expect.objectContaining({ message: expect.any(String) })]);
      }
      // So it was not for something else.
      await insertRow(attacker, 'audit_events', forged({}));
    });
  });

  describe('in a log that each test leaves as it was, but for what it sealed', () => {
    beforeAll(async () => {
      await openAndStart();
      await dropTriggers(owner, database);
    });
    afterEach(async () => {
      await app.audit.checkpoint();
      await owner.query('DELETE FROM audit_events WHERE id NOT IN (SELECT event_id FROM audit_leaves)');
    });
    afterAll(stopAndClose);

    it('are none that the library writes, whatever it is given', async () => {
      const text = fc.oneof(
        fc.string({ unit: anyCharacter, maxLength: 80 }),
        fc.string({ unit: 'grapheme', maxLength: 80 }),
      );
      const odd = fc.constantFrom(
        '\u0000',
        '\ud800',
        '\u2028"\\',
        '\\u0000',
        '{',
        ']',
        '__proto__',
        'unreadable',
        'x'.repeat(9_000),
      );
      const leaf = fc.oneof(
        text,
        odd,
        fc.double(),
        fc.integer(),
        fc.maxSafeInteger(),
        fc.boolean(),
        fc.bigInt(),
        fc.date(),
      );
      const facts = fc.dictionary(
        fc.oneof(text, odd),
        fc.oneof(leaf, fc.array(leaf, { maxLength: 5 }), fc.object({ maxDepth: 5, withNullPrototype: true })),
      );
      const some = fc.sample(fc.record({ details: facts, metadata: facts }), { seed: 17, numRuns: 150 });
      some.push({
        details: Object.fromEntries(
          Array.from({ length: 300 }, (_, key) => [`k${key}é🧾`, '\u0001🧾'.repeat(400)]),
        ),
        metadata: {},
      });
      const before = app.audit.status().unreadable;
      const recorded: AuditLogEvent[] = [];
      for (const given of some) {
        recorded.push(
          await app.audit.record({
            action: 'thing.check',
            tenantId: 'umbrella',
            ...given,
            complianceFlags: ['ö"\\'],
          }),
        );
      }
      await app.audit.flush();
      expect(app.audit.status()).toMatchObject({ dead: 0, pending: 0 });
      const stored = await collected(app.audit.stream({ tenantId: 'umbrella', order: 'oldest' }));
      expect(stored).toEqual(recorded);
      expect(app.audit.status().unreadable).toBe(before);
      await app.audit.checkpoint();
      expect(await app.audit.verify()).toMatchObject({ ok: true, pending: 0 });
    });

    it('are shown to their tenant as what they are, and nobody else sees anything of them', async () => {
      const rows = await insertAll();
      const mine = [
        ...idsOf(honest.filter(({ tenantId }) => tenantId === 'acme')),
        ...rows.map(({ id }) => String(id)),
      ].sort();
      const { audit } = app;
      for (const order of ['newest', 'oldest'] as const) {
        const found = await pagesOf((cursor) =>
          audit.find({ tenantId: 'acme', order, limit: 3, ...(cursor !== undefined && { cursor }) }),
        );
        expect(idsOf(found)).toEqual(mine);
        expect(idsOf(await collected(audit.stream({ tenantId: 'acme', order })))).toEqual(mine);
      }
      const history = { tenantId: 'acme', resource: 'thing', resourceId: '7' };
      expect(idsOf((await audit.history(history)).events)).toEqual(mine);
      const person = { tenantId: 'acme', subjectId: 'ann' };
      const exported = await collected(app.get(DataProtection).exportSubject(person));
      // Its protected values are the person's; the forged ones' user is.
      expect(idsOf(exported)).toEqual(mine);
      const { events } = await audit.find({ tenantId: 'acme', reveal: true });
      for (const event of [...events, ...exported])
        expect([event.id, wrongOf(event)]).toEqual([event.id, []]);
      for (const event of events) {
        const isForged = rows.some(({ id }) => id === event.id);
        expect([event, event.metadata['unreadable'] !== undefined]).toEqual([event, isForged]);
      }
      // What can be read of them is shown.
      for (const row of rows) {
        const event = events.find(({ id }) => id === row['id'])!;
        expect(event).toMatchObject({
          tenantId: 'acme',
          action: 'thing.create',
          userId: 'ann',
          resourceId: '7',
        });
        for (const part of event.metadata['unreadable'] as string[]) expect(part).toMatch(/^[a-zA-Z]+$/);
        if (row['metadata'] === '{"note":"forged"}') expect(event.metadata['note']).toBe('forged');
      }
      expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
      const byId = await audit.findById(String(rows[0]!['id']), { tenantId: 'acme' });
      expect(byId).toMatchObject({ details: { 'a.b': 1 }, metadata: { unreadable: ['details'] } });

      const statistics = await audit.statistics({ tenantId: 'acme' });
      expect(statistics.total).toBe(mine.length);
      expect(Object.keys(statistics.byCategory)).toEqual(['data_modification']);
      expect(Object.keys(statistics.bySeverity)).toEqual(['low']);
      expect(Object.keys(statistics.byOutcome)).toEqual(['success']);

      const others = idsOf(honest.filter(({ tenantId }) => tenantId === 'globex'));
      const globex = (await audit.find({ tenantId: 'globex' })).events;
      expect([idsOf(globex), globex[0]!.metadata['unreadable']]).toEqual([others, undefined]);
      expect(await audit.statistics({ tenantId: 'globex' })).toMatchObject({ total: 1 });
      expect(
        idsOf(
          await collected(app.get(DataProtection).exportSubject({ tenantId: 'globex', subjectId: 'ann' })),
        ),
      ).toEqual(others);
    });

    it('are not sealed and hold up nothing; verify() and the command line name each until it is deleted', async () => {
      const { audit } = app;
      const { treeSize } = await audit.checkpoint();
      const rows = await insertAll();
      const late = await record('acme');
      await audit.checkpoint();
      expect(await audit.prove(late.id, { tenantId: 'acme' })).toMatchObject({ leafIndex: treeSize });
      const names = rows.map(({ id }) => String(id)).sort();
      const result = await audit.verify({ maxProblems: 1_000 });
      expect(result.problems.map(({ code }) => code)).toEqual(names.map(() => 'event_inserted'));
      expect(result.problems.map(({ eventId }) => eventId!).sort()).toEqual(names);
      expect(result).toMatchObject({
        ok: false,
        treeSize: treeSize + 1,
        events: treeSize + 1,
        pending: 0,
      });
      await expect(audit.prove(names[0]!, { tenantId: 'acme' })).rejects.toMatchObject({
        code: expect.stringMatching(/^AUDIT_/),
      });

      let out = '';
      const output = {
        stdout: { write: (text: string) => (out += text) },
        stderr: { write: () => undefined },
      };
      const url = urlOf({ options: users.application });
      const code = await run(
        ['verify', '--database-url', url, '--key', keys.verifierKey, '--max-problems', '1000'],
        output,
      );
      expect(code).toBe(1);
      for (const id of names) expect(out).toContain(id);
      expect(await run(['prove', late.id, '--database-url', url], output)).toBe(0);

      for (const id of names) await ask(owner, `DELETE FROM audit_events WHERE id = '${id}'`);
      expect(await audit.verify()).toMatchObject({ ok: true, problems: [], pending: 0 });
    });

    it('are those in other words too, and those whose id is of another time', async () => {
      const others: readonly RawRow[] = [
        { details: '{"a":1,"a":2}' },
        { details: '{ "a": 1 }' },
        { details: '{"b":1,"a":2}' },
        { details: '{"a":1.0}' },
        { details: '{"a":1e2}' },
        { details: '{"a":"\\u0041"}' },
        { metadata: '{"note":"forged" }' },
        { compliance_flags: '["sox", "gdpr"]' },
        { timestamp: Date.now() - 86_400_000 },
        // Any 16 bytes are an id, and are read as one.
        { id: '00000000-0000-0000-0000-000000000000' },
        { id: 'ffffffff-ffff-ffff-ffff-ffffffffffff' },
      ];
      const { treeSize } = await app.audit.checkpoint();
      const rows = others.map(forged);
      for (const row of rows) await insertRow(attacker, 'audit_events', row);
      expect(await app.audit.checkpoint()).toMatchObject({ treeSize });
      const { problems, pending } = await app.audit.verify();
      expect(pending).toBe(0);
      const inOrder = rows.map(({ id }) => String(id)).sort();
      expect(problems.map(({ code, eventId }) => ({ code, eventId }))).toEqual(
        inOrder.map((eventId) => ({ code: 'event_inserted', eventId })),
      );
      for (const id of inOrder)
        expect(await app.audit.findById(id, { tenantId: 'acme' })).toMatchObject({ id });
      await expect(app.audit.prove(String(rows[0]!['id']))).rejects.toMatchObject({
        code: 'AUDIT_NOT_SEALED',
      });
      // As the library words it, whatever it says.
      const [row] = [forged({ tenant_id: 'initech', details: '{"a":100,"b":"\\u0007é\u2028"}' })];
      await insertRow(attacker, 'audit_events', row);
      expect(await app.audit.checkpoint()).toMatchObject({ treeSize: treeSize + 1 });
      expect(await app.audit.prove(String(row['id']))).toBeDefined();
    });

    it('take no number of a process, however many they are', async () => {
      const source = createEventId(Date.now());
      const events = [1, 2, 3].map((sequence) => numbered(source, sequence, { tenantId: 'initech' }));
      // More than the sealer reads at a time, each before the honest one.
      const junk = Array.from({ length: 1_100 }, (_, index) => {
        const id = `00000000-0000-7000-8000-${String(index).padStart(12, '0')}`;
        const half = numbered(source, 2, { id, tenantId: 'initech' });
        return rowOf(half, index % 2 ? { outcome: 0 } : { metadata: '{}' });
      });
      await insertRows(attacker, 'audit_events', junk);
      for (const event of events) await insertRow(attacker, 'audit_events', rowOf(event));
      await app.audit.checkpoint();
      const { problems } = await app.audit.verify({ maxProblems: 2_000 });
      expect(problems.filter(({ eventId }) => events.some(({ id }) => id === eventId))).toEqual([]);
      expect(problems).toHaveLength(1_100);
      for (const { id } of events) expect(await app.audit.prove(id)).toBeDefined();
    });

    it('starve no event without a number, however many they are', async () => {
      const now = Date.now();
      const junk = Array.from({ length: 1_100 }, () => ({
        ...forged({ severity: 0 }),
        id: createEventId(now - 60_000),
      }));
      await insertRows(attacker, 'audit_events', junk);
      await retained().placeHold({ tenantId: 'hooli', reason: 'case 7', placedBy: 'counsel' });
      const [hold] = (await app.audit.find({ tenantId: 'hooli', action: 'audit.hold' })).events;
      await app.audit.checkpoint();
      expect(await app.audit.prove(hold!.id)).toBeDefined();
    });

    it('are named where a sealed event was made one, by who may change the tables', async () => {
      const [first] = honest;
      await dropChecks(owner, { name });
      const [row] = await ask(owner, `SELECT details FROM audit_events WHERE id = '${first!.id}'`);
      for (const details of ['{', 'null', '{"a":{}}']) {
        await ask(owner, `UPDATE audit_events SET details = '${details}' WHERE id = '${first!.id}'`);
        const { problems } = await app.audit.verify();
        expect(problems).toMatchObject([{ code: 'event_changed', eventId: first!.id, leafIndex: 0 }]);
        await expect(app.audit.prove(first!.id)).rejects.toMatchObject({ code: 'AUDIT_LEDGER_BROKEN' });
        expect(await app.audit.findById(first!.id, { tenantId: 'acme' })).toMatchObject({
          metadata: { unreadable: ['details'] },
        });
      }
      // As it was.
      await ask(
        owner,
        `UPDATE audit_events SET details = '${String(row!['details'])}' WHERE id = '${first!.id}'`,
      );
      expect(await app.audit.verify()).toMatchObject({ ok: true });
    });
  });

  describe('in a log of their own', () => {
    beforeEach(openAndStart);
    afterEach(stopAndClose);

    it('are counted and logged where a person looks, without a word of what they hold', async () => {
      expect(app.audit.status().unreadable).toBe(0);
      await app.audit.find({ tenantId: 'acme' });
      expect(app.audit.status().unreadable).toBe(0);
      const row = forged({ details: '{"a":{"planted\\u001b[31m":"text"}}', severity: 77 });
      await insertRow(attacker, 'audit_events', row);
      await app.audit.find({ tenantId: 'globex' });
      expect(app.audit.status().unreadable).toBe(0);
      await app.audit.find({ tenantId: 'acme' });
      expect(app.audit.status().unreadable).toBe(1);
      expect(logged.filter((line) => line.includes(String(row['id'])))).toHaveLength(1);
      expect(logged.join('\n')).not.toContain('planted');
    });

    it('stop neither retention nor an erasure', async () => {
      const old = await app.audit.record({
        action: 'thing.create',
        tenantId: 'globex',
        timestamp: Date.now() - 3 * 86_400_000,
      });
      await app.audit.flush();
      await app.audit.checkpoint();
      await insertAll();
      for (const action of ['audit.gap', 'audit.erase', 'audit.release-hold']) {
        await insertRow(attacker, 'audit_events', forged({ action, details: '{"holdId":{}}' }));
        await insertRow(owner, 'audit_events', forged({ action, details: '{' }));
      }
      const { audit } = app;
      expect(await retained().removeExpired({ dryRun: true })).toMatchObject({ removed: 1 });
      expect(await retained().removeExpired()).toMatchObject({ removed: 1 });
      expect(await audit.findById(old.id, { allTenants: true })).toBeUndefined();
      expect(await app.get(DataProtection).forget({ tenantId: 'acme', subjectId: 'ann' })).toMatchObject({
        keys: 1,
      });
      await audit.checkpoint();
      expect((await audit.verify()).removed).toBe(1);
    });
  });
});
