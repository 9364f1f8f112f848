// An application that seals what it records, and the tables of its log as somebody with the database's password sees them.
import { isDeepStrictEqual } from 'node:util';
import { Module } from '@nestjs/common';
import type { INestApplicationContext, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DataSource } from 'typeorm';
import { AuditModule, AuditService } from 'nest-audit-trail';
import type { AuditDatabaseOptions, AuditModuleOptions } from 'nest-audit-trail';
import { insertRows } from './event-rows.js';
import type { TestDatabase } from './harness/databases.js';
import { ask } from './stored-rows.js';

export const LEDGER_TABLES = ['audit_events', 'audit_leaves', 'audit_tiles', 'audit_checkpoints'] as const;
type Row = Record<string, unknown>;
/** The rows of some tables. */
export type Snapshot = Map<Table, Row[]>;

/** Warnings and errors of all of them, since Nest has one logger. */
export const logged: string[] = [];
const keep = (line: unknown) => void logged.push(String(line));

/**
 * The delivery of an application that only prepares something, only reads, or is compared with: a thread costs most of a start. On a
 * server each suite has at least one application with a thread (describeEachDatabase).
 */
export const AS_A_TOOL = { thread: false } as const;

export interface LedgerApp {
  readonly audit: AuditService;
  /** The service of a feature. */
  get<T>(service: Type<T>): T;
  close(): Promise<void>;
}

export async function startLedgerApp(
  database: TestDatabase,
  options: Omit<AuditModuleOptions, 'database'> = {},
): Promise<LedgerApp> {
  const { delivery, ledger, ...rest } = options;
  @Module({
    imports: [
      AuditModule.forRoot({
        // A test counts the leaves that it makes.
        ...rest,
        database: database.options,
        delivery: { directory: database.journal, drainOnSignals: false, ...delivery },
        // By themselves, they would seal while a test looks.
        ledger: { intervalMs: 600_000, ...ledger },
      }),
    ],
  })
  class LedgerModule {}
  const app: INestApplicationContext = await NestFactory.createApplicationContext(LedgerModule, {
    logger: { log: () => undefined, warn: keep, error: keep, fatal: keep },
    abortOnError: false,
  });
  return {
    audit: app.get(AuditService),
    get: (service) => app.get(service),
    close: () => app.close(),
  };
}

/** The attacker: raw SQL, with the triggers and the checks dropped. Ids and codes are texts, see `ask`. */
export class RawTables {
  private constructor(readonly connection: DataSource) {}

  static async open(database: TestDatabase): Promise<RawTables> {
    const tables = new RawTables(await new DataSource(database.options).initialize());
    await dropTriggers(tables.connection, database);
    await dropChecks(tables.connection, database);
    return tables;
  }

  /** An attacker with the rights of one user; nothing is dropped. */
  static async as(options: AuditDatabaseOptions): Promise<RawTables> {
    return new RawTables(await new DataSource(options).initialize());
  }

  q(name: string): string {
    return this.connection.driver.escape(name);
  }

  async query<T extends Row = Row>(statement: string): Promise<T[]> {
    return ask<T>(this.connection, statement);
  }

  async rows(table: string, order: string): Promise<Row[]> {
    const rows = await this.query(`SELECT * FROM ${this.q(table)} ORDER BY ${this.q(order)}`);
    return rows.map((row) => ({ ...row }));
  }

  async insert(table: string, rows: readonly Row[]): Promise<void> {
    if (rows.length > 0) await insertRows(this.connection, table, rows);
  }

  async snapshot(names: readonly Table[] = LEDGER_TABLES): Promise<Snapshot> {
    const tables: Snapshot = new Map();
    for (const name of names) tables.set(name, await this.rows(name, ORDER[name]));
    return tables;
  }

  /** Writes only the tables that have changed: to compare hundreds of rows takes less than to insert them. */
  async restore(snapshot: ReadonlyMap<Table, Row[]>): Promise<void> {
    for (const [table, rows] of snapshot) {
      if (isDeepStrictEqual(await this.rows(table, ORDER[table]), rows)) continue;
      await this.query(`DELETE FROM ${this.q(table)}`);
      await this.insert(table, rows);
    }
  }

  close(): Promise<void> {
    return this.connection.destroy();
  }
}

/** What only the owner of the tables may do. */
export async function dropTriggers(
  connection: DataSource,
  { name: database }: Pick<TestDatabase, 'name'>,
): Promise<void> {
  if (database === 'postgres') {
    await connection.query('DROP FUNCTION IF EXISTS audit_events_refuse_change CASCADE');
    await connection.query('DROP FUNCTION IF EXISTS audit_events_refuse_delete CASCADE');
    return;
  }
  const triggers: { name: string }[] = await connection.query(
    database === 'sqlite'
      ? "SELECT name FROM sqlite_master WHERE type = 'trigger'"
      : 'SELECT TRIGGER_NAME AS name FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()',
  );
  for (const { name } of triggers) await connection.query(`DROP TRIGGER ${connection.driver.escape(name)}`);
}

/** Likewise. */
export async function dropChecks(
  connection: DataSource,
  { name: database }: Pick<TestDatabase, 'name'>,
): Promise<void> {
  if (database === 'sqlite') {
    await connection.query('PRAGMA ignore_check_constraints = ON');
    return;
  }
  const schema = database === 'mysql' ? 'DATABASE()' : 'current_schema()';
  const checks: { tab: string; name: string }[] = await connection.query(
    `SELECT t.TABLE_NAME AS tab, t.CONSTRAINT_NAME AS name FROM information_schema.TABLE_CONSTRAINTS t
      WHERE t.CONSTRAINT_TYPE = 'CHECK' AND t.TABLE_SCHEMA = ${schema} AND t.CONSTRAINT_NAME NOT LIKE '%not_null'`,
  );
  for (const { tab, name } of checks) {
    await connection.query(
      `ALTER TABLE ${connection.driver.escape(tab)} DROP CONSTRAINT ${connection.driver.escape(name)}`,
    );
  }
}

const ORDER = {
  audit_events: 'id',
  audit_leaves: 'leaf_index',
  audit_tiles: 'level',
  audit_checkpoints: 'tree_size',
  audit_sources: 'id',
  audit_leases: 'name',
  audit_dead_letters: 'id',
} as const;
type Table = keyof typeof ORDER;
