// The rights that docs/operate/hardening.md grants are enough, and there is none to change or delete.
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { randomBytes } from 'node:crypto';
import { AuditModule, AuditService } from 'nest-audit-trail';
import { AuditRetention, retention } from 'nest-audit-trail/retention';
import { DataProtection, protection } from 'nest-audit-trail/protection';
import { createEventId } from '../../src/event/event-id.js';
import { numbered, openStore } from '../support/audit-store.js';
import { dropTriggers } from '../support/ledger-app.js';
import { grantUsers } from '../support/granted-users.js';
import { describeEachDatabase, withoutThread } from '../support/harness/databases.js';
import { writeNote } from '../support/source-notes.js';

/** A column of each table that is only inserted into. */
const COLUMNS = {
  audit_events: 'action',
  audit_dead_letters: 'reason',
  audit_sources: 'kind',
  audit_leaves: 'leaf_hash',
  audit_tiles: 'root',
  audit_checkpoints: 'note',
  audit_settings: 'value',
};

describeEachDatabase('rights', (create, name) => {
  withoutThread('what is protected is encrypted by the main thread');
  // A SQLite file has no users.
  if (name === 'sqlite') {
    return it('are those of the file', async () => {
      const database = await create();
      const store = await openStore(database.options);
      const users = await grantUsers(database, store.connection);
      expect(new Set([users.application, users.sealer, users.maintenance])).toEqual(
        new Set([database.options]),
      );
      await store.close();
    });
  }

  it('need no more than the page grants', async () => {
    const database = await create();
    const store = await openStore(database.options);
    const { connection } = store;
    const users = await grantUsers(database, connection);
    try {
      const letter = numbered('0198c0de-0000-7000-8000-000000000001', 1);
      await store.letters.keep(letter, 'refused');
      const options = users.application;
      const masterKey = randomBytes(32).toString('base64');
      @Module({
        imports: [
          AuditModule.forRoot({
            database: options,
            migrate: false,
            delivery: { directory: database.journal },
            ledger: { database: users.sealer },
            features: [
              protection({ fields: ['details.email'], masterKey }),
              retention({ rules: [{ keepDays: 1 }], database: users.maintenance }),
            ],
          }),
        ],
      })
      class LimitedModule {}
      const app = await NestFactory.createApplicationContext(LimitedModule, {
        logger: false,
        abortOnError: false,
      });
      const audit = app.get(AuditService);
      const retained = () => app.get(AuditRetention);
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
      expect(await app.get(DataProtection).rotateKeys({ dataKeys: true })).toMatchObject({ renewed: 1 });
      expect(await app.get(DataProtection).forget({ tenantId: 'default', subjectId: 'ann' })).toMatchObject({
        keys: 2,
      });
      await audit.record({ ...own, timestamp: Date.now() - 2 * 86_400_000 });
      await audit.flush();
      await audit.checkpoint();
      await retained().placeHold({ tenantId: 'default', userId: 'bob', reason: 'case', placedBy: 'counsel' });
      expect(await retained().removeExpired()).toMatchObject({ removed: 1 });
      await audit.checkpoint();
      expect(await audit.verify()).toMatchObject({ ok: true, removed: 1 });
      expect((await retained().storage({ allTenants: true })).bytes).toBeGreaterThan(0);
      await app.close();

      const limited = await openStore(options, { migrate: false });
      await limited.letters.keep(numbered('a', 1), 'refused');
      await writeNote(limited, { source: createEventId(0), kind: 'closed', sequence: 1 });
      await dropTriggers(connection, database);
      for (const [table, column] of Object.entries(COLUMNS)) {
        const denied = /denied/;
        await expect(limited.connection.query(`UPDATE ${table} SET ${column} = '7'`)).rejects.toThrow(denied);
        await expect(limited.connection.query(`DELETE FROM ${table}`)).rejects.toThrow(denied);
      }
      for (const table of ['audit_leases', 'audit_keys', 'audit_removals']) {
        await expect(limited.connection.query(`DELETE FROM ${table}`)).rejects.toThrow(/denied/);
      }
      // What only the sealer may write, or nobody.
      for (const table of [
        'audit_leaves',
        'audit_tiles',
        'audit_checkpoints',
        'audit_removals',
        'audit_settings',
      ]) {
        await expect(limited.connection.query(`INSERT INTO ${table} SELECT * FROM ${table}`)).rejects.toThrow(
          /denied/,
        );
      }
      await expect(limited.connection.query(`UPDATE audit_leases SET holder = ''`)).rejects.toThrow(/denied/);
      await limited.close();
      const sealer = await openStore(users.sealer, { migrate: false });
      for (const table of ['audit_events', 'audit_leaves', 'audit_tiles', 'audit_checkpoints']) {
        await expect(sealer.connection.query(`DELETE FROM ${table}`)).rejects.toThrow(/denied/);
      }
      for (const table of ['audit_sources', 'audit_dead_letters', 'audit_keys', 'audit_settings']) {
        await expect(sealer.connection.query(`INSERT INTO ${table} SELECT * FROM ${table}`)).rejects.toThrow(
          /denied/,
        );
      }
      await sealer.close();
    } finally {
      await users.drop();
      await store.close();
    }
  });
});
