// Each test has a database of its own, and nothing of it is left afterwards.
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { DataSource } from 'typeorm';
import { describeEachDatabase } from '../support/harness/databases.js';
import type { TestDatabase } from '../support/harness/databases.js';

describeEachDatabase('a test database', (create, name) => {
  it('is fresh, can be used, and is gone after the drop', async () => {
    const database = await create();
    expect(database.name).toBe(name);
    const source = await new DataSource(database.options).initialize();
    expect(await source.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await source.query('CREATE TABLE t (id integer)');
    await source.destroy();
    await database.drop();
    await expectGone(database);
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

async function expectGone({ options }: TestDatabase): Promise<void> {
  if (options.type === 'better-sqlite3') {
    expect(existsSync(dirname(options.database))).toBe(false);
    return;
  }
  // A new connection, and the server's own word for it.
  await expect(new DataSource(options).initialize()).rejects.toThrow(/Unknown database|does not exist/);
}
