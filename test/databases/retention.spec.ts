// What is old enough goes, and nothing else: with a record of it that can't be forged, so that the log still verifies.
import { randomBytes, randomUUID } from 'node:crypto';
import { DataSource } from 'typeorm';
import type { DataSourceOptions } from 'typeorm';
import { AuditError } from 'nest-audit-trail';
import type { AuditEventInput, AuditLogEvent, AuditModuleOptions } from 'nest-audit-trail';
import { AuditRetention, retention } from 'nest-audit-trail/retention';
import type { RetentionOptions, RetentionRule } from 'nest-audit-trail/retention';
import { AUDIT_MIGRATIONS, AUDIT_MIGRATIONS_TABLE } from 'nest-audit-trail/typeorm';
import { DataProtection, protection } from 'nest-audit-trail/protection';
import { generateKeys, parseVerifierKey } from '../../src/ledger/keys.js';
import { eventLeafHash } from '../../src/ledger/canonical-event.js';
import { checkProof } from '../../src/ledger/proof-bundle.js';
import { eventually } from '../support/eventually.js';
import { narrowActions, POISON, widenActions } from '../support/narrow-column.js';
import { AS_A_TOOL, RawTables, startLedgerApp } from '../support/ledger-app.js';
import type { LedgerApp } from '../support/ledger-app.js';
import { describeEachDatabase } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';
import { runningStatements } from '../support/server-processes.js';
import { ask } from '../support/stored-rows.js';

const ALL = { allTenants: true } as const;
const DAY = 86_400_000;
const { signerKey, verifierKey } = generateKeys('audit.test');
const now = Date.now();
const OLD = now - 400 * DAY;

describeEachDatabase('retention', (create, name) => {
  let database: TestDatabase;
  let app: LedgerApp | undefined;

  const retained = () => app!.get(AuditRetention);

  async function open(): Promise<void> {
    database = await create();
  }

  async function close(): Promise<void> {
    await app?.close();
    app = undefined;
    await database.drop();
  }

  async function start(
    rules: readonly RetentionRule[] = [{ keepDays: 365 }],
    { features = [], ...more }: Omit<AuditModuleOptions, 'database'> = {},
    own: RetentionOptions = {},
  ): Promise<LedgerApp['audit']> {
    app = await startLedgerApp(database, {
      features: [retention({ rules, batchSize: 7, pauseMs: 0, ...own }), ...features],
      ledger: { signingKey: signerKey },
      ...more,
    });
    return app.audit;
  }

  async function restart(...how: Parameters<typeof start>): Promise<LedgerApp['audit']> {
    await app?.close();
    app = undefined;
    return start(...how);
  }

  /** Recorded, stored and sealed. */
  async function sealed(events: readonly AuditEventInput[]): Promise<AuditLogEvent[]> {
    const { audit } = app!;
    const recorded: AuditLogEvent[] = [];
    for (const event of events) recorded.push(await audit.record({ tenantId: 'acme', ...event }));
    await audit.flush();
    await audit.checkpoint();
    return recorded;
  }

  const old = (count: number, more: Partial<AuditEventInput> = {}): AuditEventInput[] =>
    Array.from({ length: count }, (_, index) => ({
      action: 'invoice.read',
      category: 'data_access',
      timestamp: OLD + index,
      ...more,
    }));

  async function idsInTable(): Promise<string[]> {
    const connection = await new DataSource(database.options).initialize();
    try {
      const rows = await ask<{ id: string }>(connection, 'SELECT id FROM audit_events');
      return rows.map(({ id }) => id);
    } finally {
      await connection.destroy();
    }
  }

  describe('in a log where it has removed before', () => {
    beforeAll(async () => {
      await open();
      await start();
      await sealed(old(2));
      await retained().removeExpired();
    });
    // No hold is left, and nothing to remove.
    afterEach(async () => {
      const { audit } = app!;
      for (const { id } of await retained().holds(ALL))
        await retained().liftHold(id, { reason: 'settled', liftedBy: 'counsel' });
      await retained().removeExpired();
      await audit.checkpoint();
    });
    afterAll(close);

    it('keeps what a legal hold is on, and says who holds it and why', async () => {
      const { audit } = app!;
      const before = await audit.verify();
      const ofHolds = async () =>
        (await audit.find({ ...ALL, action: ['audit.hold', 'audit.release-hold'], limit: 100 })).events
          .length;
      const holdsBefore = await ofHolds();
      const people = [
        ...old(4, { userId: 'ann' }),
        ...old(4, { userId: 'bob', resource: 'invoice', resourceId: 'INV-7' }),
        ...old(4, { userId: 'bob', resource: 'order', timestamp: OLD + 10 * DAY }),
        ...old(4, { tenantId: 'other' }),
        ...old(4),
      ];
      await sealed(people);
      const because = { reason: 'case 4711', placedBy: 'counsel@example.test' };
      const holds = [
        await retained().placeHold({ tenantId: 'acme', userId: 'ann', ...because }),
        await retained().placeHold({
          tenantId: 'acme',
          resource: 'invoice',
          resourceId: 'INV-7',
          ...because,
        }),
        await retained().placeHold({ ...ALL, from: OLD + 9 * DAY, to: new Date(OLD + 11 * DAY), ...because }),
        await retained().placeHold({ tenantId: 'other', ...because }),
      ];
      expect(await retained().holds(ALL)).toEqual(holds);
      expect(await retained().holds({ tenantId: 'acme' })).toEqual(holds.slice(0, 3));
      expect(holds[0]).toMatchObject({ tenantId: 'acme', userId: 'ann', ...because });
      const { events } = await audit.find({ tenantId: 'acme', action: 'audit.hold' });
      expect(events).toHaveLength(2);
      expect(await retained().removeExpired({ dryRun: true })).toMatchObject({ removed: 4, held: 16 });
      expect(await retained().removeExpired()).toMatchObject({ removed: 4, held: 16 });

      const because2 = { reason: 'settled', liftedBy: 'counsel@example.test' };
      expect(await retained().liftHold(holds[0]!.id, because2)).toEqual(holds[0]);
      await expect(retained().liftHold(holds[0]!.id, because2)).rejects.toThrow(/no hold of this id/);
      expect(await retained().holds(ALL)).toEqual(holds.slice(1));
      expect(await retained().removeExpired()).toMatchObject({ removed: 4, held: 12 });
      for (const hold of holds.slice(1)) await retained().liftHold(hold.id, because2);
      expect(await retained().removeExpired()).toMatchObject({ removed: 12, held: 0 });
      // What tells of holds stays, however old it gets.
      await audit.checkpoint();
      expect(await audit.verify()).toMatchObject({ ok: true, removed: before.removed! + 20 });
      expect(await ofHolds()).toBe(holdsBefore + 8);

      for (const [field, wrong] of Object.entries({
        reason: { ...because, reason: ' ' },
        placedBy: { reason: 'x' },
        userId: { ...because, userId: '' },
        from: { ...because, from: 'yesterday' },
        to: { ...because, from: OLD, to: OLD },
        why: { ...because, why: 'x' },
      })) {
        await expect(retained().placeHold({ tenantId: 'acme', ...wrong } as never)).rejects.toMatchObject({
          code: 'AUDIT_INVALID_QUERY',
          field,
        });
      }
      await expect(retained().placeHold(because as never)).rejects.toMatchObject({ field: 'tenantId' });
    });

    it('regards a hold that is placed while it goes on', async () => {
      await sealed(old(30, { tenantId: 'bank' }));
      let placed: Promise<unknown> | undefined;
      const result = await retained().removeExpired({
        onProgress: () => {
          placed ??= retained().placeHold({ tenantId: 'bank', reason: 'stop', placedBy: 'counsel' });
        },
      });
      await placed;
      expect(result.removed).toBeLessThan(30);
      expect(result.removed + result.held).toBe(30);
      expect(await retained().removeExpired()).toMatchObject({ removed: 0, held: result.held });
    });

    it('goes on where it was broken off, and two runs at once do no harm', async () => {
      const { audit } = app!;
      const before = await audit.verify();
      await sealed(old(40, { tenantId: 'globex' }));
      const broken = new AbortController();
      const first = retained().removeExpired({
        signal: broken.signal,
        onProgress: ({ removed }) => removed >= 14 && broken.abort(new Error('enough')),
      });
      await expect(first).rejects.toThrow('enough');
      expect(await audit.verify()).toMatchObject({ ok: true, removed: before.removed! + 14 });
      // Another process, as far as the database has more than one writer. It removes by its main thread.
      const other =
        name === 'sqlite'
          ? undefined
          : await startLedgerApp(
              { ...database, journal: `${database.journal}-other` },
              {
                features: [retention({ rules: [{ keepDays: 365 }], batchSize: 5, pauseMs: 0 })],
                ledger: { signingKey: signerKey },
                delivery: AS_A_TOOL,
              },
            );
      try {
        const results = await Promise.all([
          retained().removeExpired(),
          other ? other.get(AuditRetention).removeExpired() : retained().removeExpired(),
        ]);
        expect(results[0]!.removed + results[1]!.removed).toBe(26);
        await audit.checkpoint();
        expect(await audit.verify()).toMatchObject({ ok: true, removed: before.removed! + 40 });
        const { events } = await audit.find({ tenantId: 'globex', action: 'audit.removal', limit: 100 });
        expect(events.reduce((sum, { details }) => sum + Number(details['removed']), 0)).toBe(40);
      } finally {
        await other?.close();
      }
    });

    // One server is enough: which of two transactions a deadlock ends, only MySQL's rule tells beforehand.
    if (name === 'mysql') {
      it('goes on where the database ends it for a deadlock with another run', async () => {
        const events = await sealed(old(4, { tenantId: 'initech' }));
        const other = await new DataSource(database.options as DataSourceOptions).initialize();
        const run = other.createQueryRunner();
        const take = (...ids: string[]) =>
          run.query(
            `INSERT INTO audit_removals (event_id) VALUES ${ids.map((id) => `(X'${id.replaceAll('-', '')}')`).join(', ')}`,
          );
        try {
          await run.startTransaction();
          // It has written more, so it is not the one that is ended.
          await take(...Array.from({ length: 300 }, () => randomUUID()), events.at(-1)!.id);
          const removal = retained().removeExpired();
          await eventually(async () => {
            expect(await runningStatements(other)).toContainEqual(
              expect.stringMatching(/^INSERT INTO `audit_removals`/),
            );
          });
          await take(events[0]!.id);
          await run.rollbackTransaction();
          expect(await removal).toMatchObject({ removed: 4 });
        } finally {
          await run.release();
          await other.destroy();
        }
      });
    }

    it('lets a removed event that somebody kept be proved still', async () => {
      const { audit } = app!;
      const [kept] = await sealed(old(5));
      const bundle = await audit.prove(kept!.id);
      const stored = bundle!.event as AuditLogEvent;
      await retained().removeExpired();
      await sealed([{ action: 'invoice.pay' }]);
      expect(await audit.prove(kept!.id)).toBeUndefined();
      const verifiers = [parseVerifierKey(verifierKey)];
      // The bundle of before, and a new one, of the log as it is now.
      expect(checkProof(bundle!, verifiers)).toMatchObject({ ok: true });
      const later = await audit.prove(stored);
      expect(later!.treeSize).toBeGreaterThan(bundle!.treeSize);
      expect(checkProof(later!, verifiers)).toMatchObject({ ok: true });
      await expect(audit.prove({ ...stored, resource: 'forged' })).rejects.toMatchObject({
        code: 'AUDIT_LEDGER_BROKEN',
      });
      await expect(audit.prove({} as never)).rejects.toMatchObject({ code: 'AUDIT_INVALID_QUERY' });
      expect(eventLeafHash(stored)).toHaveLength(32);
    });

    it('lets nobody delete an event but the transaction that removes it', async () => {
      const before = await idsInTable();
      const [first] = await sealed(old(2));
      const connection = await new DataSource(database.options).initialize();
      try {
        const remove = () => ask(connection, `DELETE FROM audit_events WHERE id = '${first!.id}'`);
        await expect(remove()).rejects.toThrow(/append-only/);
        await expect(connection.query("UPDATE audit_events SET resource = 'x'")).rejects.toThrow(
          /append-only/,
        );
        await retained().removeExpired();
        expect(await idsInTable()).toHaveLength(before.length + 1);
        const [{ n }] = (await connection.query('SELECT COUNT(*) AS n FROM audit_removals')) as [
          { n: unknown },
        ];
        expect(Number(n)).toBe(0);
      } finally {
        await connection.destroy();
      }
    });

    if (name === 'postgres') {
      it('takes no temporary table for the one that names what may go', async () => {
        await sealed(old(1));
        const connection = await new DataSource(database.options).initialize();
        const session = connection.createQueryRunner();
        try {
          await session.query(
            'CREATE TEMPORARY TABLE audit_removals AS SELECT id AS event_id FROM audit_events',
          );
          await expect(session.query('DELETE FROM audit_events')).rejects.toThrow(/append-only/);
        } finally {
          await session.query('DROP TABLE pg_temp.audit_removals');
          await session.release();
          await connection.destroy();
        }
      });
    }
  });

  describe('where it is not listed at first', () => {
    const masterKey = randomBytes(32).toString('base64');
    const without = { ledger: { signingKey: signerKey }, delivery: AS_A_TOOL };
    let connection: DataSource;
    beforeAll(async () => {
      database = await create({ isEmpty: true });
      app = await startLedgerApp(database, without);
      connection = await new DataSource(database.options).initialize();
    });
    afterAll(async () => {
      await connection.destroy();
      await close();
    });

    it('has no table, no service and no way to delete', async () => {
      await sealed(old(3, { userId: 'ann' }));
      expect(() => retained()).toThrow(/AuditRetention/);
      await expect(connection.query('SELECT event_id FROM audit_removals')).rejects.toThrow();
      await expect(connection.query('DELETE FROM audit_events')).rejects.toThrow(/append-only/);
    });

    it('removes what is old once it is, and without it verification says what to load', async () => {
      const audit = await restart();
      expect(await retained().removeExpired()).toMatchObject({ removed: 3 });
      await retained().placeHold({ tenantId: 'acme', userId: 'ann', reason: 'case', placedBy: 'counsel' });
      await audit.checkpoint();
      expect(await audit.verify()).toMatchObject({ ok: true, removed: 3 });
      await expect(connection.query('DELETE FROM audit_events')).rejects.toThrow(/append-only/);
      await app!.close();
      app = await startLedgerApp(database, {
        ...without,
        features: [protection({ fields: ['ipAddress'], masterKey })],
      });
      const { ok, problems, removed } = await app.audit.verify();
      expect([ok, removed, problems.map(({ code }) => code)]).toEqual([
        false,
        undefined,
        Array(3).fill('event_missing'),
      ]);
      for (const { message } of problems)
        expect(message).toMatch(/record of retention that is not loaded.*features: \[retention\(\)\]/);
      expect((await app.audit.sources()).flatMap(({ gaps }) => gaps)).toEqual([]);
      // Nobody here can tell whether a hold is on it.
      const forget = () => app!.get(DataProtection).forget({ tenantId: 'acme', subjectId: 'ann' });
      await expect(forget()).rejects.toMatchObject({ code: 'AUDIT_INVALID_OPTIONS', field: 'features' });
      await restart(undefined, {
        features: [protection({ fields: ['ipAddress'], masterKey })],
        delivery: AS_A_TOOL,
      });
      await expect(forget()).rejects.toMatchObject({ code: 'AUDIT_HELD' });
    });

    it('takes its table and its trigger away again', async () => {
      await app!.close();
      app = undefined;
      const library = await new DataSource({
        ...database.options,
        migrations: [...AUDIT_MIGRATIONS, ...protection.tables.migrations, ...retention.tables.migrations],
        migrationsTableName: AUDIT_MIGRATIONS_TABLE,
      } as DataSourceOptions).initialize();
      try {
        // That of protection has come later.
        for (let times = 0; times < 2; times += 1) await library.undoLastMigration();
        await expect(library.query('SELECT event_id FROM audit_removals')).rejects.toThrow();
        await expect(library.query('DELETE FROM audit_events')).rejects.toThrow(/append-only/);
        await expect(library.query("UPDATE audit_events SET resource = 'x'")).rejects.toThrow(/append-only/);
        await library.runMigrations();
        expect(await library.query('SELECT event_id FROM audit_removals')).toEqual([]);
      } finally {
        await library.destroy();
      }
    });

    it('goes on where a process without it is late with the migrations of the core', async () => {
      await restart();
      const library = await new DataSource({
        ...database.options,
        migrations: AUDIT_MIGRATIONS,
        migrationsTableName: AUDIT_MIGRATIONS_TABLE,
      } as DataSourceOptions).initialize();
      try {
        // As it was when that process asked.
        const [row] = await library.query<{ timestamp: unknown; name: string }[]>(
          "SELECT timestamp, name FROM audit_migrations WHERE name LIKE 'CreateAudit1%'",
        );
        await library.query("DELETE FROM audit_migrations WHERE name LIKE 'CreateAudit1%'");
        const isDone = await library.runMigrations().then(
          () => true,
          () => false,
        );
        if (!isDone)
          await library.query(
            `INSERT INTO audit_migrations (timestamp, name) VALUES (${String(row!.timestamp)}, '${row!.name}')`,
          );
      } finally {
        await library.destroy();
      }
      await sealed(old(2));
      expect(await retained().removeExpired()).toMatchObject({ removed: 2 });
    });
  });

  describe('with rules for tenants and categories, in batches of its own choice', () => {
    beforeAll(async () => {
      await open();
      const rules: RetentionRule[] = [
        { category: 'data_access', keepDays: 100 },
        { tenantId: 'bank', keepDays: 1_000 },
        { tenantId: 'bank', category: 'authentication', keepDays: 10 },
      ];
      await start(rules, {}, { batchSize: undefined });
    });
    afterAll(close);

    it('goes by the rule that names most, and keeps what no rule names', async () => {
      const { audit } = app!;
      const before = await audit.verify();
      const event = (
        tenantId: string,
        category: AuditEventInput['category'],
        days: number,
      ): AuditEventInput => ({
        action: 'thing.do',
        tenantId,
        category,
        timestamp: now - days * DAY,
      });
      const [, keptRead, , keptLogin, , keptAny, keptSystem] = await sealed([
        event('acme', 'data_access', 101),
        event('acme', 'data_access', 99),
        event('bank', 'authentication', 11),
        event('bank', 'authentication', 9),
        event('bank', 'data_access', 1_001),
        event('bank', 'data_access', 999),
        event('acme', 'system', 5_000),
      ]);
      const { groups } = await retained().removeExpired();
      expect(groups.map(({ tenantId, category, events }) => [tenantId, category, events])).toEqual([
        ['acme', 'data_access', 1],
        ['bank', 'authentication', 1],
        ['bank', 'data_access', 1],
      ]);
      const left = await idsInTable();
      for (const { id } of [keptRead!, keptLogin!, keptAny!, keptSystem!]) expect(left).toContain(id);
      expect(await audit.verify()).toMatchObject({ ok: true, removed: (before.removed ?? 0) + 3 });
    });

    it('takes small batches where requests wait for them', async () => {
      await sealed(old(60));
      const told: number[] = [];
      await retained().removeExpired({ onProgress: ({ removed }) => told.push(removed) });
      expect(told).toEqual(name === 'sqlite' ? [50, 60] : [60]);
    });
  });

  describe('in a log that each test changes, and puts right again', () => {
    let raw: RawTables;
    beforeAll(async () => {
      await open();
      await start();
      raw = await RawTables.open(database);
    });
    afterAll(async () => {
      await raw.close();
      await close();
    });

    it('removes nothing that is not sealed yet, and nothing that was changed', async () => {
      const { audit } = app!;
      const [, changed] = await sealed(old(3));
      for (const event of old(2)) await audit.record({ tenantId: 'acme', ...event });
      await audit.flush();
      await raw.query(`UPDATE audit_events SET resource = 'forged' WHERE id = '${changed!.id}'`);
      expect(await retained().removeExpired()).toMatchObject({ removed: 2, changed: 1 });
      const { ok, problems } = await audit.verify();
      expect([ok, problems.map(({ code, eventId }) => [code, eventId])]).toEqual([
        false,
        expect.arrayContaining([['event_changed', changed!.id]]),
      ]);
      await audit.checkpoint();
      expect(await retained().removeExpired()).toMatchObject({ removed: 2, changed: 1 });
      // As it was, it can go.
      await raw.query(
        `UPDATE audit_events SET resource = '${changed!.resource}' WHERE id = '${changed!.id}'`,
      );
      expect(await retained().removeExpired()).toMatchObject({ removed: 1, changed: 0 });
    });

    it('names a leaf that was changed although its event is gone by right', async () => {
      const { audit } = app!;
      const { treeSize } = await audit.checkpoint();
      await sealed(old(5));
      await retained().removeExpired();
      await audit.checkpoint();
      expect((await audit.verify()).ok).toBe(true);
      const ofLeaf = `WHERE leaf_index = ${treeSize + 2}`;
      const [leaf] = await raw.query(`SELECT leaf_hash FROM audit_leaves ${ofLeaf}`);
      const change = (hash: unknown) =>
        raw.query(`UPDATE audit_leaves SET leaf_hash = '${String(hash)}' ${ofLeaf}`);
      await change(randomBytes(32).toString('base64'));
      expect((await audit.verify()).ok).toBe(false);
      await change(leaf!['leaf_hash']);
      expect((await audit.verify()).ok).toBe(true);
    });
  });

  describe('in a log of its own', () => {
    beforeEach(open);
    afterEach(close);

    it('leaves a letter replayed whose event it has removed', async () => {
      const audit = await start();
      const connection = await new DataSource(database.options).initialize();
      try {
        await narrowActions(connection, name);
        await audit.record({ tenantId: 'acme', ...old(1, { action: POISON })[0]! });
        await audit.flush();
        await widenActions(connection, name);
      } finally {
        await connection.destroy();
      }
      expect(await audit.replayDeadLetters(ALL)).toEqual({ replayed: 1, refused: 0 });
      await audit.checkpoint();
      expect(await retained().removeExpired()).toMatchObject({ removed: 1 });
      expect(await audit.deadLetters(ALL)).toEqual([]);
      expect((await audit.sources()).map(({ deadLetters }) => deadLetters)).toEqual([undefined]);
      expect(await audit.replayDeadLetters(ALL)).toEqual({ replayed: 0, refused: 0 });
      await audit.checkpoint();
      expect(await audit.verify()).toMatchObject({ ok: true, removed: 1 });
    });

    it('removes what is old enough, in batches that each say so, and the log verifies', async () => {
      const audit = await start();
      const gone = await sealed(old(20));
      const stays = await sealed([
        { action: 'invoice.read', timestamp: now - 364 * DAY },
        { action: 'invoice.pay' },
      ]);
      const told: number[] = [];
      const seen: AuditLogEvent[] = [];
      audit.observe({ tenantId: 'acme', action: 'audit.removal' }).subscribe((event) => seen.push(event));
      const would = await retained().removeExpired({ dryRun: true });
      expect(would).toMatchObject({ dryRun: true, removed: 20, held: 0, changed: 0 });
      expect(would.groups).toEqual([
        expect.objectContaining({
          tenantId: 'acme',
          category: 'data_access',
          keepDays: 365,
          events: 20,
          oldest: OLD,
          newest: OLD + 19,
        }),
      ]);
      expect(await idsInTable()).toHaveLength(22);

      const result = await retained().removeExpired({ onProgress: ({ removed }) => told.push(removed) });
      expect(result).toMatchObject({ dryRun: false, removed: 20, held: 0, changed: 0 });
      expect(told).toEqual([7, 14, 20]);
      const ids = await idsInTable();
      for (const { id } of gone) expect(ids).not.toContain(id);
      for (const { id } of stays) expect(ids).toContain(id);
      const { events } = await audit.find({ tenantId: 'acme', action: 'audit.removal', order: 'oldest' });
      expect(events.map(({ details }) => details['removed'])).toEqual([7, 7, 6]);
      expect(events[0]).toMatchObject({
        category: 'compliance',
        resource: 'audit',
        details: { category: 'data_access', keepDays: 365, oldest: OLD, newest: OLD + 6 },
      });
      expect(seen.map(({ id }) => id)).toEqual(events.map(({ id }) => id));

      // Before the records are sealed, and after.
      for (const pending of [3, 0]) {
        expect(await audit.verify()).toMatchObject({ ok: true, problems: [], removed: 20, pending });
        await audit.checkpoint();
      }
      expect((await audit.sources()).flatMap(({ gaps }) => gaps)).toEqual([]);
      // There is nothing left to do, and the log goes on, also after a restart.
      expect(await retained().removeExpired()).toMatchObject({ removed: 0, groups: [] });
      const again = await restart(undefined, { delivery: AS_A_TOOL });
      await sealed([{ action: 'invoice.pay' }]);
      expect(await again.verify()).toMatchObject({ ok: true, removed: 20, events: 2 + 3 + 1 });
      expect((await again.sources()).flatMap(({ gaps }) => gaps)).toEqual([]);
    });

    it('is red where something was tampered with among what was removed', async () => {
      const audit = await start();
      await sealed(old(10));
      const [deleted, ...rest] = await sealed([
        { action: 'invoice.pay' },
        { action: 'invoice.pay' },
        { action: 'invoice.pay' },
      ]);
      await retained().removeExpired();
      await audit.checkpoint();
      expect(await audit.verify()).toMatchObject({ ok: true, removed: 10 });
      const raw = await RawTables.open(database);
      const rows = await raw.rows('audit_events', 'id');
      const restore = async () => {
        await raw.query('DELETE FROM audit_events');
        await raw.insert('audit_events', rows);
        expect(await audit.verify()).toMatchObject({ ok: true });
      };
      const problems = async () =>
        (await audit.verify({ maxProblems: 1_000 })).problems.map(({ code, eventId }) => [code, eventId]);
      try {
        // Removed without a record.
        await raw.query(`DELETE FROM audit_events WHERE id = '${deleted!.id}'`);
        expect(await problems()).toEqual([['event_missing', deleted!.id]]);
        await restore();
        // The record itself removed, or changed.
        const record = rows.find((row) => row['action'] === 'audit.removal')!;
        const recordId = String(record['id']);
        await raw.query(`DELETE FROM audit_events WHERE id = '${recordId}'`);
        expect(await problems()).toHaveLength(8);
        await restore();
        const forge = async (change: (details: Record<string, unknown>) => void) => {
          const details = JSON.parse(String(record['details'])) as Record<string, unknown>;
          change(details);
          await raw.query(`DELETE FROM audit_events WHERE id = '${recordId}'`);
          await raw.insert('audit_events', [{ ...record, details: JSON.stringify(details) }]);
          const found = await problems();
          await restore();
          return found.map(([code]) => code);
        };
        const text = (details: Record<string, unknown>) => String(details['record']);
        for (const change of [
          (details: Record<string, unknown>) =>
            (details['record'] = text(details).replace(/\n0-\d+/, '\n0-99')),
          (details: Record<string, unknown>) => (details['record'] = `${text(details).split('\n\n')[0]}\n\n`),
          (details: Record<string, unknown>) => (details['record'] = 'no record'),
          (details: Record<string, unknown>) => delete details['record'],
        ]) {
          const found = await forge(change);
          expect(found).toContain('removal_untrusted');
          expect(found).toContain('event_missing');
          expect(found).toContain('event_changed');
        }
        // A record that somebody with the database alone adds covers nothing, sealed or not.
        const forged = { ...rest[0]!, id: rest[0]!.id };
        const forgedId = forged.id.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
        const note = text(JSON.parse(String(record['details'])) as Record<string, unknown>);
        await raw.insert('audit_events', [
          {
            ...record,
            id: forgedId,
            details: JSON.stringify({
              record: note.replace(recordId, forgedId).replace(/\n0-\d+/, '\n0-12'),
            }),
          },
        ]);
        await raw.query(`DELETE FROM audit_events WHERE id = '${deleted!.id}'`);
        await audit.checkpoint();
        const found = await problems();
        expect(found).toContainEqual(['removal_untrusted', forgedId]);
        expect(found).toContainEqual(['event_missing', deleted!.id]);
      } finally {
        await raw.close();
      }
    });

    it('believes an unsigned record from before the first key, as far as it is told', async () => {
      const audit = await start([{ keepDays: 365 }], { ledger: {}, delivery: AS_A_TOOL });
      await sealed(old(5));
      await retained().removeExpired();
      const { treeSize, origin } = await audit.checkpoint();
      expect(await audit.verify()).toMatchObject({ ok: true, removed: 5 });
      const keys = [verifierKey];
      expect((await audit.verify({ keys, origin })).problems.map(({ code }) => code)).toContain(
        'removal_untrusted',
      );
      expect(await audit.verify({ keys, origin, unsignedUntil: treeSize })).toMatchObject({
        ok: true,
        removed: 5,
      });
    });

    it('shows what is stored, and what it takes', async () => {
      await start(undefined, { delivery: AS_A_TOOL });
      await sealed([...old(3), ...old(1, { tenantId: 'other', timestamp: OLD - DAY })]);
      const all = await retained().storage(ALL);
      expect(all).toMatchObject({ events: 4, oldest: OLD - DAY, newest: OLD + 2 });
      expect(all.bytes).toBeGreaterThan(4 * 1024);
      expect(all.tenants).toEqual([
        { tenantId: 'acme', events: 3, bytes: Math.round((all.bytes * 3) / 4), oldest: OLD, newest: OLD + 2 },
        {
          tenantId: 'other',
          events: 1,
          bytes: Math.round(all.bytes / 4),
          oldest: OLD - DAY,
          newest: OLD - DAY,
        },
      ]);
      expect(await retained().storage()).toEqual(all);
      expect(await retained().storage({ tenantId: 'other' })).toMatchObject({
        events: 1,
        tenants: [{ tenantId: 'other' }],
      });
      expect(await retained().storage({ tenantId: 'nobody' })).toEqual({ events: 0, bytes: 0, tenants: [] });
      await expect(retained().storage({} as never)).rejects.toMatchObject({ code: 'AUDIT_INVALID_QUERY' });
    });

    if (name === 'postgres') {
      it('counts what the parts of a partitioned table take', async () => {
        await start(undefined, { delivery: AS_A_TOOL });
        const before = (await retained().storage(ALL)).bytes;
        const connection = await new DataSource(database.options).initialize();
        try {
          for (const statement of [
            'ALTER TABLE audit_events RENAME TO audit_events_whole',
            'CREATE TABLE audit_events (LIKE audit_events_whole INCLUDING ALL) PARTITION BY HASH (id)',
            'CREATE TABLE audit_events_0 PARTITION OF audit_events FOR VALUES WITH (MODULUS 2, REMAINDER 0)',
            'CREATE TABLE audit_events_1 PARTITION OF audit_events FOR VALUES WITH (MODULUS 2, REMAINDER 1)',
          ])
            await connection.query(statement);
          await sealed(old(2));
          expect((await retained().storage(ALL)).bytes).toBeGreaterThanOrEqual(before);
        } finally {
          await connection.destroy();
        }
      });
    }

    it('goes together with erasure and a rotation of keys', async () => {
      const [former, master] = [randomBytes(32), randomBytes(32)].map((key) => key.toString('base64'));
      const fields = ['ipAddress'];
      await start(undefined, {
        features: [protection({ fields, masterKey: former! })],
        delivery: AS_A_TOOL,
      });
      const who = (userId: string) => ({ userId, ipAddress: '203.0.113.7' });
      await sealed([
        ...old(8, who('ann')),
        ...old(8, who('bob')),
        { action: 'invoice.pay', ...who('ann') },
        { action: 'invoice.pay', ...who('bob') },
      ]);
      const audit = await restart(undefined, {
        features: [protection({ fields, masterKey: master!, retiredMasterKeys: [former!] })],
      });
      const { id } = await retained().placeHold({
        tenantId: 'acme',
        userId: 'ann',
        reason: 'case',
        placedBy: 'counsel',
      });
      const persons = app!.get(DataProtection);
      await expect(persons.forget({ tenantId: 'acme', subjectId: 'ann' })).rejects.toMatchObject({
        code: 'AUDIT_HELD',
        status: 409,
      });
      await retained().liftHold(id, { reason: 'settled', liftedBy: 'counsel' });
      await persons.rotateKeys({ dataKeys: true });
      await persons.forget({ tenantId: 'acme', subjectId: 'ann' });
      expect(await retained().removeExpired()).toMatchObject({ removed: 16 });
      await audit.flush();
      await audit.checkpoint();
      expect(await audit.verify()).toMatchObject({ ok: true, problems: [], removed: 16, pending: 0 });
      const { events } = await audit.find({
        tenantId: 'acme',
        action: 'invoice.pay',
        reveal: true,
        order: 'oldest',
      });
      expect(events.map(({ ipAddress }) => ipAddress)).toEqual(['[erased]', '203.0.113.7']);
      const raw = await RawTables.open(database);
      try {
        await raw.query(`UPDATE audit_events SET ip_address = '198.51.100.1' WHERE id = '${events[0]!.id}'`);
        const { ok, problems } = await audit.verify();
        expect([ok, problems.map(({ code, eventId }) => [code, eventId])]).toEqual([
          false,
          [['event_changed', events[0]!.id]],
        ]);
      } finally {
        await raw.close();
      }
    });

    // On servers the attacks on records show that the user of the retention may delete; refusals need no database.
    if (name !== 'sqlite') return;

    it('works by a connection of its own, whose user alone may delete', async () => {
      const audit = await start(undefined, {}, { database: database.options });
      await sealed(old(9));
      expect(await retained().removeExpired()).toMatchObject({ removed: 9 });
      expect(await audit.verify()).toMatchObject({ ok: true, removed: 9 });
    });

    it('signs nothing where it can not, and says what is wrong with its rules', async () => {
      await start([{ keepDays: 365 }], { ledger: { verifierKeys: [verifierKey] } });
      await expect(retained().removeExpired()).rejects.toMatchObject({ field: 'ledger.signingKey' });
      const none = await restart(undefined, {});
      await expect(retained().removeExpired()).resolves.toMatchObject({ removed: 0 });
      expect(none).toBeDefined();
      await app!.close();
      app = await startLedgerApp(database, { features: [retention()], ledger: { signingKey: signerKey } });
      await expect(retained().removeExpired()).rejects.toMatchObject({
        code: 'AUDIT_INVALID_OPTIONS',
        field: 'retention.rules',
      });
      await app.close();
      app = undefined;
      const wrong: [rules: unknown, field: string, text: RegExp][] = [
        [undefined, 'retention.rules', /write a list/],
        [[{ keepDays: 0 }], 'retention.rules[0].keepDays', /integer from 1/],
        [[{ keepDays: 1.5 }], 'retention.rules[0].keepDays', /integer from 1/],
        [[{ keepDays: 1 }, { keepDays: 2 }], 'retention.rules[1]', /same tenant and category/],
        [[{ keepDays: 1, category: 'login' }], 'retention.rules[0].category', /write one of authentication/],
        [[{ keepDays: 1, tenantId: '' }], 'retention.rules[0].tenantId', /leave it out/],
        [[{ keepDays: 1, tenant: 'a' }], 'retention.rules[0].tenant', /no audit option/],
        [['forever'], 'retention.rules[0]', /write \{ keepDays/],
      ];
      for (const [rules, field, text] of wrong) {
        const error: unknown = await startLedgerApp(database, {
          features: [retention({ rules } as never)],
        }).then(
          (started) => started.close(),
          (reason: unknown) => reason,
        );
        expect(error).toBeInstanceOf(AuditError);
        expect(error).toMatchObject({ code: 'AUDIT_INVALID_OPTIONS', field });
        expect(String(error)).toMatch(text);
      }
    });
  });
});
