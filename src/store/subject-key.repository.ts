import type { EntityManager } from 'typeorm';
import { answer } from './answer.js';
import type { AuditDatabase } from './audit-database.js';
import { changeRows, insertRows } from './insert-rows.js';
import { runStatement, runWithin } from './run-statement.js';
import { dialectOf } from './table-name.js';
import { sqlOf } from './sql.js';
import type { Row } from './sql.js';

/** A data key as the database has it. */
export interface SubjectKey {
  /** UUIDv7. */
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
] as const;

/** Values in one statement. */
const MOST_VALUES = 500;

/** Where a statement runs, if not in one of its own. */
export interface KeyAccess {
  /**
   * The transaction of the caller. Only SQLite takes part in it, which has one writer at a time: elsewhere a key that another
   * process makes at the same time would break it.
   */
  readonly manager?: EntityManager | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The wrapped data keys. A user with SELECT, INSERT and UPDATE is enough; without erasure and rotation, SELECT and INSERT. */
export class SubjectKeyRepository {
  constructor(private readonly database: AuditDatabase) {}

  /** @throws AuditError `AUDIT_STORE_UNAVAILABLE` */
  async hasAny(): Promise<boolean> {
    return (await this.select(() => '1 = 1', [], {}, 1)).length > 0;
  }

  /** All keys of the subjects, by subject and generation. @throws AuditError `AUDIT_STORE_UNAVAILABLE` */
  bySubjects(subjects: readonly string[], access: KeyAccess = {}): Promise<SubjectKey[]> {
    return this.among('subject', subjects, access);
  }

  /** @throws AuditError `AUDIT_STORE_UNAVAILABLE` */
  byIds(ids: readonly string[]): Promise<SubjectKey[]> {
    return this.among('id', ids, {});
  }

  /** Those that another master key has wrapped. @param after the id that the page begins behind */
  notWrappedBy(masterId: string, limit: number, after: string): Promise<SubjectKey[]> {
    return this.select(
      (q, next) => `${q('master_id')} <> ${next()} AND ${q('erased_at')} IS NULL AND ${q('id')} > ${next()}`,
      [masterId, after],
      {},
      limit,
      'id',
    );
  }

  /** The newest key of each subject. @param after the subject that the page begins behind */
  newest(limit: number, after: string): Promise<SubjectKey[]> {
    const table = sqlOf(this.database).table('audit_keys');
    return this.select(
      (q, next) =>
        `${q('subject')} > ${next()} AND ${q('generation')} = (SELECT MAX(o.${q('generation')}) FROM ${table} o WHERE o.${q('subject')} = k.${q('subject')})`,
      [after],
      {},
      limit,
      'subject',
    );
  }

  /** @throws the driver's error, see `classifyStoreError`: a duplicate where another process was first */
  async insert(keys: readonly SubjectKey[], { manager, signal }: KeyAccess = {}): Promise<void> {
    const source = this.database.ready();
    const executor = manager && dialectOf(source) === 'sqlite' ? manager : source.manager;
    await insertRows(executor, 'audit_keys', COLUMNS, keys.map(toRow), signal);
  }

  /** Wraps a key anew, unless it was destroyed or wrapped by another process meanwhile. */
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

  /**
   * Destroys all keys that the subject has.
   *
   * @param at Unix epoch, milliseconds
   */
  async destroy(subject: string, at: number): Promise<void> {
    const { q, table, next } = sqlOf(this.database);
    await answer(
      changeRows(
        this.database.ready(),
        `UPDATE ${table('audit_keys')} SET ${q('wrapped')} = '', ${q('erased_at')} = ${next()}
          WHERE ${q('subject')} = ${next()} AND ${q('erased_at')} IS NULL`,
        [at, subject],
        SECURELY,
      ),
    );
  }

  private async among(
    column: 'id' | 'subject',
    values: readonly string[],
    access: KeyAccess,
  ): Promise<SubjectKey[]> {
    const found: SubjectKey[] = [];
    for (let from = 0; from < values.length; from += MOST_VALUES) {
      const some = values.slice(from, from + MOST_VALUES);
      found.push(
        ...(await this.select((q, next) => `${q(column)} IN (${some.map(next).join(', ')})`, some, access)),
      );
    }
    return found;
  }

  private async select(
    where: (q: (name: string) => string, next: () => string) => string,
    values: readonly string[],
    { manager, signal }: KeyAccess,
    limit?: number,
    order?: 'id' | 'subject',
  ): Promise<SubjectKey[]> {
    const source = this.database.ready();
    const { dialect, q, table, next } = sqlOf(this.database);
    const by = order ? q(order) : `${q('subject')}, ${q('generation')}`;
    const text = `SELECT ${COLUMNS.map((column) => `k.${q(column)} AS ${q(column)}`).join(', ')}
      FROM ${table('audit_keys')} k WHERE ${where(q, next)} ORDER BY ${by} ${limit === undefined ? '' : `LIMIT ${limit}`}`;
    const rows =
      manager && dialect === 'sqlite'
        ? runWithin<Row[]>(manager, text, values)
        : runStatement<Row[]>(source, text, values, { signal });
    return Array.from(await answer(rows), fromRow);
  }
}

/** What was in the row must not stay in a free place of the file, nor in the log beside it. */
const SECURELY = { before: 'secure_delete = ON', after: 'wal_checkpoint(TRUNCATE)' } as const;

function toRow(key: SubjectKey): (string | number | null)[] {
  const { subject, generation, id, tenantId, wrapped, masterId, createdAt, erasedAt = null } = key;
  return [subject, generation, id, tenantId, wrapped, masterId, createdAt, erasedAt];
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
  };
}
