// An application with retention that runs with the rights of docs/operate/hardening.md and no more, and what attackers do to its tables.
import type { Logger } from 'typeorm';
import type { AuditEventInput, AuditLogEvent, AuditModuleOptions, AuditProblem } from 'nest-audit-trail';
import { AuditRetention, retention } from 'nest-audit-trail/retention';
import type { RetentionOptions } from 'nest-audit-trail/retention';
import { isEventId, timestampOf } from '../../src/event/event-id.js';
import { ROW_COLUMNS, toRow } from '../../src/store/event-row.js';
import { openStore } from './audit-store.js';
import type { AuditStore } from './audit-store.js';
import { dropChecks, RawTables, startLedgerApp } from './ledger-app.js';
import type { LedgerApp } from './ledger-app.js';
import type { TestDatabase } from './harness/databases.js';
import { grantUsers } from './granted-users.js';
import type { GrantedUsers } from './granted-users.js';
import { ask } from './stored-rows.js';

export type Row = Record<string, unknown>;
type Options = Omit<AuditModuleOptions, 'database' | 'migrate'> & { readonly retention?: RetentionOptions };

export const DAY = 86_400_000;
/** Old enough for the rule of every test. */
export const OLD = Date.now() - 400 * DAY;

export class RetainedLog {
  private app: LedgerApp | undefined;
  private starts = 0;
  private readonly opened: RawTables[] = [];

  private constructor(
    readonly database: TestDatabase,
    private readonly owner: AuditStore,
    private readonly users: GrantedUsers,
  ) {}

  static async on(database: TestDatabase): Promise<RetainedLog> {
    const owner = await openStore(database.options);
    return new RetainedLog(database, owner, await grantUsers(database, owner.connection));
  }

  get audit(): LedgerApp['audit'] {
    return this.app!.audit;
  }

  get retention(): AuditRetention {
    return this.app!.get(AuditRetention);
  }
  get: LedgerApp['get'] = (service) => this.app!.get(service);

  /**
   * Ends the application that runs, and starts another one.
   *
   * @param asked called with each statement on the connections of the application and of its retention
   */
  async start(options: Options = {}, asked?: (statement: string) => void): Promise<LedgerApp['audit']> {
    await this.app?.close();
    this.app = undefined;
    this.starts += 1;
    const { ledger, retention: own, features = [], ...rest } = options;
    const { application, sealer, maintenance } = this.users;
    const journal = `${this.database.journal}-${this.starts}`;
    const logging = asked && { logging: true, logger: new StatementLogger(asked) };
    this.app = await startLedgerApp(
      { ...this.database, options: { ...application, ...logging }, journal },
      {
        migrate: false,
        ...rest,
        features: [
          ...features,
          retention({
            rules: [{ keepDays: 365 }],
            batchSize: 7,
            pauseMs: 0,
            ...own,
            database: { ...maintenance, ...logging },
          }),
        ],
        ledger: { database: sealer, ...ledger },
      },
    );
    return this.app.audit;
  }

  /** Recorded, stored and sealed. */
  async sealed(events: readonly AuditEventInput[]): Promise<AuditLogEvent[]> {
    const recorded = await Promise.all(
      events.map((event) => this.audit.record({ tenantId: 'acme', ...event })),
    );
    await this.audit.flush();
    await this.audit.checkpoint();
    return recorded;
  }

  /** Somebody who may write all tables, and has dropped their triggers. */
  async writer(): Promise<RawTables> {
    return this.keep(await RawTables.open(this.database));
  }

  /** Somebody who has the password of the application, which may insert. */
  async inserter(): Promise<RawTables> {
    return this.keep(await RawTables.as(this.users.application));
  }

  /** The checks of the tables are gone, as where they were made before there were any: rows may then hold what is no JSON. */
  async dropChecks(inserter: RawTables): Promise<void> {
    // On SQLite each connection decides for itself.
    const connection = this.database.name === 'sqlite' ? inserter.connection : this.owner.connection;
    await dropChecks(connection, this.database);
  }

  async ids(): Promise<string[]> {
    const rows = await ask<{ id: string }>(this.owner.connection, 'SELECT id FROM audit_events');
    return rows.map(({ id }) => id);
  }

  async close(): Promise<void> {
    await this.app?.close();
    for (const tables of this.opened) await tables.close();
    await this.users.drop();
    await this.owner.close();
    await this.database.drop();
  }

  private keep(tables: RawTables): RawTables {
    this.opened.push(tables);
    return tables;
  }
}

/** TypeORM's way to tell of its statements. */
class StatementLogger implements Logger {
  readonly logQuery: (statement: string) => void;
  constructor(asked: (statement: string) => void) {
    this.logQuery = asked;
  }
  logQueryError(): void {}
  logQuerySlow(): void {}
  logSchemaBuild(): void {}
  logMigration(): void {}
  log(): void {}
}

/** Events that are old enough to be removed. */
export function old(count: number, more: Partial<AuditEventInput> = {}): AuditEventInput[] {
  return Array.from({ length: count }, (_, index) => ({
    action: 'invoice.read',
    category: 'data_access',
    timestamp: OLD + index,
    ...more,
  }));
}

/** The row by which an event is stored, which somebody may write by hand. */
export function rowOf(event: AuditLogEvent, more: Row = {}): Row {
  const values = toRow(event);
  return { ...Object.fromEntries(ROW_COLUMNS.map((column, index) => [column, values[index]])), ...more };
}

/** An event without a number that nobody has recorded. */
export function invented(
  event: Pick<AuditLogEvent, 'id' | 'action'> & Partial<AuditLogEvent>,
): AuditLogEvent {
  return {
    timestamp: isEventId(event.id) ? timestampOf(event.id) : Date.now(),
    tenantId: 'acme',
    resource: 'audit',
    details: {},
    severity: 'low',
    category: 'compliance',
    outcome: 'success',
    riskScore: 0,
    complianceFlags: [],
    metadata: {},
    ...event,
  };
}

/** What was found, in short. */
export function found(problems: readonly AuditProblem[]): [code: string, eventId: string | undefined][] {
  return problems.map(({ code, eventId }) => [code, eventId]);
}
