import type { MigrationInterface, QueryRunner } from 'typeorm';
import { allowRemovals, protectTables, unprotectTables } from './protect-tables.js';
import { columnTypes, createTable, dropTables } from './tables.js';

/**
 * Has the triggers let through the removal of events whose ids its own transaction has put into `audit_removals`, a table that
 * only the user of the maintenance may write to.
 */
export class AllowRemovals1764200000000 implements MigrationInterface {
  readonly name = 'AllowRemovals1764200000000';

  async up(runner: QueryRunner): Promise<void> {
    const { id } = await columnTypes(runner);
    await createTable(runner, 'audit_removals', { event_id: `${id} NOT NULL` }, {}, ['event_id']);
    await allowRemovals(runner);
  }

  async down(runner: QueryRunner): Promise<void> {
    await unprotectTables(runner, { audit_events: [['id']] });
    await protectTables(runner, { audit_events: [['id']] });
    await dropTables(runner, ['audit_removals']);
  }
}
