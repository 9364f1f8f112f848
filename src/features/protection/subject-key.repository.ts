import type { StoreAccess } from '../../recorder/at-rest.js';
import { answer } from '../../store/answer.js';
import type { AuditDatabase } from '../../store/audit-database.js';
import { distinctValues } from '../../store/distinct-values.js';
import { changeRows, insertRows } from '../../store/insert-rows.js';
import { runStatement, runWithin } from '../../store/run-statement.js';
import { sqlOf } from '../../store/sql.js';
import type { Row } from '../../store/sql.js';
import { dialectOf } from '../../store/table-name.js';

/** A data key as the database has it: none of it is to be believed before its id is compared with its place. */
export interface SubjectKey {
  /** A UUID that is a keyed digest of subject and generation: nobody else can make a row for that place. */
  readonly id: string;
  readonly tenantId: string;
  /** Keyed digest of tenant and person, or `index`. */
  readonly subject: string;
  /** Counts the keys of a subject, from 1. */
  readonly generation: number;
  /** Base64; empty once it is destroyed. */
  readonly wrapped: string;
  /** Which master key has wrapped it. */
  readonly masterId: string;
  /** Unix epoch, milliseconds. */
  readonly createdAt: number;
  /** Unix epoch, milliseconds: until then all of the subject is erased. */
  readonly erasedAt?: number;
  /** Keyed digest of id and `erasedAt`, which proves the erasure. */
  readonly erasure?: string;
}

const COLUMNS = [
  'subject',
  'generation',
  'id',
  'tenant_id',
  'wrapped',
  'master_id',
  'created_at',
  'erased_at',
  'erasure',
] as const;

/** Values in one statement. */
const MOST_VALUES = 500;

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

  /** Those that another master key has wrapped. @param after the id that the page begins behind */
  notWrappedBy(masterId: string, limit: number, after: string): Promise<SubjectKey[]> {
    return this.select(
      (q, next) => `${q('master_id')} <> ${next()} AND ${q('wrapped')} <> '' AND ${q('id')} > ${next()}`,
      [masterId, after],
      {},
      limit,
    );
  }

  /** Those that say that they are the subject's. @param after the id that the page begins behind */
  bySubject(subject: string, limit: number, after: string): Promise<SubjectKey[]> {
    return this.select(
      (q, next) => `${q('subject')} = ${next()} AND ${q('id')} > ${next()}`,
      [subject, after],
      {},
      limit,
    );
  }

  /** All subjects that rows name, some hundred at a time. */
  subjects(): AsyncGenerator<string[]> {
    return distinctValues(this.database, 'audit_keys', 'subject');
  }

  /** @throws the driver's error, see `classifyStoreError`: a duplicate where another process was first */
  async insert(keys: readonly SubjectKey[], { manager, signal }: KeyAccess = {}): Promise<void> {
    const source = this.database.ready();
    const executor = manager && dialectOf(source) === 'sqlite' ? manager : source.manager;
    await insertRows(executor, 'audit_keys', COLUMNS, keys.map(toRow), signal);
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

  private async select(
    where: (q: (name: string) => string, next: () => string) => string,
    values: readonly string[],
    { manager, signal }: KeyAccess,
    limit?: number,
  ): Promise<SubjectKey[]> {
    const source = this.database.ready();
    const { dialect, q, table, next } = sqlOf(this.database);
    const text = `SELECT ${COLUMNS.map((column) => `k.${q(column)} AS ${q(column)}`).join(', ')}
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

function toRow(key: SubjectKey): (string | number | null)[] {
  const { subject, generation, id, tenantId, wrapped, masterId, createdAt } = key;
  const { erasedAt = null, erasure = null } = key;
  return [subject, generation, id, tenantId, wrapped, masterId, createdAt, erasedAt, erasure];
}

function fromRow(row: Row): SubjectKey {
  return {
    id: String(row['id']),
    tenantId: String(row['tenant_id']),
    subject: String(row['subject']),
    generation: Number(row['generation']),
    wrapped: String(row['wrapped']),
    masterId: String(row['master_id']),
    createdAt: Number(row['created_at']),
    ...(row['erased_at'] !== null && { erasedAt: Number(row['erased_at']) }),
    ...(row['erasure'] !== null && { erasure: String(row['erasure']) }),
  };
}
