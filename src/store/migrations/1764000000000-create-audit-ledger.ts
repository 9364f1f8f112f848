import { randomBytes } from 'node:crypto';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { quoted, tableName } from '../table-name.js';
import { protectTables, unprotectTables } from './protect-tables.js';
import { MAX_CHECKPOINT_NOTE, MAX_TILE } from '../ledger-limits.js';
import { columnTypes, createTable, dropTables, insertOnce, lengthCheck } from './tables.js';

const TABLES = ['audit_leaves', 'audit_tiles', 'audit_checkpoints', 'audit_leases'] as const;
/** What is only ever inserted into, with what is unique in it. */
const APPEND_ONLY = {
  audit_events: [['id']],
  audit_leaves: [['leaf_index'], ['event_id']],
  audit_tiles: [['level', 'tile_index']],
  audit_checkpoints: [['tree_size'], ['previous_size']],
  audit_dead_letters: [['id']],
  audit_sources: [['id']],
} as const;

/** Base64 of 32 bytes. */
const HASH = 44;

/** Creates the tables of the Merkle log, and has the database itself refuse to change what is recorded. */
export class CreateAuditLedger1764000000000 implements MigrationInterface {
  readonly name = 'CreateAuditLedger1764000000000';

  async up(runner: QueryRunner): Promise<void> {
    const { id, text, longText } = await columnTypes(runner);
    await createTable(
      runner,
      'audit_leaves',
      {
        leaf_index: 'bigint NOT NULL',
        event_id: `${id} NOT NULL UNIQUE`,
        source: `${id} NULL`,
        sequence: 'bigint NULL',
        through: 'bigint NULL',
        leaf_hash: `${text(HASH)} NOT NULL`,
      },
      { source: ['source', 'through'] },
      ['leaf_index'],
      ['leaf_index >= 0'],
    );
    await createTable(
      runner,
      'audit_tiles',
      {
        level: 'smallint NOT NULL',
        tile_index: 'bigint NOT NULL',
        root: `${text(HASH)} NOT NULL`,
        hashes: `${longText('text')} NOT NULL`,
      },
      {},
      ['level', 'tile_index'],
      ['level >= 0', 'tile_index >= 0', lengthCheck(runner, 'hashes', MAX_TILE)],
    );
    await createTable(
      runner,
      'audit_checkpoints',
      {
        tree_size: 'bigint NOT NULL',
        // No two checkpoints extend the same one: this is what keeps the log from forking.
        previous_size: 'bigint NOT NULL UNIQUE',
        root_hash: `${text(HASH)} NOT NULL`,
        note: `${longText('text')} NOT NULL`,
      },
      {},
      ['tree_size'],
      ['previous_size >= 0', 'previous_size < tree_size', lengthCheck(runner, 'note', MAX_CHECKPOINT_NOTE)],
    );
    await createTable(
      runner,
      'audit_leases',
      { name: `${text(64)} NOT NULL`, term: 'bigint NOT NULL', holder: `${text(64)} NOT NULL` },
      {},
      ['name'],
    );
    await insertOnce(runner, 'audit_leases', { name: "'sealer'", term: '0', holder: "''" });
    await insertOnce(runner, 'audit_settings', {
      name: "'ledger_id'",
      value: `'${randomBytes(8).toString('hex')}'`,
    });
    await protectTables(runner, APPEND_ONLY);
  }

  async down(runner: QueryRunner): Promise<void> {
    await unprotectTables(runner, APPEND_ONLY);
    await dropTables(runner, TABLES);
    const settings = quoted(runner.connection, tableName(runner.connection, 'audit_settings'));
    await runner.query(`DELETE FROM ${settings} WHERE ${quoted(runner.connection, 'name')} = 'ledger_id'`);
  }
}
