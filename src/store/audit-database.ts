import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { getMetadataArgsStorage } from 'typeorm';
import type { DataSource, EntityManager } from 'typeorm';
import { AuditError } from '../event/audit-error.js';
import type { AuditLogger } from '../event/audit-logger.js';
import {
  assertNames,
  assertSupported,
  createDataSource,
  entitiesOf,
  losesServers,
  runMigrations,
  settleSchema,
  toOptionError,
} from './audit-data-source.js';
import type { FeatureTables } from './audit-data-source.js';
import { runStatement } from './run-statement.js';
import { createPrivately } from './sqlite-file.js';
import { areTablesMissing, describeStoreError } from './store-error.js';
import type { StoreOptions } from './store-options.js';
import { forgetSchema, quotedTable } from './table-name.js';
import type { AuditTable } from './table-name.js';
import { within } from './within.js';

const DEFAULT_DATABASE = { type: 'better-sqlite3', database: 'audit.sqlite' } as const;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 15_000;
/** How long closing waits for a connection that may never answer. */
const CLOSE_PATIENCE_MS = 1_000;

/**
 * The connection to the database: opened and migrated at start, tried again with backoff in the background while
 * the database is away, and closed by whoever opened it.
 */
export class AuditDatabase {
  private dataSource: DataSource | undefined;
  /** The application's, which opens and closes it. */
  private shared: DataSource | undefined;
  private connecting: Promise<void> | undefined;
  private readonly stop = new AbortController();
  /** It was connected before. */
  private isRenewal = false;
  /** Its options don't fit it, so nothing is written by them. */
  private isUnfit = false;
  private lastError = 'it is not connected yet, as before app.init() or app.listen()';
  private releaseShared: () => void = () => undefined;
  /** Called with each connection once it can take events; where it throws, the connection is given up. */
  connected: () => Promise<void> = () => Promise.resolve();
  /** Called before a data source that the application shares is destroyed; it then waits. */
  leaving: () => Promise<void> = () => Promise.resolve();

  constructor(
    private readonly options: StoreOptions,
    readonly logger: AuditLogger,
    private readonly tables: readonly FeatureTables[] = [],
    /** The audit option that has the connection. */
    private readonly option = 'database',
  ) {}

  /**
   * Starts to connect, and waits for it for at most `patienceMs`; after that it goes on in the background.
   *
   * @param shared the application's data source, where `options.dataSource` asks for one
   * @throws AuditError `AUDIT_INVALID_OPTIONS` for what no second try can mend, such as a driver that is not installed
   */
  async connect(patienceMs: number, shared?: DataSource): Promise<void> {
    this.shared = shared;
    if (shared) assertSupported(shared);
    else if (!this.options.database) {
      this.logger.log(
        `No audit database is set: events go to the SQLite file ${resolve(DEFAULT_DATABASE.database)}.`,
      );
    }
    this.connecting = this.keepTrying();
    if (!(await within(patienceMs, this.connecting))) this.logFailureOf(this.connecting);
  }

  /**
   * The connected data source.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE` while there is none
   */
  ready(): DataSource {
    if (this.dataSource?.isInitialized) return this.dataSource;
    throw new AuditError(
      'AUDIT_STORE_UNAVAILABLE',
      `The audit database can't be reached (${this.whyNotReady}). Recorded events are kept and delivered once it is back.`,
    );
  }

  /**
   * What writes: the caller's transaction, or else the connected data source.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE` while there is none, or where the options don't fit what is stored
   */
  writer(transaction: EntityManager | undefined): EntityManager {
    // Where they don't fit there is no connection either, and whoever asks for it is told why.
    return transaction && !this.isUnfit ? transaction : this.ready().manager;
  }

  /** All tables here, those of features included. */
  get tableNames(): AuditTable[] {
    const entities: readonly unknown[] = entitiesOf(this.tables);
    const declared = getMetadataArgsStorage().tables.filter(({ target }) => entities.includes(target));
    return declared.map(({ name }) => name as AuditTable);
  }

  /** Why there is no connected data source; `undefined` where there is. */
  get whyNotReady(): string | undefined {
    if (this.dataSource?.isInitialized) return undefined;
    return this.dataSource ? 'the application has closed the data source that it shares' : this.lastError;
  }

  /** The application has destroyed the data source that it shares: there is nothing left to wait for. */
  get isGone(): boolean {
    return this.dataSource?.isInitialized === false;
  }

  /**
   * Connects again where the tables are gone: makes them where it may, else waits until somebody has. Where only others are missing, as
   * those of a feature, it does nothing.
   */
  async renew(): Promise<void> {
    const { dataSource } = this;
    if (!dataSource?.isInitialized || !(await isLogGone(dataSource))) return;
    if (this.dataSource !== dataSource || this.stop.signal.aborted) return;
    this.isRenewal = true;
    this.lastError = 'its tables are gone';
    this.logger.error(
      `The audit's tables are gone from the database: somebody may have removed the evidence. Find out who dropped them, and keep the journal and each checkpoint that is kept elsewhere. ${(this.options.migrate ?? true) ? 'They are made again' : 'Run the migrations of the library'}, and a new log begins.`,
    );
    await this.leave();
    this.connecting = this.keepTrying();
    this.logFailureOf(this.connecting);
  }

  /** Ends the attempts, and closes the connection unless the application owns it. A hung one is left behind. */
  async close(): Promise<void> {
    this.stop.abort();
    await inTime(this.connecting);
    await this.leave();
  }

  private async leave(): Promise<void> {
    const { dataSource } = this;
    this.dataSource = undefined;
    this.releaseShared();
    if (dataSource?.isInitialized && !this.shared) await inTime(dataSource.destroy());
  }

  private logFailureOf(connecting: Promise<void>): void {
    connecting.catch((error: unknown) => this.logger.error(String(error)));
  }

  private async keepTrying(): Promise<void> {
    let waitMs = FIRST_RETRY_MS;
    while (!this.stop.signal.aborted) {
      try {
        await this.open();
        if (waitMs > FIRST_RETRY_MS) this.logger.log('The audit database is back.');
        return;
      } catch (error) {
        if (error instanceof AuditError && error.code === 'AUDIT_INVALID_OPTIONS') {
          this.isUnfit = true;
          this.lastError = error.message;
          throw error;
        }
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

  private async open(): Promise<void> {
    const { shared } = this;
    const options = this.options.database ?? DEFAULT_DATABASE;
    let dataSource = shared;
    try {
      // TypeORM loads the driver when the data source is made.
      dataSource ??= createDataSource(options, this.tables);
      assertNames(dataSource, shared ? 'dataSource' : this.option);
      const open = !shared && options.type === 'better-sqlite3' && createPrivately(options);
      if (open) {
        this.logger.warn(
          `The SQLite file of the audit can be read by other users of this machine: write chmod 600 ${open} (and the same for ${open}-wal and ${open}-shm).`,
        );
      }
      if (shared && !shared.isInitialized)
        throw new Error('the application has not opened the data source yet');
      if (!dataSource.isInitialized) await dataSource.initialize();
      // Already now: an application that closes at once waits until its events are stored.
      if (shared) this.leaveBefore(shared);
      forgetSchema(dataSource);
      // The first statement looks at the session of a shared connection.
      await runStatement(dataSource.manager, { text: 'SELECT 1', values: [] });
      if (this.options.migrate ?? true) await runMigrations(dataSource, this.tables);
      else if (this.isRenewal) await assertLog(dataSource);
      await settleSchema(dataSource);
      this.stop.signal.throwIfAborted();
      if (shared && losesServers(shared)) {
        this.logger.warn(
          'The data source that the audit shares gives a server up for ever that did not answer a few times: write restoreNodeTimeout: 1000 beside master and slaves in its replication.',
        );
      }
      this.dataSource = dataSource;
      await this.connected();
    } catch (error) {
      this.dataSource = dataSource;
      await this.leave();
      throw toOptionError(error, options.type, this.option) ?? error;
    }
  }

  /**
   * Nest closes `TypeOrmModule` before a global module that is imported beside it, whatever their order, and an
   * application may destroy a data source of its own at any time: so the data source itself has to wait.
   */
  private leaveBefore(shared: DataSource): void {
    const { destroy } = shared;
    const leaveFirst = async () => {
      await this.leaving();
      await destroy.call(shared);
    };
    shared.destroy = leaveFirst;
    this.releaseShared = () => {
      if (shared.destroy === leaveFirst) shared.destroy = destroy;
    };
  }
}

/** Waits for the work, but not for long, and whatever comes of it. */
async function inTime(work: Promise<unknown> | undefined): Promise<void> {
  await within(CLOSE_PATIENCE_MS, Promise.resolve(work)).catch(() => undefined);
}

/** @throws Error while somebody else still makes the tables; the driver's error where they are not there */
async function assertLog(dataSource: DataSource): Promise<void> {
  const text = `SELECT 1 FROM ${quotedTable(dataSource, 'audit_settings')} WHERE name = 'ledger_id'`;
  const rows = await runStatement<unknown[]>(dataSource.manager, { text, values: [] });
  if (rows.length === 0) throw new Error('its tables are not complete');
}

async function isLogGone(dataSource: DataSource): Promise<boolean> {
  try {
    await assertLog(dataSource);
    return false;
  } catch (error) {
    return areTablesMissing(error);
  }
}
