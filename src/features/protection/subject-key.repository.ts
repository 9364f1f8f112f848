import type { StoreAccess } from '../../recorder/at-rest.js';
import { answer } from '../../store/answer.js';
import type { AuditDatabase } from '../../store/audit-database.js';
import { distinctValues } from '../../store/distinct-values.js';
import { changeRows, insertRows } from '../../store/insert-rows.js';
import { runStatement, runWithin } from '../../store/run-statement.js';
import { sqlOf } from '../../store/sql.js';
import type { Row } from '../../store/sql.js';
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
    return (await this.select(() => '1 = 1', [], {}, 1)).length > 0;
  }

  /** @throws AuditError `AUDIT_STORE_UNAVAILABLE` */
  async byIds(ids: readonly string[], access: KeyAccess = {}): Promise<SubjectKey[]> {
    const found: SubjectKey[] = [];
    for (let from = 0; from < ids.length; from += MOST_VALUES) {
      const some = ids.slice(from, from + MOST_VALUES);
      found.push(
        ...(await this.select((q, next) => `${q('id')} IN (${some.map(next).join(', ')})`, some, access)),
      );
    }
    return found;
  }

  /** Those that another master key has wrapped. */
  notWrappedBy(masterId: string): AsyncGenerator<SubjectKey> {
    return this.pages((q, next) => `${q('master_id')} <> ${next()} AND ${q('wrapped')} <> ''`, masterId);
  }

  /** Those that say that they are the subject's. */
  bySubject(subject: string): AsyncGenerator<SubjectKey> {
    return this.pages((q, next) => `${q('subject')} = ${next()}`, subject);
  }

  /** All subjects that rows name, some hundred at a time. */
  subjects(): AsyncGenerator<string[]> {
    return distinctValues(this.database, 'audit_keys', 'subject');
  }

  /** @throws the driver's error, see `classifyStoreError`: a duplicate where another process was first */
  async insert(keys: readonly SubjectKey[], { manager, signal }: KeyAccess = {}): Promise<void> {
    const source = this.database.ready();
    const executor = manager && dialectOf(source) === 'sqlite' ? manager : source.manager;
    await insertRows(executor, 'audit_keys', Object.keys(COLUMNS), keys.map(toRow), signal);
  }

  /** Wraps a key again, unless it was destroyed or wrapped by another process meanwhile. */
  async rewrap(key: SubjectKey, wrapped: string, masterId: string): Promise<void> {
    const { q, table, next } = sqlOf(this.database);
    await answer(
      changeRows(
        this.database.ready(),
        `UPDATE ${table('audit_keys')} SET ${q('wrapped')} = ${next()}, ${q('master_id')} = ${next()}
          WHERE ${q('id')} = ${next()} AND ${q('wrapped')} = ${next()}`,
        [wrapped, masterId, key.id, key.wrapped],
        SECURELY,
      ),
    );
  }

  /** Destroys a key. @param mark when, and what proves it; without it the row says nothing of an erasure */
  async destroy(id: string, mark?: { readonly erasedAt: number; readonly erasure: string }): Promise<void> {
    const { q, table, next } = sqlOf(this.database);
    const marked = mark ? `, ${q('erased_at')} = ${next()}, ${q('erasure')} = ${next()}` : '';
    await answer(
      changeRows(
        this.database.ready(),
        `UPDATE ${table('audit_keys')} SET ${q('wrapped')} = ''${marked} WHERE ${q('id')} = ${next()}`,
        mark ? [mark.erasedAt, mark.erasure, id] : [id],
        SECURELY,
      ),
    );
  }

  private async *pages(where: Where, value: string): AsyncGenerator<SubjectKey> {
    const behind: Where = (q, next) => `${where(q, next)} AND ${q('id')} > ${next()}`;
    for (let after = ''; ;) {
      const page = await this.select(behind, [value, after], {}, PAGE);
      yield* page;
      if (page.length < PAGE) return;
      after = page.at(-1)!.id;
    }
  }

  private async select(
    where: Where,
    values: readonly string[],
    { manager, signal }: KeyAccess,
    limit?: number,
  ): Promise<SubjectKey[]> {
    const source = this.database.ready();
    const { dialect, q, table, next } = sqlOf(this.database);
    const text = `SELECT ${Object.keys(COLUMNS)
      .map((column) => `k.${q(column)} AS ${q(column)}`)
      .join(', ')}
      FROM ${table('audit_keys')} k WHERE ${where(q, next)} ORDER BY ${q('id')} ${limit === undefined ? '' : `LIMIT ${limit}`}`;
    const rows =
      manager && dialect === 'sqlite'
        ? runWithin<Row[]>(manager, text, values)
        : runStatement<Row[]>(source, text, values, { signal });
    return (await answer(rows)).map(fromRow);
  }
}

/** What was in the row must not stay in a free place of the file, nor in the log beside it. */
const SECURELY = { before: 'secure_delete = ON', after: 'wal_checkpoint(TRUNCATE)' } as const;

type Where = (q: (name: string) => string, next: () => string) => string;

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
