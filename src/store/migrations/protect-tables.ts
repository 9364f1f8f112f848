import type { DataSource, QueryRunner } from 'typeorm';
import { columnOf } from '../columns.js';
import { REPLACE_REFUSED } from '../store-error.js';
import { dialectOf, quoted, quotedTable, tableName } from '../table-name.js';
import type { AuditTable } from '../table-name.js';
import { createIfAllowed, mayNot } from './tables.js';
import type { Table, Tables } from './tables.js';

/**
 * Has the database refuse UPDATE and DELETE on the tables, and TRUNCATE or REPLACE where it would not count as these. Where the user of the migration
 * may not create triggers, which on MySQL is a right of its own, the tables stay as they are and a warning says so.
 */
export async function protectTables(runner: QueryRunner, tables: Tables): Promise<void> {
  const { connection } = runner;
  const statements = allTriggersOf(connection, tables).map(({ create }) => create);
  if (dialectOf(connection) === 'postgres') statements.unshift(refusal(connection));
  await runTriggers(runner, statements);
}

/** What TiDB answers, which has no triggers: it can't parse the statement, does not support it, or something else. */
const NO_TRIGGERS = [1064, 1105, 1235];

/** Runs statements that make triggers, see {@link createIfAllowed}. */
export function runTriggers(runner: QueryRunner, statements: readonly string[]): Promise<void> {
  return createIfAllowed(
    runner,
    statements,
    'AUDIT_UNPROTECTED',
    (refusal) =>
      `The audit tables are not protected by triggers, since they can't be created by the user of the migration, or not on this server (${refusal}). docs/operate/hardening.md of nest-audit-trail says how to add them.`,
    async (errno) => mayNot(errno) || (NO_TRIGGERS.includes(errno) && (await isTiDb(runner))),
  );
}

async function isTiDb(runner: QueryRunner): Promise<boolean> {
  const [server] = (await runner.query('SELECT VERSION() AS version')) as { readonly version: string }[];
  return server!.version.includes('TiDB');
}

/** Takes the triggers away again, for who has to change what is recorded. */
export async function unprotectTables(runner: QueryRunner, tables: Tables): Promise<void> {
  for (const { drop } of allTriggersOf(runner.connection, tables)) await runner.query(drop);
}

interface Trigger {
  readonly create: string;
  readonly drop: string;
}

function allTriggersOf(connection: DataSource, tables: Tables): Trigger[] {
  return Object.entries(tables).flatMap(([name, table]) => [
    ...triggersOf(connection, name as AuditTable),
    ...(dialectOf(connection) === 'sqlite' ? [noReplace(connection, name as AuditTable, table)] : []),
  ]);
}

function triggersOf(connection: DataSource, name: AuditTable): Trigger[] {
  const dialect = dialectOf(connection);
  const table = quotedTable(connection, name);
  const q = (trigger: string) => quoted(connection, trigger);
  const plain = tableName(connection, name).split('.').at(-1)!;
  if (dialect === 'postgres') {
    // Not OR REPLACE: a process that is late with its migration must not take back what a feature has put there instead.
    const on = (trigger: string, when: string, each: string) => ({
      create: `CREATE TRIGGER ${trigger} BEFORE ${when} ON ${table} FOR EACH ${each} EXECUTE FUNCTION ${refusalName(connection)}()`,
      drop: `DROP TRIGGER IF EXISTS ${trigger} ON ${table}`,
    });
    return [
      on(q(`${plain}_append_only`), 'UPDATE OR DELETE', 'ROW'),
      on(q(`${plain}_no_truncate`), 'TRUNCATE', 'STATEMENT'),
    ];
  }
  return (['UPDATE', 'DELETE'] as const).map((operation) => {
    const trigger = q(`${plain}_no_${operation.toLowerCase()}`);
    const message = `${plain} is append-only: ${operation} is refused`;
    const create =
      dialect === 'sqlite'
        ? `CREATE TRIGGER IF NOT EXISTS ${trigger} BEFORE ${operation} ON ${table} BEGIN SELECT RAISE(ABORT, '${message}'); END`
        : `CREATE TRIGGER ${trigger} BEFORE ${operation} ON ${table} FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '${message}'`;
    return { create, drop: `DROP TRIGGER IF EXISTS ${trigger}` };
  });
}

/**
 * SQLite: INSERT OR REPLACE deletes the row that is there without asking the trigger of DELETE. So a row that is there is
 * refused before.
 */
function noReplace(connection: DataSource, name: AuditTable, { columns }: Table): Trigger {
  const plain = tableName(connection, name);
  const q = (column: string) => quoted(connection, column);
  const trigger = q(`${plain}_no_replace`);
  const isSame = (of: 'primary' | 'unique') =>
    Object.entries(columns)
      .filter(([, { entity }]) => entity[of])
      .map(([name]) => `${q(columnOf(name))} = NEW.${q(columnOf(name))}`)
      .join(' AND ');
  const same = [isSame('primary'), isSame('unique')].filter((is) => is !== '');
  // Of a row that names no rowid, it is -1 here.
  const there = [...same, 'rowid = NEW.rowid AND NEW.rowid <> -1'].map(
    (is) => `EXISTS (SELECT 1 FROM ${q(plain)} WHERE ${is})`,
  );
  return {
    create: `CREATE TRIGGER IF NOT EXISTS ${trigger} BEFORE INSERT ON ${q(plain)} WHEN ${there.join(' OR ')}
      BEGIN SELECT RAISE(ABORT, '${plain} is append-only: ${REPLACE_REFUSED}'); END`,
    drop: `DROP TRIGGER IF EXISTS ${trigger}`,
  };
}

/** PostgreSQL: what all triggers call. */
function refusal(connection: DataSource): string {
  return `CREATE OR REPLACE FUNCTION ${refusalName(connection)}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP; END $$`;
}

/** PostgreSQL: a function that a trigger of `audit_events` calls, beside its table. */
export function refusalName(connection: DataSource, does = 'refuse_change'): string {
  return quoted(connection, `${tableName(connection, 'audit_events')}_${does}`);
}
