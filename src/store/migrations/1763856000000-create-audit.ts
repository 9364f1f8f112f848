import { randomBytes } from 'node:crypto';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { CHECKPOINT, EVENT_ROW, LEAF, LEASE, LETTER, NOTE, SETTING, TILE } from '../audit.entities.js';
import type { AuditTable } from '../table-name.js';
import { protectTables } from './protect-tables.js';
import { createTables, dropTables, insertOnce } from './tables.js';
import type { Tables } from './tables.js';
import { createTextView, dropTextView } from './text-view.js';

/**
 * Every index but the last is by tenant, then the filter, then the id, which sorts by time: a page of any filter is one
 * index range. The last has the events of a process in the order of their numbers, to find what is missing.
 * `docs/decisions/003-indexes.md` has what each costs an insert.
 */
export const EVENT_INDEXES = {
  tenant: ['tenant_id', 'id'],
  user: ['tenant_id', 'user_id', 'id'],
  action: ['tenant_id', 'action', 'id'],
  resource: ['tenant_id', 'resource', 'resource_id', 'id'],
  session: ['tenant_id', 'session_id', 'id'],
  address: ['tenant_id', 'ip_address', 'id'],
  severity: ['tenant_id', 'severity', 'id'],
  category: ['tenant_id', 'category', 'id'],
  outcome: ['tenant_id', 'outcome', 'id'],
  risk: ['tenant_id', 'risk_score', 'id'],
  source: ['source', 'sequence'],
} as const;

/** What is only ever inserted into: the database itself refuses to change it. */
const EVIDENCE: Tables = {
  audit_events: {
    columns: EVENT_ROW,
    indexes: EVENT_INDEXES,
    // What a UUIDv7 can hold, and a score: sums and spans of them stay sound. Any code is taken: one that is unknown makes the row one
    // that can't be read, as any text would.
    checks: (q) => [
      `${q('timestamp')} >= 0 AND ${q('timestamp')} < 281474976710656`,
      `${q('risk_score')} >= 0 AND ${q('risk_score')} <= 100`,
    ],
  },
  audit_dead_letters: {
    columns: LETTER,
    indexes: { tenant: ['tenant_id', 'id'], source: ['source', 'sequence'] },
  },
  audit_sources: { columns: NOTE, indexes: { source: ['source', 'id'] } },
  audit_leaves: {
    columns: LEAF,
    indexes: { source: ['source', 'through'] },
    checks: () => ['leaf_index >= 0'],
  },
  audit_tiles: { columns: TILE, checks: () => ['level >= 0', 'tile_index >= 0'] },
  audit_checkpoints: {
    columns: CHECKPOINT,
    checks: () => ['previous_size >= 0', 'previous_size < tree_size'],
  },
};

/** With what all processes share, a row for each name. */
const TABLES: Tables = {
  ...EVIDENCE,
  audit_settings: { columns: SETTING },
  audit_leases: { columns: LEASE },
};

/**
 * Creates the library's tables. Each statement does nothing where its work is done already, since MySQL's DDL can't be
 * rolled back and several processes may start at once.
 */
export class CreateAudit1763856000000 implements MigrationInterface {
  readonly name = 'CreateAudit1763856000000';

  async up(runner: QueryRunner): Promise<void> {
    await createTables(runner, TABLES);
    await createTextView(runner);
    const settings = { cursor_key: randomBytes(32), ledger_id: randomBytes(8) };
    for (const [name, value] of Object.entries(settings)) {
      await insertOnce(runner, 'audit_settings', { name: `'${name}'`, value: `'${value.toString('hex')}'` });
    }
    await insertOnce(runner, 'audit_leases', { name: "'sealer'", term: '0', holder: "''" });
    await protectTables(runner, EVIDENCE);
  }

  async down(runner: QueryRunner): Promise<void> {
    await dropTextView(runner);
    await dropTables(runner, Object.keys(TABLES) as AuditTable[]);
  }
}
