import { setTimeout as delay } from 'node:timers/promises';
import { AuditError } from '../../event/audit-error.js';
import { pages } from '../../event/pages.js';
import type { StoreAccess } from '../../recorder/at-rest.js';
import type { AuditDatabase } from '../../store/audit-database.js';
import { distinctValues } from '../../store/distinct-values.js';
import { besideTransactions, changeRows, insertRows } from '../../store/insert-rows.js';
import type { SqliteDriver } from '../../store/insert-rows.js';
import type { RecordOf } from '../../store/columns.js';
import { rowReader, rowsOf } from '../../store/records.js';
import { dataSourceOf } from '../../store/run-statement.js';
import { ask, columnsOf, limit as most, list, sql, statementOf } from '../../store/sql.js';
import type { Sql } from '../../store/sql.js';
import { answer, classifyStoreError } from '../../store/store-error.js';
import { dialectOf } from '../../store/table-name.js';
import { within } from '../../store/within.js';
import { KEY } from './audit-key.entity.js';

/** A row of `audit_keys`, see `AuditKeyEntity`: none of it is to be believed before its id is compared with its place. */
export type SubjectKey = RecordOf<typeof KEY>;

/** Before the columns' names in answers: its id is a text, and answers have ids of bytes under that name. */
const PREFIX = 'key_';
const keyOf = rowReader(KEY, PREFIX);

const MOST_VALUES = 500;
const PAGE = 200;

/** How long a transaction, which has a connection of the pool, waits for a second one: all may be taken by others that wait as well. */
const POOL_PATIENCE_MS = 2_000;

/** How often the log of a SQLite file is tried to be emptied, and how long it waits between. */
const LOG_TRIES = 10;
const LOG_PAUSE_MS = 100;

/** How keys are read and made for events that are to be stored. */
export interface KeyAccess extends StoreAccess {
  /** The caller has a transaction, and the statement is not part of it. */
  readonly isBeside?: boolean;
}

/** The wrapped data keys. A user with SELECT, INSERT and UPDATE is enough; without erasure and rotation, SELECT and INSERT. */
export class SubjectKeyRepository {
  constructor(private readonly database: AuditDatabase) {}

  /**
   * Where keys are made: only on SQLite, which has one writer at a time, in the transaction of the caller. Elsewhere a key that another
   * process makes at the same time would break it, and others would wait for its end.
   */
  beside(access: KeyAccess): KeyAccess {
    if (!access.manager || dialectOf(this.database.ready()) === 'sqlite') return access;
    return { signal: access.signal, isBeside: true };
  }

  /** Whether the caller's transaction is on a connection of the audit's own pool: the user of another one may not read the table. */
  isOfPool({ manager }: KeyAccess): boolean {
    return manager !== undefined && dataSourceOf(manager) === this.database.ready();
  }

  async hasAny(access?: KeyAccess): Promise<boolean> {
    return (await this.select(sql`1 = 1`, access, 1)).length > 0;
  }

  /** @param access absent where nothing is stored: then a row of a transaction that is still open may be among them, on SQLite */
  async byIds(ids: readonly string[], access?: KeyAccess): Promise<SubjectKey[]> {
    const found: SubjectKey[] = [];
    for (let from = 0; from < ids.length; from += MOST_VALUES) {
      const some = list(ids.slice(from, from + MOST_VALUES));
      found.push(...(await this.select(sql`k.id IN (${some})`, access)));
    }
    return found;
  }

  notWrappedBy(masterId: string): AsyncGenerator<SubjectKey> {
    return this.every(sql`k.master_id <> ${masterId} AND k.wrapped <> ''`);
  }

  /** Those that say that they are the subject's. */
  bySubject(subject: string): AsyncGenerator<SubjectKey> {
    return this.every(sql`k.subject = ${subject}`);
  }

  /** All subjects that rows name, some hundred at a time. */
  subjects(): AsyncGenerator<string[]> {
    return distinctValues(this.database, 'audit_keys', 'subject');
  }

  /** Unless another process was first. @throws the driver's error */
  async insert(key: SubjectKey, { manager, signal, isBeside }: KeyAccess = {}): Promise<void> {
    const executor = manager ?? this.database.ready().manager;
    try {
      await inTime(insertRows(executor, rowsOf('audit_keys', KEY, [key]), signal), isBeside);
    } catch (error) {
      if (classifyStoreError(error) !== 'duplicate') throw error;
    }
  }

  /** Wraps a key again, unless it was destroyed or wrapped by another process meanwhile. */
  rewrap(key: SubjectKey, wrapped: string, masterId: string): Promise<void> {
    return this.change(
      sql`wrapped = ${wrapped}, master_id = ${masterId} WHERE id = ${key.id} AND wrapped = ${key.wrapped}`,
    );
  }

  /** Destroys a key. @param mark when, and what proves it; without it the row says nothing of an erasure */
  destroy(id: string, mark?: { readonly erasedAt: number; readonly erasure: string }): Promise<void> {
    const marked = mark ? sql`, erased_at = ${mark.erasedAt}, erasure = ${mark.erasure}` : sql``;
    return this.change(sql`wrapped = ''${marked} WHERE id = ${id}`);
  }

  private async change(set: Sql): Promise<void> {
    const { manager } = this.database.ready();
    const statement = statementOf(manager, sql`UPDATE audit_keys SET ${set}`);
    // What was in the row must not stay in a free place of the file.
    await answer(changeRows(manager, statement, { before: 'secure_delete = ON' }));
  }

  /**
   * SQLite: empties the log beside the file, which has copies of what was changed. That can't be while somebody reads: then it is tried
   * again, and a warning says so in the end. Never throws.
   */
  async emptyLog(): Promise<void> {
    for (let tries = 1; tries <= LOG_TRIES; tries += 1) {
      // Where there is no database any more, whoever changed something in it is told so.
      if (this.database.whyNotReady !== undefined) return;
      const dataSource = this.database.ready();
      if (dialectOf(dataSource) !== 'sqlite') return;
      const isEmpty = await besideTransactions(dataSource, emptyLogOf).catch(() => false);
      if (isEmpty) return;
      await delay(LOG_PAUSE_MS);
    }
    this.database.logger.warn(
      'Keys of persons are destroyed or wrapped again, but copies of what they were may still be in the -wal file of the SQLite database, since somebody uses the database all the time: run PRAGMA wal_checkpoint(TRUNCATE) once nobody does.',
    );
  }

  private async *every(where: Sql): AsyncGenerator<SubjectKey> {
    const found = pages<SubjectKey>(PAGE, (last) =>
      this.select(sql`${where} AND k.id > ${last?.id ?? ''}`, undefined, PAGE),
    );
    for await (const page of found) yield* page;
  }

  private async select(where: Sql, access?: KeyAccess, limit?: number): Promise<SubjectKey[]> {
    const { manager, signal, isBeside } = access ?? {};
    const asked = ask(
      this.database,
      sql`SELECT ${columnsOf('k', KEY, PREFIX)} FROM audit_keys k
        WHERE ${where} ORDER BY k.id ${limit === undefined ? sql`` : most(limit)}`,
      { manager, signal, isCommitted: access !== undefined },
    );
    return (await inTime(asked, isBeside)).map(keyOf);
  }
}

/** Whether nobody reads, so that it could be done: SQLite waits for nobody here, since the process would wait with it. */
function emptyLogOf(driver: SqliteDriver): boolean {
  const [before] = driver.pragma('busy_timeout') as { readonly timeout: number }[];
  driver.pragma('busy_timeout = 0');
  try {
    const [result] = driver.pragma('wal_checkpoint(TRUNCATE)') as { readonly busy: number }[];
    return !result?.busy;
  } finally {
    driver.pragma(`busy_timeout = ${before?.timeout ?? 0}`);
  }
}

/** @throws AuditError `AUDIT_STORE_UNAVAILABLE` where it is not done in time; what the work throws in time */
async function inTime<T>(work: Promise<T>, isBounded = false): Promise<T> {
  if (!isBounded || (await within(POOL_PATIENCE_MS, work))) return work;
  throw new AuditError(
    'AUDIT_STORE_UNAVAILABLE',
    `The key of a person could not be made beside the transaction within ${POOL_PATIENCE_MS / 1_000} s: perhaps all connections of the pool are taken. Roll back and try again; if that happens often, make the pool larger.`,
  );
}
