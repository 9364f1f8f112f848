import { randomBytes } from 'node:crypto';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectOf, quoted, tableName } from '../table-name.js';
import { TEXT_LIMITS } from '../../event/safe-text.js';

/**
 * Every index is by tenant, then the filter, then the id, which sorts by time: a page of any filter is one index
 * range. `docs/decisions/003-indexes.md` has what each costs an insert.
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
} as const;

/**
 * Creates `audit_events` and `audit_settings`. Each statement does nothing where its work is done already, since
 * MySQL's DDL can't be rolled back and several processes may start at once.
 */
export class CreateAuditEvents1763856000000 implements MigrationInterface {
  readonly name = 'CreateAuditEvents1763856000000';

  async up(runner: QueryRunner): Promise<void> {
    const { connection } = runner;
    const dialect = dialectOf(connection);
    const events = tableName(connection, 'audit_events');
    const settings = tableName(connection, 'audit_settings');
    const q = (name: string) => quoted(connection, name);
    const collation = dialect === 'mysql' ? await mysqlCollation(runner) : undefined;
    // Byte-wise comparison everywhere: two tenants that differ in case or in a trailing space are two tenants.
    const text = (length: number) => {
      if (dialect === 'postgres') return `varchar(${length}) COLLATE "C"`;
      return collation
        ? `varchar(${length}) CHARACTER SET utf8mb4 COLLATE ${collation}`
        : `varchar(${length})`;
    };
    const json =
      dialect === 'postgres'
        ? 'text COLLATE "C"'
        : collation
          ? `text CHARACTER SET utf8mb4 COLLATE ${collation}`
          : 'text';

    const indexes = Object.entries(EVENT_INDEXES).map(
      ([name, columns]) => [`${events.split('.').at(-1)}_${name}`, columns.map(q).join(', ')] as const,
    );
    // MySQL has no CREATE INDEX IF NOT EXISTS: there the indexes are part of the table.
    const inlineIndexes =
      dialect === 'mysql' ? indexes.map(([name, columns]) => `,\n      INDEX ${q(name)} (${columns})`) : [];
    await runner.query(`CREATE TABLE IF NOT EXISTS ${q(events)} (
      ${q('id')} ${text(36)} NOT NULL PRIMARY KEY,
      ${q('timestamp')} bigint NOT NULL,
      ${q('tenant_id')} ${text(TEXT_LIMITS.tenantId)} NOT NULL,
      ${q('user_id')} ${text(TEXT_LIMITS.userId)} NULL,
      ${q('action')} ${text(TEXT_LIMITS.action)} NOT NULL,
      ${q('resource')} ${text(TEXT_LIMITS.resource)} NOT NULL,
      ${q('resource_id')} ${text(TEXT_LIMITS.resourceId)} NULL,
      ${q('details')} ${json} NOT NULL,
      ${q('ip_address')} ${text(TEXT_LIMITS.ipAddress)} NULL,
      ${q('user_agent')} ${text(TEXT_LIMITS.userAgent)} NULL,
      ${q('session_id')} ${text(TEXT_LIMITS.sessionId)} NULL,
      ${q('severity')} ${text(16)} NOT NULL,
      ${q('category')} ${text(32)} NOT NULL,
      ${q('outcome')} ${text(16)} NOT NULL,
      ${q('risk_score')} smallint NOT NULL,
      ${q('compliance_flags')} ${json} NOT NULL,
      ${q('metadata')} ${json} NOT NULL${inlineIndexes.join('')}
    )`);
    for (const [name, columns] of dialect === 'mysql' ? [] : indexes) {
      await runner.query(`CREATE INDEX IF NOT EXISTS ${q(name)} ON ${q(events)} (${columns})`);
    }

    await runner.query(`CREATE TABLE IF NOT EXISTS ${q(settings)} (
      ${q('name')} ${text(64)} NOT NULL PRIMARY KEY,
      ${q('value')} ${text(255)} NOT NULL
    )`);
    const key = randomBytes(32).toString('hex');
    // One statement, so that of several processes that start at once one writes the key and the others keep it.
    await runner.query(
      `INSERT INTO ${q(settings)} (${q('name')}, ${q('value')})
       SELECT 'cursor_key', '${key}' ${dialect === 'mysql' ? 'FROM DUAL' : ''}
       WHERE NOT EXISTS (SELECT 1 FROM ${q(settings)} WHERE ${q('name')} = 'cursor_key')`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    const { connection } = runner;
    await runner.query(`DROP TABLE IF EXISTS ${quoted(connection, tableName(connection, 'audit_events'))}`);
    await runner.query(`DROP TABLE IF EXISTS ${quoted(connection, tableName(connection, 'audit_settings'))}`);
  }
}

/** The byte-wise collation without space padding of MySQL 8 or MariaDB; `utf8mb4_bin` where a server has neither. */
async function mysqlCollation(runner: QueryRunner): Promise<string> {
  const preferred = ['utf8mb4_0900_bin', 'utf8mb4_nopad_bin'];
  const rows = (await runner.query(
    `SELECT COLLATION_NAME AS name FROM information_schema.COLLATIONS WHERE COLLATION_NAME IN ('${preferred.join("', '")}')`,
  )) as { name: string }[];
  return preferred.find((name) => rows.some((row) => row.name === name)) ?? 'utf8mb4_bin';
}
