// Between memory and database: away, full, poisoned, shared, closing. The application never notices.
import 'reflect-metadata';
import { Controller, Get, Module, Post } from '@nestjs/common';
import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import type { AddressInfo } from 'node:net';
import { DataSource } from 'typeorm';
import type { DataSourceOptions } from 'typeorm';
import { Audit, AuditError, AuditModule, AuditService } from 'nest-audit-trail';
import { AUDIT_ENTITIES, AuditEventEntity } from 'nest-audit-trail/typeorm';
import type { AuditDatabaseOptions, AuditModuleOptions } from 'nest-audit-trail';
import { eventually } from '../support/eventually.js';
import { AS_A_TOOL } from '../support/ledger-app.js';
import { narrowActions, POISON } from '../support/narrow-column.js';
import { runningStatements } from '../support/server-processes.js';
import { removable } from '../support/removable-database.js';
import type { RemovableDatabase } from '../support/removable-database.js';
import { send } from '../support/http-client.js';
import { describeEachDatabase } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';

let answerSlowly: () => void = () => undefined;
let slowBegun: Promise<void>;
let begin: () => void;

@Audit()
@Controller('things')
class ThingsController {
  @Get() list() {
    return [];
  }

  @Post() create() {
    return { id: 1 };
  }

  @Get('slow') slow() {
    begin();
    return new Promise((resolve) => {
      answerSlowly = () => resolve({ slow: true });
    });
  }
}

/** About as much as one event can hold. */
const LARGE_DETAILS = Object.fromEntries(
  Array.from({ length: 28 }, (_, index) => [`k${index}`, 'x'.repeat(2_040)]),
);

describeEachDatabase('delivery', (create, name) => {
  let database: TestDatabase;
  let app: INestApplication | undefined;
  let store: RemovableDatabase | undefined;
  const logged: string[] = [];
  const unhandled: unknown[] = [];
  const noteUnhandled = (reason: unknown) => unhandled.push(reason);

  beforeEach(async () => {
    database = await create();
    logged.length = 0;
    unhandled.length = 0;
    slowBegun = new Promise((resolve) => (begin = resolve));
    process.on('unhandledRejection', noteUnhandled);
  });

  afterEach(async () => {
    await app?.close();
    app = undefined;
    await store?.release();
    store = undefined;
    await database.drop();
    process.off('unhandledRejection', noteUnhandled);
    expect(unhandled).toEqual([]);
  });

  async function start(options: AuditModuleOptions, imports: object[] = []) {
    @Module({
      imports: [
        ...(imports as []),
        AuditModule.forRoot({
          ...options,
          delivery: { mode: 'buffered', directory: database.journal, ...options.delivery },
        }),
      ],
      controllers: [ThingsController],
    })
    class DeliveryModule {}
    const keep = (message: unknown) => void logged.push(String(message));
    app = await NestFactory.create(DeliveryModule, {
      logger: { log: keep, warn: keep, error: keep, fatal: keep },
      abortOnError: false,
    });
    await app.listen(0, '127.0.0.1');
    const { port } = app.getHttpServer().address() as AddressInfo;
    return { audit: app.get(AuditService), port };
  }

  const idsIn = async (audit: AuditService) => {
    const ids: string[] = [];
    for await (const event of audit.stream({ allTenants: true, order: 'oldest' })) ids.push(event.id);
    return ids;
  };

  // SQLite answers within the same turn.
  if (name !== 'sqlite') {
    it('waits for a statement that a lock holds up, with one connection, and stores its events once', async () => {
      const { audit } = await start({ database: database.options, delivery: { statementTimeoutMs: 100 } });
      await audit.record({ action: 'thing.before' });
      // To connect takes longer than a statement may.
      await eventually(() => audit.flush());
      const other = await new DataSource(database.options as DataSourceOptions).initialize();
      const holder = other.createQueryRunner();
      try {
        await holder.startTransaction();
        const lock = {
          mysql: 'LOCK TABLES audit_events READ',
          postgres: 'LOCK TABLE audit_events IN SHARE MODE',
        };
        await holder.query(lock[name]);
        const { retried } = audit.status();
        const record = (index: number) => audit.record({ action: 'thing.after', resourceId: `${index}` });
        await Promise.all(Array.from({ length: 20 }, (_, index) => record(index)));
        await eventually(() => expect(audit.status().retried).toBeGreaterThanOrEqual(retried + 4));
        expect(audit.status()).toMatchObject({
          healthy: false,
          lastError: expect.stringContaining('no answer'),
        });
        const inserts = (await runningStatements(other)).filter((text) =>
          /^INSERT INTO.*audit_events/.test(text),
        );
        expect(inserts).toHaveLength(1);
        await holder.query(name === 'mysql' ? 'UNLOCK TABLES' : 'SELECT 1');
        await holder.commitTransaction();
      } finally {
        await holder.release();
        await other.destroy();
      }
      await eventually(() => audit.flush());
      expect(await idsIn(audit)).toHaveLength(21);
      expect(audit.status()).toMatchObject({ healthy: true, pending: 0, delivered: 21 });
    });

    it('breaks a connection on which nothing answers any more', async () => {
      store = await removable(database, true);
      const { audit } = await start({
        database: store.options,
        delivery: { statementTimeoutMs: 200 },
        ledger: { seal: false },
      });
      await audit.record({ action: 'thing.before' });
      // To connect takes longer than a statement may.
      await eventually(() => audit.flush());
      const { retried } = audit.status();
      store.proxy!.silence();
      await audit.record({ action: 'thing.after' });
      await eventually(() => expect(audit.status().retried).toBeGreaterThanOrEqual(retried + 2));
      expect(audit.status().lastError).toContain('no answer');
      // Only new connections get through: those from before never answer again.
      store.proxy!.answerNewOnes();
      await eventually(() => audit.flush());
      expect(await idsIn(audit)).toHaveLength(2);
    });

    it('finds the event that a trigger of its own refuses, and stores all others', async () => {
      const { audit } = await start({ database: database.options });
      const other = await new DataSource(database.options as DataSourceOptions).initialize();
      try {
        if (name === 'mysql') {
          await other.query(
            `CREATE TRIGGER strange BEFORE INSERT ON audit_events FOR EACH ROW
               IF NEW.action = '${POISON}' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'strange secret-4711'; END IF`,
          );
        } else {
          await other.query(
            `CREATE FUNCTION strange() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               IF NEW.action = '${POISON}' THEN RAISE EXCEPTION 'strange secret-4711'; END IF; RETURN NEW; END $$`,
          );
          await other.query(
            'CREATE TRIGGER strange BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION strange()',
          );
        }
        // By itself it may be the database's fault.
        const lonely = await audit.record({ action: POISON });
        await eventually(() => expect(audit.status().retried).toBeGreaterThanOrEqual(4));
        expect(audit.status()).toMatchObject({ dead: 0, pending: 1 });
        const actions = ['a.one', POISON, 'a.two', POISON, 'a.three'];
        for (const action of actions) await audit.record({ action });
        await eventually(() => audit.flush());
        const letters = await audit.deadLetters({ allTenants: true });
        expect(letters.map(({ event }) => event.action)).toEqual([POISON, POISON, POISON]);
        expect(letters[0]!.event.id).toBe(lonely.id);
        expect(await idsIn(audit)).toHaveLength(3);
        expect(audit.status()).toMatchObject({ healthy: true, pending: 0, dead: 3 });
        expect(logged.filter((line) => /refuses the audit event/.test(line)).join()).not.toContain('4711');
      } finally {
        await other.destroy();
      }
    });
  }

  // What has nothing to do with the database, but with the thread: one server is enough.
  if (name !== 'postgres') {
    it('drops what exceeds the buffer, counts it, and reports it by an event of its own', async () => {
      store = await removable(database, false);
      const { audit, port } = await start({ database: store.options, delivery: { maxBuffered: 10 } });
      for (let index = 0; index < 25; index += 1)
        expect((await send(port, { path: '/things' })).status).toBe(200);
      await expect(audit.record({ action: 'too.many' })).rejects.toMatchObject({
        code: 'AUDIT_STORE_UNAVAILABLE',
      });
      expect(audit.status()).toMatchObject({ healthy: false, pending: 10, dropped: 16 });
      await store.restore();
      await eventually(() => audit.flush());
      await eventually(async () => {
        await audit.flush();
        const { events } = await audit.find({ allTenants: true, action: 'audit.drop' });
        expect(events).toHaveLength(1);
        expect(events[0]).toMatchObject({
          category: 'system',
          outcome: 'failure',
          severity: 'high',
          details: { dropped: 16, source: expect.any(String), firstSequence: 11, lastSequence: 26 },
        });
      });
      expect(await idsIn(audit)).toHaveLength(11);
      expect(logged.some((line) => line.startsWith('An audit event was dropped'))).toBe(true);
    });

    it('gives up a shutdown after the time set, and says what was lost', async () => {
      store = await removable(database, false);
      const { port } = await start({ database: store.options, delivery: { shutdownTimeoutMs: 50 } });
      await send(port, { path: '/things' });
      await app!.close();
      app = undefined;
      expect(logged.some((line) => line.startsWith('The audit was closed with 1 event(s) not stored'))).toBe(
        true,
      );
    });

    it('bounds what it keeps by size too', async () => {
      store = await removable(database, false);
      const { audit } = await start({
        database: store.options,
        delivery: { maxBufferedMegabytes: 1, shutdownTimeoutMs: 0 },
      });
      const all = Array.from({ length: 40 }, () =>
        audit.record({ action: 'thing.create', details: LARGE_DETAILS }),
      );
      const kept = (await Promise.allSettled(all)).filter(({ status }) => status === 'fulfilled');
      expect(kept).toHaveLength(audit.status().pending);
      expect(kept.length).toBeGreaterThan(15);
      expect(kept.length).toBeLessThan(20);
      const waiting = expect(audit.flush()).rejects.toMatchObject({ code: 'AUDIT_STORE_UNAVAILABLE' });
      await app!.close();
      app = undefined;
      await waiting;
      // After the end nothing waits any more.
      await audit.flush();
    });
  }

  it('serves without its database, says so, and delivers later', async () => {
    store = await removable(database, false);
    const { audit, port } = await start({ database: store.options });
    for (let index = 0; index < 20; index += 1) {
      expect(await send(port, { method: 'POST', path: '/things' })).toMatchObject({
        status: 201,
        body: '{"id":1}',
      });
    }
    await expect(audit.find({ allTenants: true })).rejects.toMatchObject({ code: 'AUDIT_STORE_UNAVAILABLE' });
    await expect(audit.flush()).rejects.toBeInstanceOf(AuditError);
    expect(audit.status()).toMatchObject({
      healthy: false,
      pending: 20,
      delivered: 0,
      dropped: 0,
      lastError: expect.any(String),
    });
    expect(logged.filter((line) => line.startsWith("The audit database can't be used"))).toHaveLength(1);
    await store.restore();
    await eventually(() => audit.flush());
    expect(await idsIn(audit)).toHaveLength(20);
    expect(audit.status()).toEqual({
      mode: 'buffered',
      healthy: true,
      pending: 0,
      pendingBytes: 0,
      oldestPendingMs: 0,
      delivered: 20,
      retried: expect.any(Number),
      unreadable: 0,
      dead: 0,
      dropped: 0,
      unhooked: 0,
    });
    expect(logged).toContain('The audit database is back.');
    // The thread begins with the connection: there is no older one to be replaced.
    expect(logged.filter((line) => line.includes('thread'))).toEqual([]);
  });

  it('keeps events while the database is gone, and stores each once when it is back', async () => {
    store = await removable(database, true);
    const { audit, port } = await start({
      database: store.options,
      delivery: { batchSize: 7, flushIntervalMs: 5 },
    });
    for (let round = 0; round < 3; round += 1) {
      for (let index = 0; index < 10; index += 1) await send(port, { path: '/things' });
      await store.remove();
      for (let index = 0; index < 10; index += 1)
        expect((await send(port, { path: '/things' })).status).toBe(200);
      await store.restore();
    }
    await eventually(() => audit.flush());
    const ids = await idsIn(audit);
    expect(ids).toHaveLength(60);
    expect(new Set(ids).size).toBe(60);
    const sequences = (await audit.find({ allTenants: true, limit: 1_000, order: 'oldest' })).events.map(
      ({ metadata }) => metadata['sequence'],
    );
    expect(sequences).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
  });

  it('isolates an event that the database refuses, and stores the others', async () => {
    const { audit } = await start({ database: database.options });
    const connection = await new DataSource(database.options).initialize();
    await narrowActions(connection, name);
    await connection.destroy();
    for (let index = 0; index < 40; index += 1) {
      await audit.record({ action: index % 13 === 5 ? POISON : 'thing.create' });
    }
    await audit.flush();
    expect(audit.status()).toMatchObject({ pending: 0, delivered: 37, dead: 3 });
    expect(await idsIn(audit)).toHaveLength(37);
    // One line tells of all that are refused within a few seconds.
    expect(logged.filter((line) => line.startsWith('The database refuses the audit event'))).toHaveLength(1);
  });

  it('stores what is in memory when the application closes, the request in flight included', async () => {
    const { port } = await start({ database: database.options, delivery: { flushIntervalMs: 60_000 } });
    const answer = send(port, { path: '/things/slow' });
    await slowBegun;
    const closing = app!.close();
    answerSlowly();
    expect((await answer).status).toBe(200);
    await closing;
    app = undefined;
    const { audit } = await start({ database: database.options, delivery: AS_A_TOOL });
    const { events } = await audit.find({ allTenants: true });
    expect(events).toMatchObject([{ action: 'thing.slow', outcome: 'success' }]);
  });

  it("shares the application's data source, migrations apart, until the last request", async () => {
    await database.drop();
    database = await create({ isEmpty: true });
    const imports = [TypeOrmModule.forRoot({ ...database.options, migrationsTableName: 'app_migrations' })];
    const { audit, port } = await start(
      { dataSource: 'default', delivery: { flushIntervalMs: 60_000 } },
      imports,
    );
    await send(port, { path: '/things' });
    await audit.flush();
    expect(await idsIn(audit)).toHaveLength(1);
    const answer = send(port, { path: '/things/slow' });
    await slowBegun;
    const closing = app!.close();
    answerSlowly();
    expect((await answer).status).toBe(200);
    await closing;
    app = undefined;
    const connection = await new DataSource(database.options).initialize();
    const rows: unknown[] = await connection.query('SELECT id FROM audit_events');
    await connection.destroy();
    expect(rows).toHaveLength(2);
  });

  it('waits until the application opens the data source that it shares, and again, and seals each time', async () => {
    const shared = new DataSource(database.options);
    const { audit } = await start({ dataSource: shared, ledger: { intervalMs: 50 } });
    try {
      expect(shared.isInitialized).toBe(false);
      for (let times = 1; times <= 2; times += 1) {
        await audit.record({ action: 'thing.create' });
        await shared.initialize();
        await eventually(() => audit.flush());
        await eventually(async () => {
          const leaves: unknown[] = await shared.query('SELECT event_id FROM audit_leaves');
          expect(leaves).toHaveLength(times);
        });
        await shared.destroy();
      }
    } finally {
      if (shared.isInitialized) await shared.destroy();
    }
  });

  // SQLite connects within the same turn.
  if (name !== 'sqlite') {
    it('stores what was recorded, also where the application closes the data source that it shares before the audit has connected', async () => {
      const other = await new DataSource(database.options as DataSourceOptions).initialize();
      const holder = other.createQueryRunner();
      const shared = await new DataSource(database.options as DataSourceOptions).initialize();
      try {
        const lock = {
          mysql: 'LOCK TABLES audit_migrations WRITE',
          postgres: 'LOCK TABLE audit_migrations IN ACCESS EXCLUSIVE MODE',
        };
        await holder.startTransaction();
        await holder.query(lock[name]);
        const { audit } = await start({ dataSource: shared });
        await audit.record({ action: 'thing.early' });
        await eventually(async () =>
          expect(await runningStatements(other)).toContainEqual(expect.stringContaining('audit_migrations')),
        );
        const destroyed = shared.destroy();
        await holder.query(name === 'mysql' ? 'UNLOCK TABLES' : 'SELECT 1');
        await holder.commitTransaction();
        await destroyed;
        expect(await other.query('SELECT action FROM audit_events')).toEqual([{ action: 'thing.early' }]);
      } finally {
        await holder.release();
        await other.destroy();
        if (shared.isInitialized) await shared.destroy();
      }
    });
  }

  it('stores batches of the largest events', async () => {
    const { audit } = await start({ database: database.options });
    // Of MariaDB, more than the 16 MiB that it takes in one statement.
    const count = name === 'mysql' ? 320 : 100;
    for (let index = 0; index < count; index += 1)
      await audit.record({ action: 'thing.create', details: LARGE_DETAILS });
    await audit.flush();
    expect(audit.status()).toMatchObject({ delivered: count, retried: 0 });
    expect((await audit.statistics({ allTenants: true })).total).toBe(count);
  });

  it('answers with its own errors when the table is gone', async () => {
    const { audit } = await start({ database: database.options, delivery: AS_A_TOOL });
    const connection = await new DataSource(database.options).initialize();
    // With the view that shows it.
    await connection.query(`DROP TABLE audit_events${name === 'postgres' ? ' CASCADE' : ''}`);
    const unavailable = { code: 'AUDIT_STORE_UNAVAILABLE', statusCode: 503, cause: expect.anything() };
    await expect(audit.find({ allTenants: true })).rejects.toMatchObject(unavailable);
    await expect(audit.statistics({ allTenants: true })).rejects.toMatchObject(unavailable);
    await expect(audit.record({ action: 'a.b' }, { manager: connection.manager })).rejects.toMatchObject(
      unavailable,
    );
    await connection.destroy();
  });

  it("writes in the caller's transaction, and rolls back with it", async () => {
    // What it writes then, the main thread writes.
    const { audit } = await start({ database: database.options, delivery: AS_A_TOOL });
    const connection = await new DataSource(database.options).initialize();
    const kept = await connection.transaction((manager) =>
      audit.record({ action: 'thing.create', metadata: { source: 'forged', sequence: 7 } }, { manager }),
    );
    expect(kept.metadata).toEqual({ schemaVersion: 1, riskFactors: ['category:15', 'verb:5'] });
    await expect(
      connection.transaction(async (manager) => {
        await audit.record({ action: 'thing.delete' }, { manager });
        throw new Error('rolled back');
      }),
    ).rejects.toThrow('rolled back');
    await connection.destroy();
    expect(await idsIn(audit)).toEqual([kept.id]);
  });

  it("keeps to the data source's prefix and schema", async () => {
    const connection = await new DataSource(database.options).initialize();
    if (name === 'postgres') await connection.query('CREATE SCHEMA ledgers');
    const place = { entityPrefix: 'app_', ...(name === 'postgres' && { schema: 'ledgers' }) };
    const { audit } = await start({ database: { ...database.options, ...place } as AuditDatabaseOptions });
    const event = await audit.record({ action: 'thing.create' });
    await audit.flush();
    expect(await audit.findById(event.id, { allTenants: true })).toEqual(event);
    const table = name === 'postgres' ? 'ledgers.app_audit_events' : 'app_audit_events';
    expect(await connection.query(`SELECT id FROM ${table}`)).toHaveLength(1);
    await connection.destroy();
    // The entity names the same table and columns.
    const entities = await new DataSource({
      ...database.options,
      ...place,
      entities: AUDIT_ENTITIES,
    } as DataSourceOptions).initialize();
    expect(await entities.getRepository(AuditEventEntity).find()).toMatchObject([
      {
        id: event.id,
        action: 'thing.create',
        tenantId: 'default',
        riskScore: event.riskScore,
        details: '{}',
      },
    ]);
    await entities.destroy();
  });

  it('migrates once, however many processes start at once', async () => {
    await database.drop();
    database = await create({ isEmpty: true });
    const sources = await Promise.all(
      Array.from({ length: 4 }, async () => {
        @Module({
          // They migrate before they would start a thread.
          imports: [
            AuditModule.forRoot({
              database: database.options,
              delivery: { mode: 'buffered', ...AS_A_TOOL },
            }),
          ],
        })
        class OneOfMany {}
        return NestFactory.createApplicationContext(OneOfMany, { logger: false, abortOnError: false });
      }),
    );
    for (const context of sources) {
      const audit = context.get(AuditService);
      await audit.record({ action: 'process.start' });
      await eventually(() => audit.flush());
    }
    expect(await idsIn(sources[0]!.get(AuditService))).toHaveLength(4);
    await Promise.all(sources.map((context) => context.close()));
  });
});
