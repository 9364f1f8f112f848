import { pages } from '../../event/pages.js';
import type { StoreAccess } from '../../recorder/at-rest.js';
import { answer } from '../../store/answer.js';
import type { AuditDatabase } from '../../store/audit-database.js';
import { distinctValues } from '../../store/distinct-values.js';
import { changeRows, insertRows } from '../../store/insert-rows.js';
import { ask, columnsOf, limit as most, list, sql, statementOf } from '../../store/sql.js';
import type { Row, Sql } from '../../store/sql.js';
import { dialectOf } from '../../store/table-name.js';

/** A row of `audit_keys`, see `AuditKeyEntity`: none of it is to be believed before its id is compared with its place. */
export interface SubjectKey {
  readonly id: string;
  readonly tenantId: string;
  readonly subject: string;
  readonly generation: number;
  readonly wrapped: string;
  readonly masterId: string;
  readonly createdAt: number;
  readonly erasedAt?: number;
  readonly erasure?: string;
}

/** By column: the property, and how it is read. */
const COLUMNS: Readonly<
  Record<string, readonly [name: keyof SubjectKey, read: (value: unknown) => unknown]>
> = {
  subject: ['subject', String],
  generation: ['generation', Number],
  id: ['id', String],
  tenant_id: ['tenantId', String],
  wrapped: ['wrapped', String],
  master_id: ['masterId', String],
  created_at: ['createdAt', Number],
  erased_at: ['erasedAt', Number],
  erasure: ['erasure', String],
};

/** Values in one statement. */
const MOST_VALUES = 500;
/** Rows read at a time. */
const PAGE = 200;

/**
 * Where a statement runs. Only SQLite takes part in the transaction of the caller, since it has one writer at a time: elsewhere a key
 * that another process makes at the same time would break it.
 */
export type KeyAccess = StoreAccess;

/** The wrapped data keys. A user with SELECT, INSERT and UPDATE is enough; without erasure and rotation, SELECT and INSERT. */
export class SubjectKeyRepository {
  constructor(private readonly database: AuditDatabase) {}

  /** @throws AuditError `AUDIT_STORE_UNAVAILABLE` */
  async hasAny(): Promise<boolean> {
    return (await this.select(sql`1 = 1`, {}, 1)).length > 0;
  }

  /** @throws AuditError `AUDIT_STORE_UNAVAILABLE` */
  async byIds(ids: readonly string[], access: KeyAccess = {}): Promise<SubjectKey[]> {
    const found: SubjectKey[] = [];
    for (let from = 0; from < ids.length; from += MOST_VALUES) {
      const some = list(ids.slice(from, from + MOST_VALUES));
      found.push(...(await this.select(sql`k.id IN (${some})`, access)));
    }
    return found;
  }

  /** Those that another master key has wrapped. */
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

  /** @throws the driver's error, see `classifyStoreError`: a duplicate where another process was first */
  async insert(keys: readonly SubjectKey[], { manager, signal }: KeyAccess = {}): Promise<void> {
    const executor = this.sharedManager(manager) ?? this.database.ready().manager;
    const rows = keys.map(toRow);
    await insertRows(executor, { table: 'audit_keys', columns: Object.keys(COLUMNS), rows }, signal);
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
    await answer(changeRows(manager, statementOf(manager, sql`UPDATE audit_keys SET ${set}`), SECURELY));
  }

  private async *every(where: Sql): AsyncGenerator<SubjectKey> {
    const found = pages<SubjectKey>(PAGE, (last) =>
      this.select(sql`${where} AND k.id > ${last?.id ?? ''}`, {}, PAGE),
    );
    for await (const page of found) yield* page;
  }

  private async select(where: Sql, { manager, signal }: KeyAccess, limit?: number): Promise<SubjectKey[]> {
    const others = Object.keys(COLUMNS).filter((column) => column !== 'id');
    const rows = await ask(
      this.database,
      // Its id is a text: answers have ids of bytes under that name.
      sql`SELECT k.id AS key_id, ${columnsOf('k', others)} FROM audit_keys k
        WHERE ${where} ORDER BY k.id ${limit === undefined ? sql`` : most(limit)}`,
      { manager: this.sharedManager(manager), signal },
    );
    return rows.map(({ key_id: id = null, ...row }) => fromRow({ ...row, id }));
  }

  private sharedManager(manager: KeyAccess['manager']): KeyAccess['manager'] {
    return dialectOf(this.database.ready()) === 'sqlite' ? manager : undefined;
  }
}

/** What was in the row must not stay in a free place of the file, nor in the log beside it. */
const SECURELY = { before: 'secure_delete = ON', after: 'wal_checkpoint(TRUNCATE)' } as const;

function toRow(key: SubjectKey): (string | number | null)[] {
  return Object.values(COLUMNS).map(([name]) => key[name] ?? null);
}

function fromRow(row: Row): SubjectKey {
  const isThere = (column: string) => row[column] !== null || !column.startsWith('eras');
  const read = Object.entries(COLUMNS).filter(([column]) => isThere(column));
  return Object.fromEntries(
    read.map(([column, [name, from]]) => [name, from(row[column])]),
  ) as unknown as SubjectKey;
}
