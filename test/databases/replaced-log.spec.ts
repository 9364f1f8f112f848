// The database of the audit is dropped under the running application: it goes on, in a log that can't be taken for the one before.
import { DataSource } from 'typeorm';
import type { AuditLogEvent, AuditModuleOptions } from 'nest-audit-trail';
import { AuditRetention, retention } from 'nest-audit-trail/retention';
import { generateKeys } from '../../src/ledger/index.js';
import { eventually } from '../support/eventually.js';
import { send } from '../support/http-client.js';
import { AS_A_TOOL } from '../support/ledger-app.js';
import { narrowActions, POISON } from '../support/narrow-column.js';
import { startThings } from '../support/things-app.js';
import type { ThingsApp } from '../support/things-app.js';
import { describeEachDatabase } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';

/** Applications and threads start several times in each test. */
const TIMEOUT_MS = 120_000;

describeEachDatabase('a log whose database was dropped', (create, name) => {
  let database: TestDatabase;
  let app: ThingsApp | undefined;
  const keys = generateKeys('audit.example');

  beforeEach(async () => {
    database = await create({ isEmpty: true });
  });

  afterEach(async () => {
    await app?.close();
    app = undefined;
    await database.drop();
  });

  async function start(options: AuditModuleOptions = {}): Promise<ThingsApp> {
    app = await startThings({
      ...options,
      database: database.options,
      ledger: { signingKey: keys.signerKey, intervalMs: 100, gapTimeoutMs: 500 },
      delivery: { directory: database.journal, ...options.delivery },
    });
    return app;
  }

  /** By somebody who may do so: what is there goes, and an empty database of the same name is made. */
  async function dropDatabase(): Promise<void> {
    const { options } = database;
    if (options.type === 'better-sqlite3') {
      const file = await new DataSource(options).initialize();
      const tables: { name: string }[] = await file.query(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
      );
      await file.query('DROP VIEW audit_events_text');
      for (const table of tables) await file.query(`DROP TABLE ${table.name}`);
      return file.destroy();
    }
    const admin = { ...options, database: name === 'postgres' ? 'postgres' : undefined } as typeof options;
    const server = await new DataSource(admin).initialize();
    await server.query(
      `DROP DATABASE ${options.database as string}${name === 'postgres' ? ' WITH (FORCE)' : ''}`,
    );
    await server.query(`CREATE DATABASE ${options.database as string}`);
    await server.destroy();
  }

  const actionsOf = async ({ audit }: ThingsApp) =>
    (await audit.find({ allTenants: true })).events.map(({ action }) => action);

  for (const thread of name === 'sqlite' ? [false] : [true, false]) {
    it(
      `is followed by another one that says so, ${thread ? 'by the thread' : 'without a thread'}`,
      async () => {
        const { audit, port, logged } = await start({ delivery: { thread } });
        await send(port, { path: '/things/1' });
        await eventually(() => audit.flush());
        const before = await eventually(async () => {
          const checkpoint = await audit.checkpoint();
          expect(checkpoint.treeSize).toBeGreaterThan(0);
          return checkpoint;
        });
        expect(before.origin).toBe('audit.example');
        await dropDatabase();
        expect((await send(port, { path: '/things/2' })).status).toBe(200);

        const told = await eventually(async (): Promise<AuditLogEvent> => {
          await audit.flush();
          const { events } = await audit.find({ allTenants: true, action: 'audit.log-replaced' });
          expect(events).toHaveLength(1);
          return events[0]!;
        });
        expect(told).toMatchObject({ category: 'security', severity: 'critical', outcome: 'failure' });
        expect(told.details).toMatchObject({
          previousSize: before.treeSize,
          previousRoot: before.rootHash,
          log: expect.stringMatching(/^[0-9a-f]{16}$/),
        });
        expect(told.details['previousLog']).not.toBe(told.details['log']);
        expect(logged).toContainEqual(expect.stringContaining('somebody may have removed the evidence'));
        expect(await actionsOf(app!)).toContain('thing.read');

        const origin = `audit.example/${String(told.details['log'])}`;
        const after = await eventually(async () => {
          const checkpoint = await audit.checkpoint();
          // The events, and that the numbers of those in the log before are missing here.
          expect(checkpoint.treeSize).toBeGreaterThanOrEqual(3);
          return checkpoint;
        });
        expect(after.origin).toBe(origin);
        const { problems } = await audit.verify();
        expect(problems.map(({ code }) => code)).toEqual(['sequence_gap']);
        // Who has kept a checkpoint of the log before sees that this is not its continuation.
        const compared = await audit.verify({ checkpoints: [before.note] });
        expect(compared.problems.length).toBeGreaterThan(problems.length);
        expect(compared.ok).toBe(false);

        await app!.close();
        const next = await start({ delivery: { thread } });
        await send(next.port, { path: '/things/3' });
        await eventually(() => next.audit.flush());
        await eventually(async () =>
          expect((await next.audit.checkpoint()).treeSize).toBeGreaterThan(after.treeSize),
        );
        expect((await next.audit.checkpoint()).origin).toBe(origin);
      },
      TIMEOUT_MS,
    );
  }

  it(
    'is followed by one in which each record of a process is believed, by either name',
    async () => {
      const { audit, get } = await start({
        delivery: AS_A_TOOL,
        features: [retention({ rules: [{ keepDays: 365 }] })],
      });
      await audit.record({ action: 'thing.create' });
      await eventually(() => audit.flush());
      await eventually(async () => expect((await audit.checkpoint()).treeSize).toBe(1));
      await dropDatabase();
      const timestamp = Date.now() - 400 * 86_400_000;
      await audit.record({ action: 'thing.read', category: 'data_access', timestamp });
      await eventually(async () => {
        await audit.flush();
        expect(await actionsOf(app!)).toEqual(expect.arrayContaining(['audit.log-replaced', 'thing.read']));
      });
      const { origin } = await eventually(async () => {
        const checkpoint = await audit.checkpoint();
        expect(checkpoint.treeSize).toBeGreaterThanOrEqual(3);
        return checkpoint;
      });
      const kept = get(AuditRetention);
      await kept.placeHold({ tenantId: 'other', reason: 'case', placedBy: 'counsel' });
      expect(await kept.removeExpired()).toMatchObject({ removed: 1 });
      const connection = await new DataSource(database.options).initialize();
      await narrowActions(connection, name);
      await connection.destroy();
      await audit.record({ action: POISON });
      await eventually(async () => expect(await audit.deadLetters({ allTenants: true })).toHaveLength(1));
      for (const options of [{}, { origin }]) {
        const { problems, removed, deadLetters } = await audit.verify(options);
        expect(problems.map(({ code }) => code)).toEqual(['sequence_gap']);
        expect([removed, deadLetters]).toEqual([1, 1]);
      }
      expect(await kept.holds({ tenantId: 'other' })).toHaveLength(1);
    },
    TIMEOUT_MS,
  );

  it(
    'waits for the migrations of somebody else where it may not make tables',
    async () => {
      const first = await start({ delivery: AS_A_TOOL });
      await first.audit.record({ action: 'thing.create' });
      await eventually(() => first.audit.flush());
      await first.close();
      const { audit, logged } = await start({ migrate: false });
      await audit.record({ action: 'thing.create' });
      await eventually(() => audit.flush());
      await dropDatabase();
      await audit.record({ action: 'thing.delete' });
      await eventually(() => expect(logged).toContainEqual(expect.stringContaining('Run the migrations')));
      // Whoever may make them.
      const other = await startThings({
        database: database.options,
        ledger: { seal: false },
        delivery: { mode: 'buffered', ...AS_A_TOOL },
      });
      await other.close();
      await eventually(async () => {
        await audit.flush();
        expect(await actionsOf(app!)).toEqual(expect.arrayContaining(['audit.log-replaced', 'thing.delete']));
      });
    },
    TIMEOUT_MS,
  );
});
