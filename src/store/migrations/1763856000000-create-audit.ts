import { randomBytes } from 'node:crypto';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { TEXT_LIMITS } from '../../event/safe-text.js';
import { MAX_LETTER_EVENT, MAX_LETTER_STATEMENT } from '../dead-letter.js';
import { MAX_CHECKPOINT_NOTE, MAX_TILE } from '../ledger-limits.js';
import { MAX_NOTE_STATEMENT } from '../source-note.js';
import { quoted } from '../table-name.js';
import type { AuditTable } from '../table-name.js';
import { protectTables } from './protect-tables.js';
import { columnTypes, createTable, dropTables, insertOnce, jsonChecks, lengthCheck } from './tables.js';
import type { Table } from './tables.js';
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

/** Base64 of 32 bytes. */
const HASH = 44;

type Tables = Readonly<Record<AuditTable, Table>>;

async function allTables(runner: QueryRunner): Promise<{ evidence: Tables; shared: Tables }> {
  const { id, code, text, longText } = await columnTypes(runner);
  const q = (name: string) => quoted(runner.connection, name);
  /** What is only ever inserted into: the database itself refuses to change it. */
  const evidence: Tables = {
    audit_events: {
      columns: {
        id: `${id} NOT NULL`,
        timestamp: 'bigint NOT NULL',
        tenant_id: `${text(TEXT_LIMITS.tenantId)} NOT NULL`,
        user_id: `${text(TEXT_LIMITS.userId)} NULL`,
        action: `${text(TEXT_LIMITS.action)} NOT NULL`,
        resource: `${text(TEXT_LIMITS.resource)} NOT NULL`,
        resource_id: `${text(TEXT_LIMITS.resourceId)} NULL`,
        details: `${longText('text')} NOT NULL`,
        ip_address: `${text(TEXT_LIMITS.ipAddress)} NULL`,
        user_agent: `${text(TEXT_LIMITS.userAgent)} NULL`,
        session_id: `${text(TEXT_LIMITS.sessionId)} NULL`,
        // Any code is taken: one that is unknown makes the row one that can't be read, as any text would.
        severity: `${code} NOT NULL`,
        category: `${code} NOT NULL`,
        outcome: `${code} NOT NULL`,
        risk_score: 'smallint NOT NULL',
        compliance_flags: `${longText('text')} NOT NULL`,
        metadata: `${longText('text')} NOT NULL`,
        source: `${id} NULL`,
        sequence: 'bigint NULL',
      },
      key: ['id'],
      indexes: EVENT_INDEXES,
      checks: [
        ...jsonChecks(runner, 'details', '{'),
        ...jsonChecks(runner, 'compliance_flags', '['),
        ...jsonChecks(runner, 'metadata', '{'),
        // What a UUIDv7 can hold, and a score: sums and spans of them stay sound.
        `${q('timestamp')} >= 0 AND ${q('timestamp')} < 281474976710656`,
        `${q('risk_score')} >= 0 AND ${q('risk_score')} <= 100`,
      ],
    },
    audit_dead_letters: {
      columns: {
        id: `${id} NOT NULL`,
        tenant_id: `${text(TEXT_LIMITS.tenantId)} NOT NULL`,
        source: `${id} NULL`,
        sequence: 'bigint NULL',
        timestamp: 'bigint NOT NULL',
        reason: `${text(1024)} NOT NULL`,
        // No check: a letter is kept whatever a database takes for JSON.
        event: `${longText('longtext')} NOT NULL`,
        statement: `${longText('text')} NULL`,
      },
      key: ['id'],
      indexes: { tenant: ['tenant_id', 'id'], source: ['source', 'sequence'] },
      checks: [
        lengthCheck(runner, 'event', MAX_LETTER_EVENT),
        lengthCheck(runner, 'statement', MAX_LETTER_STATEMENT),
      ],
    },
    audit_sources: {
      columns: {
        id: `${id} NOT NULL`,
        source: `${id} NOT NULL`,
        kind: `${text(16)} NOT NULL`,
        sequence: 'bigint NOT NULL',
        timestamp: 'bigint NOT NULL',
        process: `${text(1024)} NOT NULL`,
        statement: `${longText('text')} NULL`,
      },
      key: ['id'],
      indexes: { source: ['source', 'id'] },
      checks: [lengthCheck(runner, 'statement', MAX_NOTE_STATEMENT)],
    },
    audit_leaves: {
      columns: {
        leaf_index: 'bigint NOT NULL',
        event_id: `${id} NOT NULL`,
        source: `${id} NULL`,
        sequence: 'bigint NULL',
        through: 'bigint NULL',
        leaf_hash: `${text(HASH)} NOT NULL`,
      },
      key: ['leaf_index'],
      unique: 'event_id',
      indexes: { source: ['source', 'through'] },
      checks: ['leaf_index >= 0'],
    },
    audit_tiles: {
      columns: {
        level: 'smallint NOT NULL',
        tile_index: 'bigint NOT NULL',
        root: `${text(HASH)} NOT NULL`,
        hashes: `${longText('text')} NOT NULL`,
      },
      key: ['level', 'tile_index'],
      checks: ['level >= 0', 'tile_index >= 0', lengthCheck(runner, 'hashes', MAX_TILE)],
    },
    audit_checkpoints: {
      columns: {
        tree_size: 'bigint NOT NULL',
        previous_size: 'bigint NOT NULL',
        root_hash: `${text(HASH)} NOT NULL`,
        note: `${longText('text')} NOT NULL`,
      },
      key: ['tree_size'],
      // No two checkpoints extend the same one: this is what keeps the log from forking.
      unique: 'previous_size',
      checks: [
        'previous_size >= 0',
        'previous_size < tree_size',
        lengthCheck(runner, 'note', MAX_CHECKPOINT_NOTE),
      ],
    },
  };
  /** What all processes share, a row for each name. */
  const shared: Tables = {
    audit_settings: {
      columns: { name: `${text(64)} NOT NULL`, value: `${text(255)} NOT NULL` },
      key: ['name'],
    },
    audit_leases: {
      columns: { name: `${text(64)} NOT NULL`, term: 'bigint NOT NULL', holder: `${text(64)} NOT NULL` },
      key: ['name'],
    },
  };
  return { evidence, shared };
}

/**
 * Creates the library's tables. Each statement does nothing where its work is done already, since MySQL's DDL can't be
 * rolled back and several processes may start at once.
 */
export class CreateAudit1763856000000 implements MigrationInterface {
  readonly name = 'CreateAudit1763856000000';

  async up(runner: QueryRunner): Promise<void> {
    const { evidence, shared } = await allTables(runner);
    for (const [name, table] of Object.entries({ ...evidence, ...shared })) {
      await createTable(runner, name as AuditTable, table);
    }
    await createTextView(runner);
    const settings = { cursor_key: randomBytes(32), ledger_id: randomBytes(8) };
    for (const [name, value] of Object.entries(settings)) {
      await insertOnce(runner, 'audit_settings', { name: `'${name}'`, value: `'${value.toString('hex')}'` });
    }
    await insertOnce(runner, 'audit_leases', { name: "'sealer'", term: '0', holder: "''" });
    await protectTables(runner, evidence);
  }

  async down(runner: QueryRunner): Promise<void> {
    await dropTextView(runner);
    const { evidence, shared } = await allTables(runner);
    await dropTables(runner, Object.keys({ ...evidence, ...shared }) as AuditTable[]);
  }
}
