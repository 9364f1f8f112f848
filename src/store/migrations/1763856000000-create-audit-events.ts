import { randomBytes } from 'node:crypto';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { TEXT_LIMITS } from '../../event/safe-text.js';
import { MAX_LETTER_EVENT, MAX_LETTER_STATEMENT } from '../dead-letter.js';
import { MAX_NOTE_STATEMENT } from '../source-note.js';
import { quoted } from '../table-name.js';
import { columnTypes, createTable, dropTables, insertOnce, jsonChecks, lengthCheck } from './tables.js';
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

const DEAD_LETTER_INDEXES = { tenant: ['tenant_id', 'id'], source: ['source', 'sequence'] };
const SOURCE_INDEXES = { source: ['source', 'id'] };

/**
 * Creates the library's tables. Each statement does nothing where its work is done already, since MySQL's DDL can't be
 * rolled back and several processes may start at once.
 */
export class CreateAuditEvents1763856000000 implements MigrationInterface {
  readonly name = 'CreateAuditEvents1763856000000';

  async up(runner: QueryRunner): Promise<void> {
    const { id, code, text, longText } = await columnTypes(runner);
    const q = (name: string) => quoted(runner.connection, name);
    await createTable(
      runner,
      'audit_events',
      {
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
      EVENT_INDEXES,
      ['id'],
      [
        ...jsonChecks(runner, 'details', '{'),
        ...jsonChecks(runner, 'compliance_flags', '['),
        ...jsonChecks(runner, 'metadata', '{'),
        // What a UUIDv7 can hold, and a score: sums and spans of them stay sound.
        `${q('timestamp')} >= 0 AND ${q('timestamp')} < 281474976710656`,
        `${q('risk_score')} >= 0 AND ${q('risk_score')} <= 100`,
      ],
    );
    await createTable(
      runner,
      'audit_dead_letters',
      {
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
      DEAD_LETTER_INDEXES,
      ['id'],
      [
        lengthCheck(runner, 'event', MAX_LETTER_EVENT),
        lengthCheck(runner, 'statement', MAX_LETTER_STATEMENT),
      ],
    );
    await createTable(
      runner,
      'audit_sources',
      {
        id: `${id} NOT NULL`,
        source: `${id} NOT NULL`,
        kind: `${text(16)} NOT NULL`,
        sequence: 'bigint NOT NULL',
        timestamp: 'bigint NOT NULL',
        process: `${text(1024)} NOT NULL`,
        statement: `${longText('text')} NULL`,
      },
      SOURCE_INDEXES,
      ['id'],
      [lengthCheck(runner, 'statement', MAX_NOTE_STATEMENT)],
    );
    await createTable(
      runner,
      'audit_settings',
      { name: `${text(64)} NOT NULL`, value: `${text(255)} NOT NULL` },
      {},
      ['name'],
    );
    await createTextView(runner);
    await insertOnce(runner, 'audit_settings', {
      name: "'cursor_key'",
      value: `'${randomBytes(32).toString('hex')}'`,
    });
  }

  async down(runner: QueryRunner): Promise<void> {
    await dropTextView(runner);
    await dropTables(runner, TABLES);
  }
}

const TABLES = ['audit_events', 'audit_dead_letters', 'audit_sources', 'audit_settings'] as const;
