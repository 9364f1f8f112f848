// The rights that docs/hardening.md grants are enough, and there is none to change or delete.
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { randomBytes } from 'node:crypto';
import { AuditModule, AuditService } from 'nest-audit-trail';
import type { AuditDatabaseOptions } from 'nest-audit-trail';
import { numbered, openStore } from './app/audit-store.js';
import { dropTriggers } from './app/ledger-app.js';
import { Page } from './docs/page.js';
import { describeEachDatabase } from './harness/databases.js';
import type { TestDatabase } from './harness/databases.js';

const page = Page.read('docs/hardening.md');
const grants = page.section('Rights in the database').blocks('sql');
const removal = page.section('Who may remove');

/** A column of each table that is only inserted into. */
const COLUMNS = {
  audit_events: 'source',
  audit_dead_letters: 'source',
  audit_sources: 'source',
  audit_leaves: 'source',
  audit_tiles: 'root',
  audit_checkpoints: 'note',
  audit_settings: 'value',
};

/** Where the servers may say that the test comes from. */
const HOSTS = ['%', 'localhost', '127.0.0.1'];

describeEachDatabase('rights', (create, name) => {
  // A SQLite file has no users.
  if (name === 'sqlite') return it('are those of the file', () => expect(grants).toHaveLength(2));

  const user = `audit_test_${randomBytes(6).toString('hex')}`;
  const remover = `${user}_r`;
  const password = randomBytes(12).toString('hex');

  /** The page's statements, for this database and user. */
  function statementsFor({ options }: TestDatabase): string[] {
    const [mysql, postgres] = grants.map(({ code }) => code);
    const code = name === 'mysql' ? mysql! : postgres!;
    const own = code
      .replaceAll('audit_app', user)
      .replaceAll('…', password)
      .replaceAll(' audit.', ` ${String(options.database)}.`);
    return statementsOf(own);
  }

  /** Likewise of who may remove. */
  function removalStatementsFor({ options }: TestDatabase): string[] {
    const [{ code } = { code: '' }] = removal.blocks(name === 'mysql' ? 'mysql' : 'postgresql');
    return statementsOf(
      code
        .replaceAll('audit_maintenance', remover)
        .replaceAll('…', password)
        .replaceAll(' audit.', ` ${String(options.database)}.`),
    );
  }

  function statementsOf(own: string): string[] {
    const texts = name === 'mysql' ? HOSTS.map((host) => own.replaceAll("'%'", `'${host}'`)) : [own];
    return texts.flatMap((text) => text.split(';\n')).filter((statement) => statement.trim() !== '');
  }

  it('need no more than the page grants', async () => {
    const database = await create();
    const store = await openStore(database.options);
    const { connection } = store;
    try {
      for (const statement of [...statementsFor(database), ...removalStatementsFor(database)]) {
        await connection.query(statement);
      }
      const letter = numbered('0198c0de-0000-7000-8000-000000000001', 1);
      await store.letters.keep(letter, 'refused');
      const options = { ...database.options, username: user, password } as AuditDatabaseOptions;
      const masterKey = randomBytes(32).toString('base64');
      @Module({
        imports: [
          AuditModule.forRoot({
            database: options,
            migrate: false,
            delivery: { directory: database.journal },
            protect: { fields: ['details.email'], masterKey },
            retention: {
              rules: [{ keepDays: 1 }],
              database: { ...database.options, username: remover, password } as AuditDatabaseOptions,
            },
          }),
        ],
      })
      class LimitedModule {}
      const app = await NestFactory.createApplicationContext(LimitedModule, {
        logger: false,
        abortOnError: false,
      });
      const audit = app.get(AuditService);
      const event = await audit.record({ action: 'thing.create' });
      await audit.flush();
      expect(await audit.findById(event.id, { allTenants: true })).toEqual(event);
      expect((await audit.find({ allTenants: true, action: 'thing.create' })).events).toEqual([event]);
      expect(await audit.replayDeadLetters({ allTenants: true })).toEqual({ replayed: 1, refused: 0 });
      expect(await audit.deadLetters({ allTenants: true })).toEqual([]);
      expect((await audit.sources()).map(({ source }) => source)).toEqual(
        expect.arrayContaining([letter.metadata['source'], event.metadata['source']]),
      );
      const { treeSize } = await audit.checkpoint();
      expect(await audit.verify()).toMatchObject({ ok: true, events: treeSize, pending: 0 });
      expect(treeSize).toBe(2);
      const own = { tenantId: 'default', userId: 'ann', action: 'thing.own', details: { email: 'a@b.test' } };
      const { id } = await audit.record(own);
      await audit.flush();
      expect(await audit.findById(id, { allTenants: true, reveal: true })).toMatchObject(own);
      expect(await audit.rotateKeys({ dataKeys: true })).toMatchObject({ renewed: 1 });
      expect(await audit.forget({ tenantId: 'default', subjectId: 'ann' })).toMatchObject({ keys: 2 });
      await audit.record({ ...own, timestamp: Date.now() - 2 * 86_400_000 });
      await audit.flush();
      await audit.checkpoint();
      await audit.placeHold({ tenantId: 'default', userId: 'bob', reason: 'case', placedBy: 'counsel' });
      expect(await audit.removeExpired()).toMatchObject({ removed: 1 });
      await audit.checkpoint();
      expect(await audit.verify()).toMatchObject({ ok: true, removed: 1 });
      expect((await audit.storage({ allTenants: true })).bytes).toBeGreaterThan(0);
      await app.close();

      const limited = await openStore(options, { migrate: false });
      await limited.letters.keep(numbered('a', 1), 'refused');
      await limited.sources.note({ source: 'a', kind: 'closed', sequence: 1, process: '{}' });
      await dropTriggers(connection, database);
      for (const [table, column] of Object.entries(COLUMNS)) {
        const denied = /denied/;
        await expect(limited.connection.query(`UPDATE ${table} SET ${column} = '7'`)).rejects.toThrow(denied);
        await expect(limited.connection.query(`DELETE FROM ${table}`)).rejects.toThrow(denied);
      }
      for (const table of ['audit_leases', 'audit_keys', 'audit_removals']) {
        await expect(limited.connection.query(`DELETE FROM ${table}`)).rejects.toThrow(/denied/);
      }
      await limited.close();
    } finally {
      if (name === 'mysql')
        for (const host of HOSTS) {
          await connection.query(`DROP USER IF EXISTS '${user}'@'${host}', '${remover}'@'${host}'`);
        }
      else await connection.query(`DROP OWNED BY ${user}, ${remover}; DROP ROLE ${user}, ${remover}`);
      await store.close();
    }
  });
});
