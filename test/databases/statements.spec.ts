// Which statements the audit sends: none into the log of a data source that it shares, and few where nothing happens.
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import type { DynamicModule, INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import type { EventEmitter } from 'node:events';
import pg from 'pg';
import { AbstractLogger, DataSource } from 'typeorm';
import type { LogLevel, LogMessage } from 'typeorm';
import { AuditModule, AuditService } from 'nest-audit-trail';
import type { AuditModuleOptions } from 'nest-audit-trail';
import { retention } from 'nest-audit-trail/retention';
import { risk } from 'nest-audit-trail/risk';
import { generateKeys } from '../../src/ledger/index.js';
import { AuditDatabase } from '../../src/store/audit-database.js';
import { AuditEventRepository } from '../../src/store/audit-event.repository.js';
import { runTogether } from '../../src/store/insert-rows.js';
import { SealingRepository } from '../../src/store/sealing.repository.js';
import { numbered, openStore } from '../support/audit-store.js';
import type { AuditStore } from '../support/audit-store.js';
import { eventually } from '../support/eventually.js';
import {
  createDatabase,
  describeEachDatabase,
  missingReason,
  withoutThread,
} from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';
import { findFirst } from '../support/harness/local-binary.mjs';
import { mysqlServer } from '../support/harness/mysql-server.mjs';
import { removable } from '../support/removable-database.js';

/** What an application's own logger hears with `logging: true`. */
class HeardBy extends AbstractLogger {
  readonly lines: string[] = [];

  constructor() {
    super(true);
  }

  protected override writeLog(_level: LogLevel, message: LogMessage | LogMessage[]): void {
    for (const one of [message].flat()) this.lines.push(String(one.message));
  }
}

const SOURCE = '0190a000-0000-7000-8000-000000000001';

describeEachDatabase('the statements of the audit', (create, name) => {
  withoutThread('the options of its database hold a logger');
  let database: TestDatabase;
  let app: INestApplication | undefined;
  const signingKey = generateKeys('audit.example').signerKey;

  beforeEach(async () => {
    database = await create({ isEmpty: true });
  });

  afterEach(async () => {
    await app?.close();
    app = undefined;
    await database.drop();
  });

  async function start(options: AuditModuleOptions, imports: DynamicModule[] = []): Promise<AuditService> {
    @Module({
      imports: [...imports, AuditModule.forRoot({ ...options, delivery: { directory: database.journal } })],
    })
    class StatementsModule {}
    app = await NestFactory.create(StatementsModule, { logger: false, abortOnError: false });
    await app.init();
    return app.get(AuditService);
  }

  it("are not in the log of the application's data source, which logs its own", async () => {
    const logger = new HeardBy();
    const shared = TypeOrmModule.forRoot({ ...database.options, logging: true, logger });
    const audit = await start(
      {
        dataSource: 'default',
        ledger: { signingKey, intervalMs: 10 },
        features: [retention({ rules: [{ keepDays: 1 }] }), risk()],
      },
      [shared],
    );
    await audit.record({ action: 'thing.create', userId: 'ann' });
    await eventually(() => audit.flush());
    await audit.checkpoint();
    expect(await audit.verify()).toMatchObject({ ok: true });
    expect((await audit.find({ allTenants: true, action: 'thing.create' })).events).toHaveLength(1);
    const source = app!.get(DataSource);
    await source.transaction(async (manager) => {
      await audit.record({ action: 'thing.delete' }, { manager });
      await manager.query("SELECT 'of the application'");
    });
    await source.query("SELECT 'of the application'");
    // Beside the beginning and the end of the transaction, and what TypeORM itself asks when it connects.
    expect(logger.lines.filter((line) => line.includes('audit'))).toEqual([]);
    expect(logger.lines.filter((line) => line.includes('of the application'))).toHaveLength(2);
    // Nothing of the application's own objects was changed.
    expect(source.logger).toBe(logger);
  });

  it('are in the log of its own data source, and are one question where nothing happens', async () => {
    const logger = new HeardBy();
    const options = { ...database.options, logging: true, logger } as NonNullable<
      AuditModuleOptions['database']
    >;
    const audit = await start({ database: options, ledger: { signingKey, intervalMs: 50 } });
    await audit.record({ action: 'thing.create' });
    await eventually(() => audit.flush());
    expect(logger.lines).toContainEqual(expect.stringContaining('INSERT INTO'));
    const isQuestion = (line: string) =>
      /^SELECT .?id.? FROM .*audit_events\W* WHERE .?id.? < \S+ ORDER BY .?id.? DESC LIMIT 1$/.test(line);
    const resting = () => logger.lines.slice(-6);
    await eventually(() => {
      expect(resting()).toHaveLength(6);
      expect(resting().filter((line) => !isQuestion(line))).toEqual([]);
    });
    expect((await audit.verify()).ok).toBe(true);
    // A new event wakes it up.
    await audit.record({ action: 'thing.delete' });
    await eventually(async () => expect(await audit.verify()).toMatchObject({ events: 2, pending: 0 }));
  });

  /** The audit's own connection, of a pool of so many. */
  async function openPool(connections: number, more: object = {}): Promise<AuditDatabase> {
    const extra = name === 'mysql' ? { connectionLimit: connections } : { max: connections };
    const options = { ...database.options, extra } as AuditModuleOptions['database'];
    const ignore = () => undefined;
    const store = new AuditDatabase(
      { database: options!, ...more },
      { log: ignore, warn: ignore, error: ignore },
    );
    await store.connect(10_000);
    return store;
  }

  // A SQLite file has no sessions.
  if (name !== 'sqlite') {
    it.each(['one statement', 'a transaction'])(
      'leave a connection that can only read after a failover: %s',
      async (what) => {
        const store = await openPool(1);
        try {
          const readOnly = {
            mysql: 'SET SESSION TRANSACTION READ ONLY',
            postgres: 'SET default_transaction_read_only = on',
          };
          await store.ready().query(readOnly[name]);
          const text = "UPDATE audit_settings SET value = value WHERE name = 'none'";
          const append = () =>
            what === 'one statement'
              ? new AuditEventRepository(store).append([numbered(SOURCE, 1)])
              : runTogether(store.ready(), [{ text, values: [] }]);
          await expect(append()).rejects.toThrow(/read.only/i);
          await new Promise((resolve) => setTimeout(resolve, 100));
          await append();
        } finally {
          await store.close();
        }
      },
    );
  }

  if (name === 'mysql') {
    it('tell who has the lease of the sealer without asking a server that is behind', async () => {
      const store = await openPool(2);
      const other = await new DataSource(database.options).initialize();
      try {
        const [first, second] = [1, 2].map(() => store.ready().createQueryRunner());
        await first!.connect();
        // It sees for ever what is there now.
        await second!.query('START TRANSACTION WITH CONSISTENT SNAPSHOT');
        await first!.release();
        const sealing = new SealingRepository(store);
        expect(await sealing.changeLease(7, 'another')).toBe(false);
        // The pool hands out first what was released last: the next question after the change.
        const { pool } = store.ready().driver as unknown as { pool: EventEmitter };
        pool.once('release', () => void second!.release());
        expect(await sealing.changeLease(0, 'somebody')).toBe(true);
        expect(await other.query('SELECT term, holder FROM audit_leases')).toMatchObject([
          { holder: 'somebody' },
        ]);
      } finally {
        await other.destroy();
        await store.close();
      }
    });
  }

  if (name === 'postgres') {
    it('name the schema of their tables, since an application may change the search path of a session', async () => {
      const store = await openPool(1);
      try {
        await store.ready().query("SET search_path = ''");
        const events = new AuditEventRepository(store);
        await events.append([numbered(SOURCE, 1)]);
        expect(await events.find({}, { limit: 5, order: 'newest' })).toHaveLength(1);
      } finally {
        await store.close();
      }
    });

    it('find their tables in a schema that is not the first one of the search path', async () => {
      await (await openPool(1)).close();
      const owner = await new DataSource(database.options).initialize();
      await owner.query('CREATE SCHEMA app');
      await owner.query(`ALTER DATABASE ${String(database.options.database)} SET search_path = app, public`);
      await owner.destroy();
      const store = await openPool(1, { migrate: false });
      try {
        await new AuditEventRepository(store).append([numbered(SOURCE, 1)]);
      } finally {
        await store.close();
      }
    });
  }

  if (name === 'postgres') {
    it('are understood where the driver answers bigints as such', async () => {
      const { types } = pg as unknown as { types: { getTypeParser(...of: unknown[]): unknown } };
      const own = {
        getTypeParser: (type: number, format?: 'text') =>
          type === 20 ? BigInt : types.getTypeParser(type, format),
      };
      const audit = await start({
        database: { ...database.options, extra: { types: own } } as AuditModuleOptions['database'],
        ledger: { signingKey },
      });
      const { id, timestamp } = await audit.record({ action: 'thing.create' });
      await eventually(() => audit.flush());
      expect(await audit.checkpoint()).toMatchObject({ treeSize: 1 });
      expect(await audit.verify()).toMatchObject({ ok: true, events: 1 });
      expect(await audit.findById(id, { allTenants: true })).toMatchObject({ id, timestamp });
      expect(await audit.statistics({ allTenants: true })).toMatchObject({ total: 1 });
      expect(await audit.prove(id, { allTenants: true })).toBeDefined();
      expect(audit.status()).toMatchObject({ healthy: true });
    });
  }
});

const reason = missingReason('mysql');
const describeMysql = reason === undefined ? describe : describe.skip;

describeMysql(`a MySQL server that is not always there ${reason ?? ''}`, () => {
  it('is found again with `replication`, however often it did not answer', async () => {
    const database = await createDatabase('mysql');
    const away = await removable(database, true);
    const { type, ...server } = away.options as { type: 'mysql' };
    const store = await openStore({ type, replication: { master: server, slaves: [server] } });
    try {
      await store.events.append([numbered(SOURCE, 1)]);
      await away.remove();
      for (let times = 0; times < 8; times += 1) {
        await expect(store.events.append([numbered(SOURCE, 2)])).rejects.toThrow();
      }
      await away.restore();
      await eventually(() => store.events.append([numbered(SOURCE, 2)]));
      expect(await store.events.find({}, { limit: 5, order: 'newest' })).toHaveLength(2);
    } finally {
      await store.close();
      await away.release();
      await database.drop();
    }
  });

  it.each([
    ['warns', {}, [expect.stringContaining('restoreNodeTimeout: 1000')]],
    ['does not warn', { restoreNodeTimeout: 500 }, []],
  ])('%s of a shared data source with `replication` %o', async (_what, more, expected) => {
    const database = await createDatabase('mysql');
    const { type, ...server } = database.options as { type: 'mysql' };
    const replication = { master: server, slaves: [server], ...more };
    const dataSource = await new DataSource({ type, replication }).initialize();
    const warned: string[] = [];
    const ignore = () => undefined;
    const store = new AuditDatabase(
      { dataSource },
      { log: ignore, warn: (message) => void warned.push(message), error: ignore },
    );
    try {
      await store.connect(10_000, dataSource);
      expect(warned).toEqual(expected);
    } finally {
      await store.close();
      await dataSource.destroy();
      await database.drop();
    }
  });
});

describeMysql(`a MySQL server that begins sessions otherwise ${reason ?? ''}`, () => {
  const test = findFirst('mariadbd', 'mysqld') === undefined ? it.skip : it;
  let store: AuditStore;
  /** What a session answers that reads no more than is committed. */
  let ask: (question: string) => Promise<unknown[]>;

  beforeAll(async () => {
    if (test !== it) return;
    const address = await mysqlServer.startPrivate([
      '--autocommit=0',
      '--transaction-isolation=READ-UNCOMMITTED',
      '--max-allowed-packet=1M',
    ]);
    if (!address) throw new Error('the server has no program beside it that installs its tables');
    const before = ['SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED', 'SET SESSION autocommit = 1'];
    ask = (question) => mysqlServer.query(address, [...before, question]);
    await ask('CREATE DATABASE audit_test_sessions');
    store = await openStore({ ...address, type: 'mysql', database: 'audit_test_sessions' });
  }, 120_000);

  afterAll(() => store?.close());

  test('has each event committed', async () => {
    await store.events.append([numbered(SOURCE, 1)]);
    expect(await ask('SELECT source FROM audit_test_sessions.audit_events')).toHaveLength(1);
  });

  test('shows nothing of transactions that are open', async () => {
    const before = await store.events.setting('cursor_key');
    await store.connection.transaction(async (manager) => {
      await manager.query("UPDATE audit_settings SET value = 'open' WHERE name = 'cursor_key'");
      expect(await store.events.setting('cursor_key')).toBe(before);
      await manager.query(`UPDATE audit_settings SET value = '${before}' WHERE name = 'cursor_key'`);
    });
  });

  test('takes batches of texts whose letters have three bytes', async () => {
    const text = '\u6f22'.repeat(500);
    const events = Array.from({ length: 500 }, (_, index) =>
      numbered(SOURCE, index + 2, { userAgent: text, details: { text } }),
    );
    expect(await store.events.append(events)).toHaveLength(500);
  });
});
