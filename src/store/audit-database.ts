import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DataSource, getMetadataArgsStorage, MigrationExecutor } from 'typeorm';
import type { MigrationInterface } from 'typeorm';
import { AuditError } from '../event/audit-error.js';
import type { AuditLogger } from '../event/audit-logger.js';
import { showValue } from '../event/show-value.js';
import { AuditDeadLetterEntity } from './audit-dead-letter.entity.js';
import { AuditEventEntity } from './audit-event.entity.js';
import {
  AuditCheckpointEntity,
  AuditLeafEntity,
  AuditLeaseEntity,
  AuditTileEntity,
} from './audit-ledger.entities.js';
import { AuditSettingEntity } from './audit-setting.entity.js';
import { EventReader } from './event-reader.js';
import { AuditSourceEntity } from './audit-source.entity.js';
import { CreateAuditEvents1763856000000 } from './migrations/1763856000000-create-audit-events.js';
import { CreateAuditLedger1764000000000 } from './migrations/1764000000000-create-audit-ledger.js';
import { markOwn, OWN_MYSQL_OPTIONS } from './mysql-session.js';
import { loggerOf, quietRunner } from './quiet-runner.js';
import { runStatement } from './run-statement.js';
import { createPrivately } from './sqlite-file.js';
import { areTablesMissing, describeStoreError } from './store-error.js';
import type { AuditDatabaseOptions, StoreOptions } from './store-options.js';
import { quoted, SUPPORTED_DATABASES, tableName } from './table-name.js';
import type { AuditTable, SupportedDatabase } from './table-name.js';
import { within } from './within.js';

/** Tables that a feature adds. */
export interface FeatureTables {
  readonly entities: readonly (new () => object)[];
  /** They run in the order of their names' times, with those of the core. */
  readonly migrations: readonly (new () => MigrationInterface)[];
}

export const AUDIT_ENTITIES = [
  AuditEventEntity,
  AuditSettingEntity,
  AuditDeadLetterEntity,
  AuditSourceEntity,
  AuditLeafEntity,
  AuditTileEntity,
  AuditCheckpointEntity,
  AuditLeaseEntity,
];
export const AUDIT_MIGRATIONS = [CreateAuditEvents1763856000000, CreateAuditLedger1764000000000];

/** The library keeps its own list of migrations, so that it never mixes with the application's. An `entityPrefix` stands before it. */
export const AUDIT_MIGRATIONS_TABLE = 'audit_migrations';

const DEFAULT_DATABASE = { type: 'better-sqlite3', database: 'audit.sqlite' } as const;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 15_000;
/** How long closing waits for a connection that may never answer. */
const CLOSE_PATIENCE_MS = 1_000;
/** How long an own connection may take to be made; the drivers' own defaults are ten seconds and for ever. */
const CONNECT_TIMEOUT_MS = 5_000;

/**
 * The connection to the database: opened and migrated at start, tried again with backoff in the background while
 * the database is away, and closed by whoever opened it.
 */
export class AuditDatabase {
  private source: DataSource | undefined;
  private connecting: Promise<void> | undefined;
  private readonly stop = new AbortController();
  private hasFailed = false;
  /** It was connected before. */
  private isRenewal = false;
  private lastError = 'it is not connected yet, as before app.init() or app.listen()';
  private stopWatching: () => void = () => undefined;
  /** Reads the rows of events, and counts those that are none. */
  readonly reader: EventReader;

  constructor(
    private readonly options: StoreOptions,
    private readonly logger: AuditLogger,
    private readonly tables: readonly FeatureTables[] = [],
    /** Called with each connection once it is ready to take events. */
    private readonly onReady: () => void = () => undefined,
    /** Called before a data source that the application shares is destroyed; it then waits. */
    private readonly onLeaving: () => Promise<void> = () => Promise.resolve(),
  ) {
    this.reader = new EventReader(logger);
  }

  /**
   * Starts to connect, and waits for it for at most `patienceMs`; after that it goes on in the background.
   *
   * @param shared the application's data source, where `options.dataSource` asks for one
   * @throws AuditError `AUDIT_INVALID_OPTIONS` for what no second try can mend, such as a driver that is not installed
   */
  async connect(patienceMs: number, shared?: DataSource): Promise<void> {
    if (shared) assertSupported(shared);
    else if (!this.options.database) {
      this.logger.log(
        `No audit database is set: events go to the SQLite file ${resolve(DEFAULT_DATABASE.database)}.`,
      );
    }
    this.connecting = this.keepTrying(shared);
    let waiting = true;
    this.connecting.catch((error: unknown) => {
      // Thrown to whoever still waits.
      if (!waiting) this.logger.error(String(error));
    });
    await within(patienceMs, this.connecting);
    waiting = false;
  }

  /**
   * The connected data source.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE` while there is none
   */
  ready(): DataSource {
    if (this.source?.isInitialized) return this.source;
    throw new AuditError(
      'AUDIT_STORE_UNAVAILABLE',
      `The audit database can't be reached (${this.whyNotReady}). Recorded events are kept and delivered once it is back.`,
    );
  }

  /** All tables here, those of features included. */
  get tableNames(): AuditTable[] {
    const entities: readonly unknown[] = entitiesOf(this.tables);
    const declared = getMetadataArgsStorage().tables.filter(({ target }) => entities.includes(target));
    return declared.map(({ name }) => name as AuditTable);
  }

  /** Why there is no connected data source; `undefined` where there is. */
  get whyNotReady(): string | undefined {
    if (this.source?.isInitialized) return undefined;
    return this.source ? 'the application has closed the data source that it shares' : this.lastError;
  }

  /** It is not connected yet, and no attempt has failed. */
  get isConnecting(): boolean {
    return !this.source && !this.hasFailed;
  }

  /** The application has destroyed the data source that it shares: there is nothing left to wait for. */
  get isGone(): boolean {
    return this.source?.isInitialized === false;
  }

  /**
   * Connects again where the tables are gone: makes them where it may, else waits until somebody has. Where only others are missing, as
   * those of a feature, it does nothing.
   */
  async renew(): Promise<void> {
    const { source } = this;
    if (!source?.isInitialized || !(await isLogGone(source))) return;
    if (this.source !== source || this.stop.signal.aborted) return;
    this.source = undefined;
    this.isRenewal = true;
    this.lastError = 'its tables are gone';
    this.logger.error(
      `The audit's tables are gone from the database: somebody may have removed the evidence. Find out who dropped them, and keep the journal and each checkpoint that is kept elsewhere. ${(this.options.migrate ?? true) ? 'They are made again' : 'Run the migrations of the library'}, and a new log begins.`,
    );
    const shared = this.options.dataSource === undefined ? undefined : source;
    this.stopWatching();
    if (!shared)
      await within(
        CLOSE_PATIENCE_MS,
        source.destroy().catch(() => undefined),
      );
    this.connecting = this.keepTrying(shared);
    this.connecting.catch((error: unknown) => this.logger.error(String(error)));
  }

  /** Ends the attempts, and closes the connection unless the application owns it. A hung one is left behind. */
  async close(): Promise<void> {
    this.stop.abort();
    if (this.connecting)
      await within(
        CLOSE_PATIENCE_MS,
        this.connecting.catch(() => undefined),
      );
    const source = this.source;
    this.source = undefined;
    this.stopWatching();
    if (!source?.isInitialized || this.options.dataSource !== undefined) return;
    await within(
      CLOSE_PATIENCE_MS,
      source.destroy().catch(() => undefined),
    );
  }

  private async keepTrying(shared: DataSource | undefined): Promise<void> {
    let waitMs = FIRST_RETRY_MS;
    while (!this.stop.signal.aborted) {
      try {
        await this.open(shared);
        if (waitMs > FIRST_RETRY_MS) this.logger.log('The audit database is back.');
        return;
      } catch (error) {
        this.hasFailed = true;
        if (error instanceof AuditError) throw error;
        if (this.stop.signal.aborted) return;
        this.noteFailure(error);
        // Jitter, so that many processes don't return to a restarted database in step. The application keeps the
        // process running, not these attempts.
        const jittered = waitMs * (0.5 + Math.random() / 2);
        await delay(jittered, undefined, { ref: false, signal: this.stop.signal }).catch(() => undefined);
        waitMs = Math.min(waitMs * 2, LAST_RETRY_MS);
      }
    }
  }

  private noteFailure(error: unknown): void {
    const reason = error instanceof Error ? describeStoreError(error) : String(error);
    if (reason === this.lastError) return;
    this.lastError = reason;
    this.logger.error(
      `The audit database can't be used: ${reason}. The application goes on; events are kept and delivered later.`,
    );
  }

  private async open(shared: DataSource | undefined): Promise<void> {
    const options = this.options.database ?? DEFAULT_DATABASE;
    let source = shared;
    try {
      // TypeORM loads the driver when the data source is made.
      source ??= createAuditDataSource(options, this.tables);
      assertNames(source, shared ? 'dataSource' : 'database');
      if (!shared && options.type === 'better-sqlite3') this.createFile(options);
      if (!source.isInitialized) await source.initialize();
      // The first statement looks at the session of a shared connection.
      await runStatement(source, 'SELECT 1');
      if (this.options.migrate ?? true) await runMigrations(source, this.tables);
      else if (this.isRenewal) await assertLog(source);
    } catch (error) {
      if (!shared && source?.isInitialized) await source.destroy().catch(() => undefined);
      throw toOptionError(error, options.type) ?? error;
    }
    if (this.stop.signal.aborted) {
      if (!shared) await source.destroy();
      return;
    }
    if (shared) this.leaveBefore(shared);
    this.source = source;
    this.onReady();
  }

  private createFile(options: Parameters<typeof createPrivately>[0]): void {
    const open = createPrivately(options);
    if (open === undefined) return;
    this.logger.warn(
      `The SQLite file of the audit can be read by other users of this machine: write chmod 600 ${open} (and the same for ${open}-wal and ${open}-shm).`,
    );
  }

  /**
   * Nest closes `TypeOrmModule` before a global module that is imported beside it, whatever their order, and an
   * application may destroy a data source of its own at any time: so the data source itself has to wait.
   */
  private leaveBefore(shared: DataSource): void {
    const { destroy } = shared;
    const watched = async () => {
      await this.onLeaving();
      await destroy.call(shared);
    };
    shared.destroy = watched;
    this.stopWatching = () => {
      if (shared.destroy === watched) shared.destroy = destroy;
    };
  }
}

/** A data source for the audit's tables alone. Not yet connected. */
function createAuditDataSource(options: AuditDatabaseOptions, tables: readonly FeatureTables[]): DataSource {
  const own = {
    ...options,
    entities: entitiesOf(tables),
    migrations: migrationsOf(tables),
    migrationsTableName: migrationsTableOf(options),
    synchronize: false,
    migrationsRun: false,
    dropSchema: false,
  };
  if (own.type === 'postgres')
    return markOwn(new DataSource({ connectTimeoutMS: CONNECT_TIMEOUT_MS, ...own }));
  if (own.type !== 'better-sqlite3') {
    const { charset } = OWN_MYSQL_OPTIONS;
    const extra = { ...(own.extra as object), charset };
    return markOwn(
      new DataSource({ connectTimeout: CONNECT_TIMEOUT_MS, ...own, ...OWN_MYSQL_OPTIONS, extra }),
    );
  }
  const { prepareDatabase } = own;
  const source = new DataSource({
    // The driver waits for another process's lock on the main thread: not long, the delivery tries again.
    timeout: 100,
    ...own,
    prepareDatabase: async (connection: { pragma(source: string): unknown }) => {
      // Readers don't block the writer, and a commit survives the death of the process.
      connection.pragma('journal_mode = WAL');
      connection.pragma('synchronous = NORMAL');
      await prepareDatabase?.(connection);
    },
  });
  return markOwn(source);
}

function entitiesOf(tables: readonly FeatureTables[]): FeatureTables['entities'][number][] {
  return [...AUDIT_ENTITIES, ...tables.flatMap(({ entities }) => entities)];
}

function migrationsOf(tables: readonly FeatureTables[]): FeatureTables['migrations'][number][] {
  return [...AUDIT_MIGRATIONS, ...tables.flatMap(({ migrations }) => migrations)];
}

/** TypeORM puts no `entityPrefix` before it: two audits in one database would share one list, and the second have no tables. */
function migrationsTableOf({ entityPrefix = '' }: { readonly entityPrefix?: string }): string {
  return entityPrefix + AUDIT_MIGRATIONS_TABLE;
}

/** Runs the library's migrations, with its own list of them even on a data source that the application shares. */
async function runMigrations(source: DataSource, tables: readonly FeatureTables[]): Promise<void> {
  // A view of the data source that differs in nothing but the migrations; the executor reads no more than these.
  const view = Object.create(source, {
    migrations: { value: migrationsOf(tables).map((Migration) => new Migration()) },
    options: { value: { ...source.options, migrationsTableName: migrationsTableOf(source.options) } },
    logger: { value: loggerOf(source) },
  }) as DataSource;
  const runner = source.createQueryRunner('master');
  try {
    await runner.connect();
    const quiet = quietRunner(source, runner);
    // By its manager, TypeORM notes which migrations have run.
    if (quiet !== runner) Object.assign(quiet, { manager: source.createEntityManager(quiet) });
    await new MigrationExecutor(view, quiet).executePendingMigrations();
  } finally {
    await runner.release();
  }
}

/** @throws Error while somebody else still makes the tables; the driver's error where they are not there */
async function assertLog(source: DataSource): Promise<void> {
  const settings = quoted(source, tableName(source, 'audit_settings'));
  const rows = await runStatement<unknown[]>(source, `SELECT 1 FROM ${settings} WHERE name = 'ledger_id'`);
  if (rows.length === 0) throw new Error('its tables are not complete');
}

async function isLogGone(source: DataSource): Promise<boolean> {
  try {
    await assertLog(source);
    return false;
  } catch (error) {
    return areTablesMissing(error);
  }
}

function assertSupported({ options: { type } }: DataSource): void {
  if (SUPPORTED_DATABASES.includes(type as SupportedDatabase)) return;
  throw new AuditError(
    'AUDIT_INVALID_OPTIONS',
    `The audit option dataSource names a data source of type "${type}": write database for a connection of the audit's own, of type ${SUPPORTED_DATABASES.join(', ')}.`,
    { field: 'dataSource' },
  );
}

/** A name is part of statements, also within quotes of other kinds, and not every version of TypeORM escapes it. */
const PLAIN_NAME = /^[\p{L}\p{N}_-]*$/u;

function assertNames({ options }: DataSource, option: 'database' | 'dataSource'): void {
  const { entityPrefix = '', schema = '' } = options as { entityPrefix?: string; schema?: string };
  for (const [property, name] of Object.entries({ entityPrefix, schema })) {
    if (PLAIN_NAME.test(name)) continue;
    throw new AuditError(
      'AUDIT_INVALID_OPTIONS',
      `The audit's tables can't have the ${property} ${showValue(name)}: write letters, digits, _ and - only.`,
      { field: `${option}.${property}` },
    );
  }
}

/** The npm packages of the drivers. */
const DRIVERS: Record<SupportedDatabase, string> = {
  'better-sqlite3': 'better-sqlite3@12',
  mysql: 'mysql2',
  mariadb: 'mysql2',
  postgres: 'pg',
};

/** The errors of TypeORM that come from the options and not from the state of the database. */
function toOptionError(error: unknown, type: SupportedDatabase): AuditError | undefined {
  const name = error instanceof Error ? error.constructor.name : '';
  if (name !== 'DriverPackageNotInstalledError' && name !== 'MissingDriverError') return undefined;
  return new AuditError(
    'AUDIT_INVALID_OPTIONS',
    `The driver of the audit database is not installed: write npm install ${DRIVERS[type]} for the type "${type}".`,
    { field: 'database.type', cause: error },
  );
}
