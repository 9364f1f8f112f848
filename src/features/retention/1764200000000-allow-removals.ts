import type { MigrationInterface, QueryRunner } from 'typeorm';
import { EVENT_ROW } from '../../store/audit.entities.js';
import {
  protectTables,
  refusalName,
  runTriggers,
  unprotectTables,
} from '../../store/migrations/protect-tables.js';
import { createTables, dropTables } from '../../store/migrations/tables.js';
import { dialectOf, quoted, tableName } from '../../store/table-name.js';
import { REMOVAL } from './audit-removal.entity.js';

/**
 * Has the triggers let through the removal of events whose ids the same transaction has put into `audit_removals`, a table that
 * only the user of the maintenance may write to.
 */
export class AllowRemovals1764200000000 implements MigrationInterface {
  readonly name = 'AllowRemovals1764200000000';

  async up(runner: QueryRunner): Promise<void> {
    await createTables(runner, { audit_removals: { columns: REMOVAL } });
    // Instead of the trigger that refuses every DELETE of events: one that lets those pass which the table names.
    const { connection } = runner;
    const dialect = dialectOf(connection);
    const table = tableName(connection, 'audit_events').split('.').at(-1)!;
    const q = (dottedName: string) => quoted(connection, dottedName);
    const events = q(tableName(connection, 'audit_events'));
    const permits = q(tableName(connection, 'audit_removals'));
    const isPermitted = `EXISTS (SELECT 1 FROM ${permits} WHERE ${q('event_id')} = OLD.${q('id')})`;
    const message = `${table} is append-only: DELETE is refused`;
    const trigger = q(`${table}_no_delete`);
    if (dialect === 'postgres') {
      const refuse = refusalName(connection, 'refuse_delete');
      const { schema } = connection.options as { schema?: string };
      // Who deletes must not choose by a search path or a temporary table what the function reads.
      const path = `pg_catalog, ${schema ? q(schema) : await currentSchema(runner)}, pg_temp`;
      await runTriggers(runner, [
        `CREATE OR REPLACE FUNCTION ${refuse}() RETURNS trigger LANGUAGE plpgsql SET search_path = ${path} AS $$
          BEGIN IF ${isPermitted} THEN RETURN OLD; END IF;
          RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP; END $$`,
        `CREATE OR REPLACE TRIGGER ${trigger} BEFORE DELETE ON ${events} FOR EACH ROW EXECUTE FUNCTION ${refuse}()`,
        `CREATE OR REPLACE TRIGGER ${q(`${table}_append_only`)} BEFORE UPDATE ON ${events} FOR EACH ROW EXECUTE FUNCTION ${refusalName(connection)}()`,
      ]);
      return;
    }
    const create =
      dialect === 'sqlite'
        ? `CREATE TRIGGER ${trigger} BEFORE DELETE ON ${events} WHEN NOT ${isPermitted} BEGIN SELECT RAISE(ABORT, '${message}'); END`
        : `CREATE TRIGGER ${trigger} BEFORE DELETE ON ${events} FOR EACH ROW
            IF NOT ${isPermitted} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '${message}'; END IF`;
    await runTriggers(runner, [`DROP TRIGGER IF EXISTS ${trigger}`, create]);
  }

  async down(runner: QueryRunner): Promise<void> {
    const { connection } = runner;
    if (dialectOf(connection) === 'postgres') {
      // Its trigger goes with it.
      await runner.query(`DROP FUNCTION IF EXISTS ${refusalName(connection, 'refuse_delete')}() CASCADE`);
    }
    await unprotectTables(runner, { audit_events: { columns: EVENT_ROW } });
    await protectTables(runner, { audit_events: { columns: EVENT_ROW } });
    await dropTables(runner, ['audit_removals']);
  }
}

/** PostgreSQL: the schema in which the tables are made where the options name none, in quotes where it needs them. */
async function currentSchema(runner: QueryRunner): Promise<string> {
  const [row] = (await runner.query('SELECT quote_ident(current_schema()) AS name')) as { name: string }[];
  return row!.name;
}
