// Protected values are in clear in no table and in no file of the journal; those who may, read them; and once a person is forgotten
// nobody does, whatever they kept, while the log still verifies.
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DataSource } from 'typeorm';
import { vi } from 'vitest';
import { AuditError } from 'nest-audit-trail';
import type { AuditEventInput, AuditLogEvent, AuditModuleOptions } from 'nest-audit-trail';
import { detection } from 'nest-audit-trail/detection';
import { DataProtection, protection } from 'nest-audit-trail/protection';
import type { ProtectionOptions } from 'nest-audit-trail/protection';
import { AuditRetention, retention } from 'nest-audit-trail/retention';
import { SubjectKeyRepository } from '../../src/features/protection/subject-key.repository.js';
import { generateKeys } from '../../src/ledger/keys.js';
import { AuditDatabase } from '../../src/store/audit-database.js';
import { crash } from '../support/crashed-journal.js';
import { eventually } from '../support/eventually.js';
import { AS_A_TOOL, RawTables, logged, startLedgerApp } from '../support/ledger-app.js';
import type { LedgerApp } from '../support/ledger-app.js';
import { narrowActions, POISON, widenActions } from '../support/narrow-column.js';
import { send } from '../support/http-client.js';
import { removable } from '../support/removable-database.js';
import type { RemovableDatabase } from '../support/removable-database.js';
import { startThings } from '../support/things-app.js';
import { describeEachDatabase, describeOnSqlite } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';
import { ask, withIds } from '../support/stored-rows.js';

const ALL = { allTenants: true } as const;
const aKey = () => randomBytes(32).toString('base64');
const { signerKey } = generateKeys('audit.test');

/** What is planted is told from everything else. */
const EMAIL = 'ann.protected@example.test';
const ADDRESS = '203.0.113.77';
const AGENT = 'PlantedBrowser/9.9';
/** Long, so that what base64 makes of it is in no key and no ciphertext by chance. */
const AMOUNT = 481_726_390_514;

const ANN: AuditEventInput = {
  action: 'invoice.approve',
  tenantId: 'acme',
  userId: 'ann',
  ipAddress: ADDRESS,
  userAgent: AGENT,
  details: { customer: { email: EMAIL, amount: AMOUNT, vip: true }, tags: ['plain'], list: [EMAIL, 'two'] },
};
const FIELDS = ['ipAddress', 'userAgent', 'details.customer', 'details.list'];

describeEachDatabase('protection', (create, name) => {
  let database: TestDatabase;
  let store: RemovableDatabase | undefined;
  let app: LedgerApp | undefined;
  let masterKey: string;

  async function open(): Promise<void> {
    database = await create();
    masterKey = aKey();
    logged.length = 0;
  }

  async function close(): Promise<void> {
    await app?.close();
    app = undefined;
    await store?.release();
    store = undefined;
    await database.drop();
  }

  /** @param own the options of its protection */
  async function start(
    own: Partial<ProtectionOptions> | 'without' = {},
    { features = [], ...more }: Omit<AuditModuleOptions, 'database'> = {},
  ): Promise<LedgerApp> {
    const added =
      own === 'without' ? [] : [protection({ fields: FIELDS, ...(!own.kms && { masterKey }), ...own })];
    app = await startLedgerApp(database, {
      features: [...added, ...features],
      ledger: { signingKey: signerKey },
      ...more,
    });
    return app;
  }

  const persons = (of = app!) => of.get(DataProtection);

  async function stop(): Promise<void> {
    await app?.close();
    app = undefined;
  }

  async function journalText(directory = database.journal): Promise<string> {
    const files = await readdir(directory);
    return (await Promise.all(files.map((file) => readFile(join(directory, file), 'latin1')))).join('\n');
  }

  async function withTables<T>(work: (connection: DataSource) => Promise<T>): Promise<T> {
    const connection = await new DataSource(database.options).initialize();
    try {
      return await work(connection);
    } finally {
      await connection.destroy();
    }
  }

  const TABLES = [
    'audit_events',
    'audit_dead_letters',
    'audit_sources',
    'audit_settings',
    'audit_keys',
    'audit_leaves',
  ];
  const rowsOf = (table: string) => withTables((connection) => ask(connection, `SELECT * FROM ${table}`));

  /** Everything that a thief of the disk or of the database would have, and the log. */
  async function allThatIsKept(): Promise<string> {
    const rows = await Promise.all(TABLES.map(rowsOf));
    const file = name === 'sqlite' ? await readFile(String(database.options.database), 'latin1') : '';
    return [await journalText().catch(() => ''), JSON.stringify(rows), file, ...logged].join('\n');
  }

  function expectNothingIn(text: string): void {
    for (const planted of [EMAIL, ADDRESS, AGENT, String(AMOUNT)]) {
      expect(text).not.toContain(planted);
      for (const offset of [0, 1, 2]) {
        // As base64 has it, wherever it begins.
        const encoded = Buffer.from('\0'.repeat(offset) + planted)
          .toString('base64')
          .slice(offset === 0 ? 0 : 4, -4);
        expect(text).not.toContain(encoded);
        expect(text).not.toContain(encoded.replaceAll('+', '-').replaceAll('/', '_'));
      }
      expect(text).not.toContain(Buffer.from(planted).toString('hex'));
    }
  }

  async function reveal(id: string): Promise<AuditLogEvent> {
    const event = await app!.audit.findById(id, { ...ALL, reveal: true });
    return event!;
  }

  const HIDDEN = (placeholder: string) => ({
    userId: 'ann',
    ipAddress: placeholder,
    userAgent: placeholder,
    details: {
      'customer.email': placeholder,
      'customer.amount': placeholder,
      'customer.vip': placeholder,
      tags: ['plain'],
      list: placeholder,
    },
  });
  const CLEAR = {
    userId: 'ann',
    ipAddress: ADDRESS,
    userAgent: AGENT,
    details: {
      'customer.email': EMAIL,
      'customer.amount': AMOUNT,
      'customer.vip': true,
      tags: ['plain'],
      list: [EMAIL, 'two'],
    },
  };

  describe('in one application', () => {
    beforeAll(async () => {
      await open();
      await start();
    });
    afterAll(close);

    it('forgets a person: their values are gone for ever, from journal and dead letters too, and the log verifies', async () => {
      const { audit } = app!;
      const { id } = await audit.record(ANN);
      const bob = await audit.record({ ...ANN, userId: 'bob' });
      const elsewhere = await audit.record({ ...ANN, tenantId: 'other' });
      await audit.flush();
      const connection = await new DataSource(database.options).initialize();
      await narrowActions(connection, name);
      const poison = await audit.record({ ...ANN, action: POISON });
      await audit.flush();
      await widenActions(connection, name);
      await connection.destroy();
      expect(await audit.deadLetters({ ...ALL, reveal: true })).toMatchObject([
        { event: { ...CLEAR, id: poison.id } },
      ]);
      await audit.checkpoint();
      const own = [id, bob.id, elsewhere.id, poison.id];
      const lines = (await journalText()).split('\n');
      const journal = lines.filter((line) => own.some((one) => line.includes(one))).join('\n');
      const before = await rowsOf('audit_events');

      const erasure = await persons().forget({ tenantId: 'acme', subjectId: 'ann' });
      expect(erasure).toMatchObject({ keys: 1, journalCleared: true });
      for (const show of [true, false]) {
        expect(await audit.findById(id, { ...ALL, reveal: show })).toMatchObject(HIDDEN('[erased]'));
        expect(await audit.deadLetters({ ...ALL, reveal: show })).toMatchObject([
          { event: HIDDEN('[erased]') },
        ]);
      }
      expect(await reveal(bob.id)).toMatchObject({ ...CLEAR, userId: 'bob' });
      expect(await reveal(elsewhere.id)).toMatchObject(CLEAR);
      // It is an event, and names the person by no more than a digest.
      const { events } = await audit.find({ tenantId: 'acme', action: 'audit.erase' });
      expect(events).toMatchObject([
        {
          id: erasure.eventId,
          category: 'compliance',
          outcome: 'success',
          details: { subject: erasure.subject, keys: 1 },
        },
      ]);
      expect(JSON.stringify(events)).not.toContain('"ann"');
      // Nothing that could open them is left: neither the key in the table, nor that of what the journal has.
      const keys = await rowsOf('audit_keys');
      const destroyed = keys.filter(({ subject }) => subject === erasure.subject);
      expect(destroyed).toMatchObject([{ wrapped: '' }]);
      const carried = [...journal.matchAll(/"t1\.([0-9a-f-]{36})\./g)].map(([, key]) => key);
      expect(carried.length).toBeGreaterThan(2);
      const files = await readdir(database.journal);
      for (const key of carried) expect(files).not.toContain(`transit-${key}.key`);
      // The events are as they were.
      const after = await rowsOf('audit_events');
      expect(after.filter((row) => before.some((old) => old['id'] === row['id']))).toHaveLength(
        before.length,
      );
      for (const old of before) expect(after).toContainEqual(old);
      await audit.checkpoint();
      expect(await audit.verify()).toMatchObject({ ok: true, problems: [] });
      // What comes later has another key.
      const later = await audit.record(ANN);
      await audit.flush();
      expect(await reveal(later.id)).toMatchObject(CLEAR);
      expect(await reveal(id)).toMatchObject(HIDDEN('[erased]'));
      // Again, and of somebody who was never seen.
      expect(await persons().forget({ tenantId: 'acme', subjectId: 'ann' })).toMatchObject({ keys: 1 });
      expect(await reveal(later.id)).toMatchObject(HIDDEN('[erased]'));
      expect(await persons().forget({ tenantId: 'acme', subjectId: 'nobody' })).toMatchObject({ keys: 0 });
      await expect(persons().forget({ tenantId: 'acme', subjectId: '' })).rejects.toMatchObject({
        code: 'AUDIT_INVALID_QUERY',
        field: 'subjectId',
      });
      await expect(persons().forget(undefined as never)).rejects.toMatchObject({ field: 'tenantId' });
    });

    it('forgets a person while they are written of', async () => {
      const { audit } = app!;
      const ann = { ...ANN, tenantId: 'globex' };
      const recorded: { id: string; before: boolean }[] = [];
      let forgotten = false;
      let stopped = false;
      const write = async () => {
        while (!stopped) {
          const before = !forgotten;
          const { id } = await audit.record(ann);
          recorded.push({ id, before });
          if (recorded.length % 7 === 0) await audit.flush();
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      const writers = [write(), write(), write()];
      await eventually(() => expect(recorded.length).toBeGreaterThan(50));
      const asked = recorded.length;
      const erasure = await persons().forget({ tenantId: 'globex', subjectId: 'ann' });
      forgotten = true;
      const done = recorded.length;
      await eventually(() => expect(recorded.length).toBeGreaterThan(done + 50));
      stopped = true;
      await Promise.all(writers);
      await audit.flush();
      let erased = 0;
      for (const [place, { id, before }] of recorded.entries()) {
        const event = await reveal(id);
        if (event.ipAddress === '[erased]') erased += 1;
        if (place < asked) expect(event).toMatchObject(HIDDEN('[erased]'));
        else if (!before) expect(event).toMatchObject(CLEAR);
        else expect([ADDRESS, '[erased]']).toContain(event.ipAddress);
        if (event.timestamp <= erasure.at) expect(event).toMatchObject(HIDDEN('[erased]'));
      }
      expect(erased).toBeGreaterThanOrEqual(asked);
      await audit.checkpoint();
      expect(await audit.verify()).toMatchObject({ ok: true });
    });
  });

  describe('in one application that protects all details, and finds persons by a function', () => {
    beforeAll(async () => {
      await open();
      const subject = ({ details, userId }: AuditLogEvent) => String(details['about'] ?? userId);
      await start({ fields: ['details', 'ipAddress'], subject });
    });
    afterAll(close);

    it('keeps what fits where more is to be protected than a row takes', async () => {
      const { audit } = app!;
      const large = Object.fromEntries(
        Array.from({ length: 28 }, (_, index) => [
          `n${index}`,
          String(index).repeat(2_000 / String(index).length),
        ]),
      );
      const { id } = await audit.record({ ...ANN, tenantId: 'globex', details: { ...large, small: 'kept' } });
      await audit.flush();
      expect(audit.status()).toMatchObject({ dead: 0, pending: 0 });
      const event = await reveal(id);
      expect(event).toMatchObject({
        ipAddress: ADDRESS,
        details: { small: 'kept' },
        metadata: { stageErrors: ['protect'] },
      });
      const values = Object.values(event.details);
      expect(values.filter((value) => value === '[withheld]').length).toBeGreaterThan(0);
      expect(values.filter((value) => String(value).length > 1_000).length).toBeGreaterThan(15);
    });

    it('answers a request for access by all events of the person', async () => {
      const { audit } = app!;
      const own = await audit.record(ANN);
      const about = await audit.record({
        ...ANN,
        userId: 'bob',
        details: { about: 'ann', customer: { email: EMAIL } },
      });
      await audit.record({ ...ANN, userId: 'bob' });
      await audit.record({ ...ANN, tenantId: 'other' });
      const plain = await audit.record({ action: 'thing.read', tenantId: 'acme', userId: 'ann' });
      await audit.flush();
      const events: AuditLogEvent[] = [];
      for await (const event of persons().exportSubject({ tenantId: 'acme', subjectId: 'ann' }))
        events.push(event);
      expect(events.map(({ id }) => id)).toEqual([own.id, about.id, plain.id]);
      expect(events[1]).toMatchObject({ ipAddress: ADDRESS, details: { 'customer.email': EMAIL } });
      expect(() => persons().exportSubject({ tenantId: 'acme' } as never)).toThrow(/subjectId/);
    });
  });

  describe('in an application of its own', () => {
    beforeEach(open);
    afterEach(close);

    it('keeps values in clear nowhere, shows them to those who may see them, and [protected] to all others', async () => {
      const { audit } = await start();
      const seen: AuditLogEvent[] = [];
      audit.observe().subscribe((event) => seen.push(event));
      const recorded = await audit.record(ANN);
      expectNothingIn(await journalText());
      await audit.flush();
      expect(recorded).toMatchObject(HIDDEN('[protected]'));
      expect(seen).toMatchObject([HIDDEN('[protected]')]);
      const { events } = await audit.find({ tenantId: 'acme' });
      expect(events).toMatchObject([HIDDEN('[protected]')]);
      expect(Object.keys(events[0]!.metadata)).not.toContain('protected');
      const revealed = await audit.find({ tenantId: 'acme', reveal: true });
      expect(revealed.events).toMatchObject([CLEAR]);
      expect(await reveal(recorded.id)).toMatchObject(CLEAR);
      const streamed: AuditLogEvent[] = [];
      for await (const event of audit.stream({ tenantId: 'acme', reveal: true })) streamed.push(event);
      expect(streamed).toMatchObject([CLEAR]);
      const history = await audit.history({
        tenantId: 'acme',
        resource: 'invoice',
        resourceId: 'none',
        reveal: true,
      });
      expect(history.events).toEqual([]);
      await audit.checkpoint();
      expect(await audit.verify()).toMatchObject({ ok: true });
      // A proof is of what is stored.
      const proof = await audit.prove(recorded.id);
      expect(proof?.event.metadata['protected']).toMatch(/^v1\./);
      await stop();
      expectNothingIn(await allThatIsKept());
      expect((await readdir(database.journal)).filter((file) => !file.startsWith('owner.'))).toEqual([]);
    });

    it('protects the user, the session and the resource of a request, before its journal and its intents', async () => {
      const things = await startThings({
        database: database.options,
        delivery: { directory: database.journal, drainOnSignals: false },
        capture: { resolve: { user: () => 'ann', tenant: () => 'acme', session: () => 'session-planted-1' } },
        features: [
          protection({
            fields: [
              'userId',
              'sessionId',
              'resourceId',
              'ipAddress',
              'userAgent',
              'metadata.path',
              'metadata.requestId',
            ],
            masterKey,
          }),
        ],
      });
      try {
        await send(things.port, {
          method: 'POST',
          path: '/things/planted-thing',
          headers: { 'user-agent': AGENT, 'x-request-id': 'planted-request' },
        });
        const journal = await journalText();
        expect(journal).toMatch(/ intent /);
        await things.audit.flush();
        const kept = journal + (await journalText()) + JSON.stringify(await rowsOf('audit_events'));
        for (const planted of [
          '"ann"',
          'session-planted-1',
          'planted-thing',
          AGENT,
          '127.0.0.1',
          'planted-request',
        ]) {
          expect(kept).not.toContain(planted);
        }
        const { events } = await things.audit.find({ tenantId: 'acme', reveal: true });
        expect(events).toMatchObject([
          {
            userId: 'ann',
            sessionId: 'session-planted-1',
            resourceId: 'planted-thing',
            userAgent: AGENT,
            ipAddress: '127.0.0.1',
            metadata: { path: '/things/planted-thing', requestId: 'planted-request', statusCode: 201 },
          },
        ]);
        await things.get(DataProtection).forget({ tenantId: 'acme', subjectId: 'ann' });
        const erased = await things.audit.find({ tenantId: 'acme', resource: 'thing', reveal: true });
        expect(erased.events).toMatchObject([
          { userId: '[erased]', resourceId: '[erased]', metadata: { path: '[erased]', statusCode: 201 } },
        ]);
      } finally {
        await things.close();
      }
    });

    it('gives back what a killed process had in its journal, but not once its person is forgotten', async () => {
      store = await removable(database, true);
      const kept = `${database.journal}-kept`;
      const other = `${database.journal}-other`;
      try {
        const first = await startLedgerApp(
          { ...database, options: store.options },
          { features: [protection({ fields: FIELDS, masterKey })] },
        );
        let early: AuditLogEvent;
        let bob: AuditLogEvent;
        try {
          await first.audit.record({ action: 'thing.note', tenantId: 'acme' });
          await first.audit.flush();
          await store.remove();
          early = await first.audit.record(ANN);
          bob = await first.audit.record({ ...ANN, userId: 'bob' });
          await mkdir(kept, { recursive: true });
          await mkdir(other, { recursive: true });
          await crash(database.journal, kept);
          await crash(database.journal, other);
          expectNothingIn(await journalText(kept));
        } finally {
          await store.restore();
          await first.close();
        }
        // What is written twice is passed over: this is a database without the events.
        await withTables(async (connection) => {
          const raw = await RawTables.open(database);
          await raw.query('DELETE FROM audit_events');
          await raw.close();
          expect(
            Number((await connection.query<{ n: number }[]>('SELECT COUNT(*) AS n FROM audit_events'))[0]!.n),
          ).toBe(0);
        });
        await start({}, { delivery: { directory: kept } });
        await app!.audit.flush();
        expect(logged.join('\n')).not.toContain("can't be read");
        expect(await reveal(early.id)).toMatchObject(CLEAR);
        await persons().forget({ tenantId: 'acme', subjectId: 'ann' });
        const erasedAt = await app!.audit.find({ ...ALL, action: 'audit.erase' });
        expect(erasedAt.events).toHaveLength(1);
        await stop();
        await withTables(async () => {
          const raw = await RawTables.open(database);
          await raw.query('DELETE FROM audit_events');
          await raw.close();
        });
        // Another copy of the journal, as from a machine that comes back late.
        await start({}, { delivery: { directory: other } });
        await app!.audit.flush();
        expect(await reveal(early.id)).toMatchObject(HIDDEN('[erased]'));
        expect(await reveal(bob.id)).toMatchObject({ ...CLEAR, userId: 'bob' });
        await stop();
      } finally {
        await rm(kept, { recursive: true, force: true });
        await rm(other, { recursive: true, force: true });
      }
    });

    it('destroys the key of its journal once that is old and nothing needs it', async () => {
      const { audit } = await start({ cacheSeconds: 1 });
      await audit.record(ANN);
      const keyFiles = async () => (await readdir(database.journal)).filter((file) => file.endsWith('.key'));
      const [first] = await eventually(async () => {
        const files = await keyFiles();
        expect(files).toHaveLength(1);
        return files;
      });
      expect(await journalText()).toContain(first!.replace(/^transit-|\.key$/g, ''));
      await audit.flush();
      await eventually(async () => expect(await keyFiles()).not.toContain(first));
      const { id } = await audit.record(ANN);
      await audit.flush();
      expect(await reveal(id)).toMatchObject(CLEAR);
    });

    it('rotates the master key and the keys of persons', async () => {
      await start({}, { delivery: AS_A_TOOL });
      const old = await app!.audit.record(ANN);
      await app!.audit.record({ ...ANN, userId: 'bob' });
      await app!.audit.flush();
      await app!.audit.checkpoint();
      await stop();
      const before = await rowsOf('audit_keys');
      const retired = masterKey;
      masterKey = aKey();
      // The new one alone is not enough yet.
      await expect(start()).rejects.toMatchObject({
        code: 'AUDIT_INVALID_OPTIONS',
        field: 'protection.masterKey',
      });
      await start({ retiredMasterKeys: [retired] });
      expect(await reveal(old.id)).toMatchObject(CLEAR);
      const rotation = await persons().rotateKeys({ dataKeys: true });
      expect(rotation).toEqual({ rewrapped: 3, renewed: 2, damaged: 0 });
      expect(await persons().rotateKeys()).toEqual({ rewrapped: 0, renewed: 0, damaged: 0 });
      const fresh = await app!.audit.record(ANN);
      await app!.audit.flush();
      await app!.audit.checkpoint();
      expect(await app!.audit.verify()).toMatchObject({ ok: true });
      const { events } = await app!.audit.find({ ...ALL, action: 'audit.rotate-keys', order: 'oldest' });
      expect(events).toMatchObject([
        { category: 'compliance', details: { rewrapped: 3, renewed: 2 } },
        { details: { rewrapped: 0 } },
      ]);
      await stop();
      await start();
      expect(await reveal(old.id)).toMatchObject(CLEAR);
      expect(await reveal(fresh.id)).toMatchObject(CLEAR);
      const after = await rowsOf('audit_keys');
      const mastersBefore = new Set(before.map((row) => row['master_id']));
      expect(after.some((row) => mastersBefore.has(row['master_id']))).toBe(false);
      const stored = await rowsOf('audit_events');
      const keyOf = (id: string) =>
        /"protected":"v1\.([^.]+)/.exec(String(stored.find((row) => row['id'] === id)!['metadata']))![1];
      expect(keyOf(old.id)).not.toBe(keyOf(fresh.id));
      // Erased is what either has encrypted.
      expect(await persons().forget({ tenantId: 'acme', subjectId: 'ann' })).toMatchObject({ keys: 2 });
      expect(await reveal(old.id)).toMatchObject(HIDDEN('[erased]'));
      expect(await reveal(fresh.id)).toMatchObject(HIDDEN('[erased]'));
    });

    it('works with a KMS, waits while it is away, and moves to it from a master key', async () => {
      await start({}, { delivery: AS_A_TOOL });
      const local = await app!.audit.record(ANN);
      await app!.audit.flush();
      await stop();
      const secret = randomBytes(64);
      const xored = (bytes: Uint8Array) => Uint8Array.from(bytes, (byte, place) => byte ^ secret[place]!);
      let away = false;
      const asked: string[] = [];
      const kms = {
        keyId: 'projects/audit/keys/1',
        async wrap(key: Uint8Array) {
          asked.push('wrap');
          if (away) throw new Error('KMS down');
          return xored(key);
        },
        async unwrap(wrapped: Uint8Array, keyId: string) {
          asked.push(`unwrap ${keyId}`);
          if (away) throw new Error('KMS down');
          return xored(wrapped);
        },
      };
      await start({ kms, retiredMasterKeys: [masterKey], cacheKeys: 1 });
      expect(await reveal(local.id)).toMatchObject(CLEAR);
      expect(await persons().rotateKeys()).toMatchObject({ rewrapped: 2 });
      await stop();
      await start({ kms, cacheKeys: 1 });
      expect(await reveal(local.id)).toMatchObject(CLEAR);
      expect(asked).toContain('unwrap projects/audit/keys/1');
      // There is room for one key.
      const { id: another } = await app!.audit.record({ ...ANN, userId: 'bob' });
      await app!.audit.flush();
      expect(await reveal(another)).toMatchObject({ ...CLEAR, userId: 'bob' });
      away = true;
      const waiting = await app!.audit.record({ ...ANN, userId: 'carl' });
      const other = await app!.audit.record({ action: 'thing.note' });
      await expect(app!.audit.flush()).rejects.toMatchObject({ code: 'AUDIT_STORE_UNAVAILABLE' });
      expect(app!.audit.status().lastError).toContain('protection.kms');
      await expect(app!.audit.find({ ...ALL, userId: 'ann', reveal: true })).rejects.toMatchObject({
        code: 'AUDIT_STORE_UNAVAILABLE',
      });
      away = false;
      await eventually(() => app!.audit.flush());
      expect(await reveal(waiting.id)).toMatchObject({ ...CLEAR, userId: 'carl' });
      expect(await reveal(other.id)).toMatchObject({ action: 'thing.note' });
    });

    it('refuses values that were changed, cut, or moved to another event, person or tenant', async () => {
      const { audit } = await start();
      const [first, second, bob, other] = [
        await audit.record(ANN),
        await audit.record({ ...ANN, details: { customer: { email: 'second@example.test' } } }),
        await audit.record({ ...ANN, userId: 'bob' }),
        await audit.record({ ...ANN, tenantId: 'other' }),
      ] as const;
      await audit.flush();
      await audit.checkpoint();
      const raw = await RawTables.open(database);
      try {
        const rows = await raw.rows('audit_events', 'id');
        const metadataOf = (id: string) =>
          JSON.parse(String(rows.find((row) => row['id'] === id)!['metadata'])) as Record<string, unknown>;
        const protectedOf = (id: string) => String(metadataOf(id)['protected']);
        const write = (id: string, text: string) => {
          const metadata = JSON.stringify({ ...metadataOf(id), protected: text });
          return raw.connection.query(
            withIds(
              raw.connection,
              `UPDATE audit_events SET metadata = ${name === 'postgres' ? '$1' : '?'} WHERE id = '${id}'`,
            ),
            [metadata],
          );
        };
        const own = protectedOf(first.id);
        const [version, keyId, encoded] = own.split('.') as [string, string, string];
        const bytes = Buffer.from(encoded, 'base64url');
        const changed = (at: number) => {
          const copy = Buffer.from(bytes);
          copy[at < 0 ? copy.length + at : at]! ^= 1;
          return [version, keyId, copy.toString('base64url')].join('.');
        };
        const forged: Record<string, string> = {
          nonce: changed(0),
          ciphertext: changed(14),
          tag: changed(-1),
          'tag at its begin': changed(-16),
          'without its last byte': [version, keyId, bytes.subarray(0, -1).toString('base64url')].join('.'),
          'without its tag': [version, keyId, bytes.subarray(0, -16).toString('base64url')].join('.'),
          longer: [version, keyId, Buffer.concat([bytes, Buffer.alloc(1)]).toString('base64url')].join('.'),
          'of nothing but zeros': [version, keyId, Buffer.alloc(60).toString('base64url')].join('.'),
          'of another event of the person': protectedOf(second.id),
          'of another person': protectedOf(bob.id),
          'of another tenant': protectedOf(other.id),
          'under the key of another person': [version, protectedOf(bob.id).split('.')[1], encoded].join('.'),
          'no such form': 'v1.x.y',
          'another version': ['t1', keyId, encoded].join('.'),
        };
        for (const [what, text] of Object.entries(forged)) {
          await write(first.id, text);
          expect([what, await reveal(first.id)]).toMatchObject([what, HIDDEN('[unreadable]')]);
          const verified = await audit.verify();
          expect([what, verified.ok, verified.problems[0]?.eventId]).toEqual([what, false, first.id]);
        }
        await write(first.id, own);
        expect(await audit.verify()).toMatchObject({ ok: true });
        expect(await reveal(first.id)).toMatchObject(CLEAR);
        await stop();

        // A key that was moved to another person's row is no key there.
        const keys = await raw.rows('audit_keys', 'id');
        const wrappedOf = (id: string) => String(keys.find((row) => row['id'] === id)!['wrapped']);
        const bobsKey = protectedOf(bob.id).split('.')[1]!;
        await raw.query(`UPDATE audit_keys SET wrapped = '${wrappedOf(bobsKey)}' WHERE id = '${keyId}'`);
        await start();
        expect(await reveal(first.id)).toMatchObject(HIDDEN('[unreadable]'));
        // Who is written of then is recorded without these values, and nothing is stored in clear.
        const withheld = await app!.audit.record(ANN);
        await app!.audit.flush();
        expect(await reveal(withheld.id)).toMatchObject(HIDDEN('[withheld]'));
        expect(await reveal(withheld.id)).toMatchObject({ metadata: { stageErrors: ['protect'] } });
        expect(logged.join('\n')).toContain(keyId);
        expect(await reveal(bob.id)).toMatchObject({ ...CLEAR, userId: 'bob' });
        expectNothingIn(await allThatIsKept());
      } finally {
        await raw.close();
      }
    });

    it('writes in the transaction of the caller', async () => {
      const connection = await new DataSource(database.options).initialize();
      try {
        // It only reveals.
        await start({}, { dataSource: undefined, delivery: AS_A_TOOL });
        const shared = await startLedgerApp(
          { ...database, options: undefined as never, journal: `${database.journal}-shared` },
          { dataSource: connection, features: [protection({ fields: FIELDS, masterKey })] },
        ).catch(async (error: unknown) => {
          await stop();
          throw error;
        });
        try {
          const committed = await connection.transaction(async (manager) => {
            const event = await shared.audit.record(ANN, { manager });
            await shared.audit.record({ ...ANN, userId: 'dora' }, { manager });
            return event;
          });
          expect(committed).toMatchObject(HIDDEN('[protected]'));
          const gone = connection.transaction(async (manager) => {
            await shared.audit.record({ ...ANN, userId: 'eve' }, { manager });
            throw new Error('rolled back');
          });
          await expect(gone).rejects.toThrow('rolled back');
          expect(await reveal(committed.id)).toMatchObject(CLEAR);
          const eve = await shared.audit.record({ ...ANN, userId: 'eve' });
          await shared.audit.flush();
          expect(await reveal(eve.id)).toMatchObject({ ...CLEAR, userId: 'eve' });
          expect((await shared.audit.find({ ...ALL, userId: 'eve' })).events).toHaveLength(1);
        } finally {
          await shared.close();
        }
      } finally {
        await connection.destroy();
        await rm(`${database.journal}-shared`, { recursive: true, force: true });
      }
    });

    /** An application on a data source that the test has too. */
    async function startShared(
      own: Partial<ProtectionOptions> = {},
    ): Promise<{ readonly connection: DataSource; readonly shared: LedgerApp }> {
      const connection = await new DataSource({ ...database.options, poolSize: 1 } as never).initialize();
      const { journal } = database;
      app = await startLedgerApp(
        { ...database, options: undefined as never, journal },
        {
          dataSource: connection,
          features: [protection({ fields: FIELDS, ...(!own.kms && { masterKey }), ...own })],
        },
      );
      return { connection, shared: app };
    }

    it('makes the key of its digests again where its table is another one, and does not take a lost key for an erasure', async () => {
      const { audit } = await start({}, { delivery: AS_A_TOOL });
      const lost = await audit.record(ANN);
      await audit.flush();
      const raw = await RawTables.open(database);
      await raw.query('DELETE FROM audit_keys');
      await raw.close();
      expect(await reveal(lost.id)).toMatchObject(HIDDEN('[unreadable]'));
      expect(await audit.findById(lost.id, ALL)).toMatchObject(HIDDEN('[unreadable]'));
      expect(logged.join('\n')).toContain('is gone from audit_keys');
      const { id } = await audit.record(ANN);
      await audit.flush();
      await stop();
      await start({}, { delivery: AS_A_TOOL });
      expect(await reveal(id)).toMatchObject(CLEAR);
    });

    it('does not wait for ever for a second connection of the pool', async () => {
      if (name === 'sqlite') return;
      const { connection, shared } = await startShared();
      try {
        await shared.audit.record(ANN);
        await shared.audit.flush();
        const within = (event: AuditEventInput) =>
          connection.transaction((manager) => shared.audit.record(event, { manager }));
        const { id } = await within(ANN);
        expect(await reveal(id)).toMatchObject(CLEAR);
        await expect(within({ ...ANN, userId: 'eve' })).rejects.toMatchObject({
          code: 'AUDIT_STORE_UNAVAILABLE',
        });
        expect(await reveal((await within(ANN)).id)).toMatchObject(CLEAR);
      } finally {
        await stop();
        await connection.destroy();
      }
    });

    it('has to be there where data are protected, until it is said that nothing is any more', async () => {
      await start({}, { delivery: AS_A_TOOL });
      const [{ id }, bob] = [
        await app!.audit.record(ANN),
        await app!.audit.record({ ...ANN, userId: 'bob' }),
      ];
      await app!.audit.flush();
      await persons().forget({ tenantId: 'acme', subjectId: 'bob' });
      await stop();
      await expect(start('without')).rejects.toMatchObject({
        code: 'AUDIT_INVALID_OPTIONS',
        field: 'features',
        message: expect.stringMatching(/has protected data.*protection\(\{ fields: \[\] \}\)/) as string,
      });

      // Without keys nothing is encrypted, revealed or forgotten.
      await start({ fields: [], masterKey: undefined }, { delivery: AS_A_TOOL });
      expect(await app!.audit.findById(id, ALL)).toMatchObject(HIDDEN('[protected]'));
      expect(await app!.audit.findById(bob.id, ALL)).toMatchObject({
        ...HIDDEN('[erased]'),
        userId: 'bob',
      });
      await expect(reveal(id)).rejects.toMatchObject({ code: 'AUDIT_INVALID_QUERY', field: 'reveal' });
      const ann = { tenantId: 'acme', subjectId: 'ann' };
      await expect(persons().forget(ann)).rejects.toThrow(/protection\.masterKey/);
      await expect(persons().rotateKeys()).rejects.toThrow(/protection\.masterKey/);
      const later = await app!.audit.record(ANN);
      expect(later).toMatchObject(CLEAR);
      await app!.audit.flush();
      const exported: AuditLogEvent[] = [];
      for await (const event of persons().exportSubject(ann)) exported.push(event);
      expect(exported).toMatchObject([HIDDEN('[protected]'), CLEAR]);
      await stop();

      // With them, what was protected can still be shown and erased.
      await start({ fields: [] }, { delivery: AS_A_TOOL });
      expect(await reveal(id)).toMatchObject(CLEAR);
      expect(await persons().forget(ann)).toMatchObject({ keys: 1 });
      expect(await reveal(id)).toMatchObject(HIDDEN('[erased]'));
      expect(await reveal(later.id)).toMatchObject(CLEAR);
    });

    /** What a killed application has left in its journal, for a database without the events: what is written twice would be passed over. */
    async function leftBehind(
      features: NonNullable<AuditModuleOptions['features']>,
      before: (first: LedgerApp) => Promise<void>,
    ): Promise<string> {
      store = await removable(database, true);
      const kept = `${database.journal}-kept`;
      const first = await startLedgerApp({ ...database, options: store.options }, { features });
      try {
        await before(first);
        await store.remove();
        await first.audit.record(ANN);
        await mkdir(kept, { recursive: true });
        await crash(database.journal, kept);
      } finally {
        await store.restore();
        await first.close();
      }
      const raw = await RawTables.open(database);
      await raw.query('DELETE FROM audit_events');
      await raw.close();
      return kept;
    }

    it('has nothing stored of a journal by a start that it refuses', async () => {
      const kept = await leftBehind([protection({ fields: FIELDS, masterKey })], async ({ audit }) => {
        await audit.record({ action: 'thing.note' });
        await audit.flush();
      });
      try {
        await expect(start('without', { delivery: { directory: kept, ...AS_A_TOOL } })).rejects.toMatchObject(
          { code: 'AUDIT_INVALID_OPTIONS', field: 'features' },
        );
        expect(await rowsOf('audit_events')).toEqual([]);
      } finally {
        await rm(kept, { recursive: true, force: true });
      }
    });

    it('protects what an earlier start without it has left in the journal', async () => {
      const kept = await leftBehind([], () => Promise.resolve());
      try {
        await start({}, { delivery: { directory: kept, ...AS_A_TOOL } });
        await app!.audit.flush();
        const rows = JSON.stringify(await rowsOf('audit_events'));
        expect(rows).toContain(ANN.action);
        expect(rows).not.toContain(EMAIL);
      } finally {
        await stop();
        await rm(kept, { recursive: true, force: true });
      }
    });

    it('has nothing stored that does not fit the data, where the database comes after the start', async () => {
      await start({}, { delivery: AS_A_TOOL });
      await app!.audit.record(ANN);
      await app!.audit.flush();
      await stop();
      const before = await rowsOf('audit_events');
      const unfit: [features: NonNullable<AuditModuleOptions['features']>, reason: RegExp][] = [
        [[], /has protected data/],
        [[protection({ fields: FIELDS, masterKey: aKey() })], /does not fit the protected data/],
      ];
      for (const [place, [features, reason]] of unfit.entries()) {
        store = await removable(database, false);
        const away = { ...database, options: store.options };
        const late = await store.start(() =>
          startLedgerApp(away, { features, delivery: { shutdownTimeoutMs: 100 } }),
        );
        try {
          await late.audit.record(ANN);
          await store.restore();
          await eventually(() => expect(logged.join('\n')).toMatch(reason));
          expect(late.audit.status()).toMatchObject({
            healthy: false,
            pending: place + 1,
            lastError: expect.stringMatching(reason),
          });
          await expect(late.audit.flush()).rejects.toMatchObject({ code: 'AUDIT_STORE_UNAVAILABLE' });
          await withTables((connection) =>
            expect(late.audit.record(ANN, { manager: connection.manager })).rejects.toMatchObject({
              code: 'AUDIT_STORE_UNAVAILABLE',
            }),
          );
        } finally {
          await late.close();
          await store.release();
        }
        expect(await rowsOf('audit_events')).toEqual(before);
      }
    });

    it('has its table only where it is', async () => {
      await database.drop();
      database = await create({ isEmpty: true });
      await start('without', { delivery: AS_A_TOOL });
      await app!.audit.record(ANN);
      await app!.audit.flush();
      await stop();
      await expect(rowsOf('audit_keys')).rejects.toThrow(/audit_keys/);
      await start({}, { delivery: AS_A_TOOL });
      const { id } = await app!.audit.record(ANN);
      await app!.audit.flush();
      expect(await reveal(id)).toMatchObject(CLEAR);
      await app!.audit.checkpoint();
      expect(await app!.audit.verify()).toMatchObject({ ok: true });
    });

    // What is protected, and which options do, is decided before the database is asked.
    if (name !== 'sqlite') return;

    it('encrypts under no key of a transaction that may be rolled back', async () => {
      const { connection, shared } = await startShared();
      try {
        let looked = false;
        const driver = connection.driver as unknown as { databaseConnection: object };
        driver.databaseConnection = new Proxy(driver.databaseConnection, {
          get(target, name) {
            looked ||= name === 'inTransaction';
            const value: unknown = Reflect.get(target, name, target);
            return typeof value === 'function' ? (value.bind(target) as unknown) : value;
          },
        });
        const { audit } = shared;
        let event: AuditLogEvent | undefined;
        const rolledBack = connection.transaction(async (manager) => {
          await audit.record(ANN, { manager });
          looked = false;
          event = await audit.record(ANN);
          void audit.flush().catch(() => undefined);
          await eventually(() => expect(looked).toBe(true));
          throw new Error('rolled back');
        });
        await expect(rolledBack).rejects.toThrow('rolled back');
        await eventually(() => audit.flush());
        expect(await reveal(event!.id)).toMatchObject(CLEAR);
      } finally {
        await stop();
        await connection.destroy();
      }
    });

    it('waits once for a key that can not be had, and not for what failed long ago', async () => {
      const now = performance.now.bind(performance);
      let later = 0;
      vi.spyOn(performance, 'now').mockImplementation(() => now() + later);
      let refused: (wrapped: Uint8Array) => boolean = () => false;
      const xored = (bytes: Uint8Array) => Uint8Array.from(bytes, (byte) => byte ^ 7);
      const unwrap = (wrapped: Uint8Array) => {
        if (refused(wrapped)) throw new Error('KMS refuses');
        return xored(wrapped);
      };
      const kms = { keyId: 'one', wrap: xored, unwrap };
      const { connection, shared } = await startShared({ kms, cacheKeys: 1 });
      const { audit } = shared;
      const withheld = HIDDEN('[withheld]');
      try {
        const first = await audit.record(ANN);
        await audit.record({ ...ANN, userId: 'bob' });
        await audit.flush();
        const stored = (await rowsOf('audit_events')).find((row) => row['id'] === first.id)!;
        const keyId = /"protected":"v1\.([^.]+)/.exec(String(stored['metadata']))![1];
        const wrapped = String((await rowsOf('audit_keys')).find((row) => row['id'] === keyId)!['wrapped']);
        refused = (bytes) => Buffer.from(bytes).toString('base64') === wrapped;
        const waiting = await audit.record(ANN);
        await expect(audit.flush()).rejects.toMatchObject({ code: 'AUDIT_STORE_UNAVAILABLE' });
        later += 40_000;
        await expect(audit.flush()).rejects.toMatchObject({ code: 'AUDIT_STORE_UNAVAILABLE' });
        later += 40_000;
        await eventually(() => audit.flush());
        // Nobody waits for that key any more, also where others could be had meanwhile.
        await audit.record({ ...ANN, userId: 'bob' });
        const next = await audit.record(ANN);
        await audit.flush();
        refused = () => false;
        expect(await reveal(waiting.id)).toMatchObject(withheld);
        expect(await reveal(next.id)).toMatchObject(withheld);
        // It can be had again.
        const last = await audit.record(ANN);
        await audit.flush();
        expect(await reveal(last.id)).toMatchObject(CLEAR);

        later += 600_000;
        refused = () => true;
        const failed = connection.transaction((manager) => audit.record(ANN, { manager }));
        await expect(failed).rejects.toMatchObject({ code: 'AUDIT_STORE_UNAVAILABLE' });
        later += 600_000;
        const short = await audit.record(ANN);
        await expect(audit.flush()).rejects.toMatchObject({ code: 'AUDIT_STORE_UNAVAILABLE' });
        refused = () => false;
        await eventually(() => audit.flush());
        expect(await reveal(short.id)).toMatchObject(CLEAR);
      } finally {
        await stop();
        await connection.destroy();
        vi.restoreAllMocks();
      }
    });

    it('takes nobody for a user where the subject is another field', async () => {
      await start({ subject: 'details.customerId' }, { features: [retention()] });
      const { audit } = app!;
      const about = (customerId: string, userId: string) =>
        audit.record({ ...ANN, userId, details: { ...ANN.details, customerId } });
      const own = await about('7', 'clerk');
      const others = await about('8', '7');
      await audit.flush();
      const exported: AuditLogEvent[] = [];
      const customer = { tenantId: 'acme', subjectId: '7' };
      for await (const event of persons().exportSubject(customer)) exported.push(event);
      expect(exported).toMatchObject([
        { ...CLEAR, id: own.id, userId: 'clerk' },
        { ...HIDDEN('[protected]'), id: others.id, userId: '7' },
      ]);
      const hold = { tenantId: 'acme', userId: 'clerk', reason: 'case 12', placedBy: 'counsel' };
      const { id } = await app!.get(AuditRetention).placeHold(hold);
      await expect(persons().forget(customer)).rejects.toMatchObject({ code: 'AUDIT_HELD' });
      await app!.get(AuditRetention).liftHold(id, { reason: 'closed', liftedBy: 'counsel' });
      await persons().forget(customer);
      expect(await reveal(own.id)).toMatchObject({ ...HIDDEN('[erased]'), userId: 'clerk' });
    });

    it('forgets a person whom the function names by a number', async () => {
      await start({ subject: ({ details }) => details['customerId'] as string });
      const { id } = await app!.audit.record({ ...ANN, details: { ...ANN.details, customerId: 7 } });
      await app!.audit.flush();
      await persons().forget({ tenantId: 'acme', subjectId: '7' });
      expect(await reveal(id)).toMatchObject(HIDDEN('[erased]'));
    });

    it('says what is wrong with reveal', async () => {
      await start('without');
      await expect(app!.audit.find({ ...ALL, reveal: true })).rejects.toThrow(
        /without the feature protection/,
      );
      expect(() => persons()).toThrow();
      await stop();
      const { audit } = await start();
      await expect(audit.find({ ...ALL, reveal: 'yes' } as never)).rejects.toThrow(
        /reveal must be true or false/,
      );
      await expect(audit.statistics({ ...ALL, reveal: true } as never)).rejects.toMatchObject({
        field: 'reveal',
      });
    });

    it('withholds values where protection fails, and says so in the event', async () => {
      const { audit } = await start({
        subject: () => {
          throw new TypeError(EMAIL);
        },
      });
      const { id, metadata } = await audit.record(ANN);
      expect(metadata).toMatchObject({ stageErrors: ['protect'] });
      await audit.flush();
      expect(await reveal(id)).toMatchObject({
        ...HIDDEN('[withheld]'),
        metadata: { stageErrors: ['protect'] },
      });
      expectNothingIn(await allThatIsKept());
    });

    it('finds whose data these are by a field or a function of the event', async () => {
      await start({ subject: 'details.customerId' });
      const customer = { ...ANN, details: { customerId: 'c-7', customer: { email: EMAIL } } };
      const { id } = await app!.audit.record(customer);
      const nobodys = await app!.audit.record(ANN);
      await app!.audit.flush();
      await persons().forget({ tenantId: 'acme', subjectId: 'ann' });
      expect(await reveal(id)).toMatchObject({ ipAddress: ADDRESS });
      await persons().forget({ tenantId: 'acme', subjectId: 'c-7' });
      expect(await reveal(id)).toMatchObject({
        ipAddress: '[erased]',
        details: { customerId: 'c-7', 'customer.email': '[erased]' },
      });
      expect(await reveal(nobodys.id)).toMatchObject(CLEAR);
    });

    it('protects what repeats a protected field, and whom findings of detection are about', async () => {
      const { audit } = await start({ fields: ['userId', 'ipAddress', 'details.account'] });
      const found = { action: 'detection.brute-force', resource: 'detection' };
      for (const event of [
        { action: 'thing.note', userId: 'ann.planted', metadata: { again: 'ann.planted', n: 1 } },
        { action: 'login', ipAddress: ADDRESS, details: { account: 'ann.planted', from: ADDRESS } },
        // As detection writes them.
        { ...found, ipAddress: ADDRESS, details: { by: 'address', key: ADDRESS } },
        { ...found, details: { by: 'address', key: '2001:db8:abcd::/64' } },
        { ...found, details: { by: 'account', key: 'ann.planted' } },
      ]) {
        await audit.record(event);
      }
      await audit.flush();
      const kept = (await journalText()) + JSON.stringify(await Promise.all(TABLES.map(rowsOf)));
      for (const planted of ['ann.planted', ADDRESS, '2001:db8:abcd']) expect(kept).not.toContain(planted);
      const { events } = await audit.find({ ...ALL, order: 'oldest', reveal: true });
      expect(
        events.map(({ userId, ipAddress, details, metadata }) => [
          userId,
          ipAddress,
          details['key'] ?? details['from'],
          metadata['again'],
        ]),
      ).toEqual([
        ['ann.planted', undefined, undefined, 'ann.planted'],
        [undefined, ADDRESS, ADDRESS, undefined],
        [undefined, ADDRESS, ADDRESS, undefined],
        [undefined, undefined, '2001:db8:abcd::/64', undefined],
        [undefined, undefined, 'ann.planted', undefined],
      ]);
    });

    it('protects an id that is repeated as a number, or in a list', async () => {
      const { audit } = await start({ fields: ['userId'] });
      const details = { ownerId: 7, approvers: ['7', '8'], levels: [7, 9], count: 8, others: ['8'] };
      const { id } = await audit.record({ action: 'thing.note', tenantId: 'acme', userId: '7', details });
      await audit.flush();
      expect((await reveal(id)).details).toEqual(details);
      await persons().forget({ tenantId: 'acme', subjectId: '7' });
      const erased = { ownerId: '[erased]', approvers: '[erased]', levels: '[erased]' };
      expect((await reveal(id)).details).toEqual({ ...details, ...erased });
    });

    it('says that detection does not find by what is protected', async () => {
      await start({ fields: ['ipAddress', 'details.account'] }, { features: [detection()] });
      expect(logged.join('\n')).toMatch(
        /The fields ipAddress, details\.account are protected, so detection .*/,
      );
    });

    it('does not start with keys that are none, or not those of the data', async () => {
      const refused = async (given: unknown, field: string, text: RegExp) => {
        const error: unknown = await startLedgerApp(database, {
          features: [protection(given as ProtectionOptions)],
        }).then(
          (started) => started.close(),
          (reason: unknown) => reason,
        );
        expect(error).toBeInstanceOf(AuditError);
        expect(error).toMatchObject({ code: 'AUDIT_INVALID_OPTIONS', field });
        expect(String(error)).toMatch(text);
      };
      const short = randomBytes(31).toString('base64');
      await refused(
        { fields: FIELDS, masterKey: short },
        'protection.masterKey',
        /has 31 bytes: write 32 bytes/,
      );
      await refused(
        { fields: FIELDS, masterKey: randomBytes(33).toString('hex') },
        'protection.masterKey',
        /33 bytes/,
      );
      await refused(
        { fields: FIELDS, masterKey: 'not a key!' },
        'protection.masterKey',
        /neither base64 nor hex/,
      );
      await refused({ fields: FIELDS }, 'protection.masterKey', /is missing.*AUDIT_MASTER_KEY/);
      await refused(
        { fields: FIELDS, masterKey, retiredMasterKeys: [short] },
        'protection.retiredMasterKeys[0]',
        /31 bytes/,
      );
      await refused({ masterKey }, 'protection.fields', /is missing/);
      await refused(
        { fields: ['metadata.sequence'], masterKey },
        'protection.fields[0]',
        /can't be protected/,
      );
      await refused({ fields: ['tenantId'], masterKey }, 'protection.fields[0]', /can't be protected/);
      await refused(
        { fields: FIELDS, masterKey, subject: 'details' },
        'protection.subject',
        /write 'userId'/,
      );
      await refused({ fields: FIELDS, kms: { keyId: 'k' } }, 'protection.kms.wrap', /write a function/);
      await refused(
        { fields: FIELDS, masterKey, kms: { keyId: 'k' } },
        'protection.kms',
        /exclude each other/,
      );
      await refused(
        { fields: FIELDS, masterKey, cacheSeconds: 0 },
        'protection.cacheSeconds',
        /an integer from 1/,
      );
      await refused({ fields: FIELDS, masterKey, nonsense: 1 }, 'protection.nonsense', /no audit option/);
      await refused(null, 'protection', /write an object/);
      expect(logged.join('\n')).not.toContain(short);

      await start();
      await app!.audit.record(ANN);
      await app!.audit.flush();
      await stop();
      await refused(
        { fields: FIELDS, masterKey: aKey() },
        'protection.masterKey',
        /does not fit the protected data/,
      );
    });

    it('is looked for again where the database was gone meanwhile', async () => {
      let looks = 0;
      const cause = Object.assign(new Error('it is gone'), { code: 'ECONNRESET' });
      const looking = async () => {
        looks += 1;
        if (looks === 1) throw new AuditError('AUDIT_STORE_UNAVAILABLE', 'It is gone.', { cause });
      };
      const { audit } = await start('without', {
        features: [{ name: 'looking', run: () => ({ connected: looking }) }],
      });
      await audit.record({ action: 'thing.note' });
      await eventually(() => audit.flush());
      expect(looks).toBe(2);
    });

    it('is one feature at most', async () => {
      const same = { name: 'other', run: () => ({ atRest: { read: () => Promise.resolve([]) } }) };
      await expect(start({}, { features: [same] })).rejects.toMatchObject({
        code: 'AUDIT_INVALID_OPTIONS',
        field: 'features',
        message: expect.stringContaining('two features that protect values') as string,
      });
    });

    it('refuses names that the library itself uses', async () => {
      const { audit } = await start('without');
      const { id } = await audit.record({
        action: 'thing.note',
        metadata: { protected: 'erased', protectedFields: ['userId'], mine: 1 },
      });
      await audit.flush();
      const event = await audit.findById(id, ALL);
      expect(event?.metadata).toMatchObject({ mine: 1 });
      expect(event?.userId).toBeUndefined();
      expect(Object.keys(event!.metadata)).not.toContain('protected');
    });
  });
});

describeOnSqlite('the file of a destroyed key', (create) => {
  const row = {
    subject: 'somebody',
    generation: 1,
    id: '0190a000-0000-7000-8000-000000000001',
    tenantId: 'acme',
    wrapped: 'the-wrapped-key',
    masterId: 'local-1',
    createdAt: 1,
    erasedAt: null,
    erasure: null,
  };
  let store: AuditDatabase;
  let reader: DataSource;
  let options: { readonly database: string };
  const warned: string[] = [];

  beforeEach(async () => {
    const database = await create();
    options = database.options as { database: string };
    warned.length = 0;
    const ignore = () => undefined;
    const warn = (message: string) => void warned.push(message);
    store = new AuditDatabase({ database: database.options }, { log: ignore, warn, error: ignore });
    await store.connect(10_000);
    reader = await new DataSource(database.options).initialize();
    const keys = new SubjectKeyRepository(store);
    await keys.insert(row);
    await reader.query('BEGIN');
    await reader.query('SELECT COUNT(*) FROM audit_keys');
  });
  afterEach(async () => {
    await reader.destroy();
    await store.close();
  });

  async function destroy(): Promise<void> {
    const keys = new SubjectKeyRepository(store);
    await keys.destroy(row.id);
    await keys.emptyLog();
  }

  it('has it nowhere, though somebody reads at first', async () => {
    const ended = delay(300).then(() => reader.query('COMMIT'));
    await Promise.all([destroy(), ended]);
    for (const part of ['', '-wal'])
      expect(await readFile(options.database + part, 'latin1')).not.toContain(row.wrapped);
    expect(warned).toEqual([]);
  });

  it('is told of where somebody reads all the time', async () => {
    await destroy();
    expect(await readFile(`${options.database}-wal`, 'latin1')).toContain(row.wrapped);
    expect(warned).toEqual([expect.stringContaining('PRAGMA wal_checkpoint(TRUNCATE)')]);
  });
});
