// Each test has a database of its own, and nothing of it is left afterwards.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { DataSource } from 'typeorm';
import { startLedgerApp } from '../support/ledger-app.js';
import { describeEachDatabase } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';

describeEachDatabase('a test database', (create, name) => {
  it('is fresh, can be used, and is gone after the drop', async () => {
    const database = await create();
    expect(database.name).toBe(name);
    const source = await new DataSource(database.options).initialize();
    await source.query('CREATE TABLE t (id integer)');
    await source.query('INSERT INTO t VALUES (1)');
    expect(await source.query('SELECT id FROM t')).toEqual([{ id: 1 }]);
    await source.destroy();
    await database.drop();
    await expectGone(database);
  });

  it('is one that the thread of delivery stores into, where it is a server', async () => {
    const started: Worker[] = [];
    const note = (worker: Worker) => void started.push(worker);
    process.on('worker', note);
    const database = await create();
    const app = await startLedgerApp(database);
    await app.audit.record({ action: 'thing.create' });
    await app.audit.flush();
    await app.close();
    process.off('worker', note);
    expect(started).toHaveLength(name === 'sqlite' ? 0 : 1);
  });

  it('is not shared', async () => {
    const [a, b] = await Promise.all([create(), create()]);
    expect(a.options.database).not.toBe(b.options.database);
    await Promise.all([a.drop(), b.drop()]);
    await Promise.all([expectGone(a), expectGone(b)]);
  });

  it('is dropped under an open transaction, and twice without complaint', async () => {
    const database = await create();
    // The forced end of a connection is a warning of TypeORM's.
    const source = await new DataSource({ ...database.options, logging: false }).initialize();
    await source.query('CREATE TABLE t (id integer)');
    const runner = source.createQueryRunner();
    await runner.startTransaction();
    await runner.query('INSERT INTO t VALUES (1)');
    await database.drop();
    await database.drop();
    await expectGone(database);
    await runner.release();
    await source.destroy();
  });
});

describe('the tests of databases', () => {
  it('turn off the thread only as AS_A_TOOL', () => {
    const specs = readdirSync('test/databases', { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.spec.ts'),
    );
    expect(specs.length).toBeGreaterThan(20);
    const off = /thread: fals[e]/u;
    expect(specs.filter((name) => off.test(readFileSync(`test/databases/${name}`, 'utf8')))).toEqual([]);
  });
});

async function expectGone({ options }: TestDatabase): Promise<void> {
  if (options.type === 'better-sqlite3') {
    expect(existsSync(dirname(options.database))).toBe(false);
    return;
  }
  // A new connection, and the server's own word for it.
  await expect(new DataSource(options).initialize()).rejects.toThrow(/Unknown database|does not exist/);
}
