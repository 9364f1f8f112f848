import { pages } from '../../event/pages.js';
import type { StoreAccess } from '../../recorder/at-rest.js';
import type { AuditDatabase } from '../../store/audit-database.js';
import { distinctValues } from '../../store/distinct-values.js';
import { changeRows, insertRows } from '../../store/insert-rows.js';
import { columnNamesOf, integer, optional, rowReader, rowsOf, text } from '../../store/records.js';
import type { RecordOf } from '../../store/records.js';
import { ask, columnsOf, limit as most, list, sql, statementOf } from '../../store/sql.js';
import type { Sql } from '../../store/sql.js';
import { answer } from '../../store/store-error.js';
import { dialectOf } from '../../store/table-name.js';

const KEY = {
  subject: text,
  generation: integer,
  id: text,
  tenantId: text,
  wrapped: text,
  masterId: text,
  createdAt: integer,
  erasedAt: optional(integer),
  erasure: optional(text),
};

/** A row of `audit_keys`, see `AuditKeyEntity`: none of it is to be believed before its id is compared with its place. */
export type SubjectKey = RecordOf<typeof KEY>;

/** Before the columns' names in answers: its id is a text, and answers have ids of bytes under that name. */
const PREFIX = 'key_';
const keyOf = rowReader(KEY, PREFIX);

const MOST_VALUES = 500;
const PAGE = 200;

/**
 * The wrapped data keys. A user with SELECT, INSERT and UPDATE is enough; without erasure and rotation, SELECT and INSERT.
 *
 * Only on SQLite a statement takes part in the transaction of the caller, since it has one writer at a time: elsewhere a key that another
 * process makes at the same time would break it.
 */
export class SubjectKeyRepository {
  constructor(private readonly database: AuditDatabase) {}

  async hasAny(): Promise<boolean> {
    return (await this.select(sql`1 = 1`, {}, 1)).length > 0;
  }

  async byIds(ids: readonly string[], access: StoreAccess = {}): Promise<SubjectKey[]> {
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

  /** @throws the driver's error, see `classifyStoreError`: a duplicate where another process was first */
  async insert(key: SubjectKey, { manager, signal }: StoreAccess): Promise<void> {
    const executor = this.sharedManager(manager) ?? this.database.ready().manager;
    await insertRows(executor, rowsOf('audit_keys', KEY, [key]), signal);
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

  private async select(where: Sql, { manager, signal }: StoreAccess, limit?: number): Promise<SubjectKey[]> {
    const rows = await ask(
      this.database,
      sql`SELECT ${columnsOf('k', columnNamesOf(KEY), PREFIX)} FROM audit_keys k
        WHERE ${where} ORDER BY k.id ${limit === undefined ? sql`` : most(limit)}`,
      { manager: this.sharedManager(manager), signal },
    );
    return rows.map(keyOf);
  }

  private sharedManager(manager: StoreAccess['manager']): StoreAccess['manager'] {
    return dialectOf(this.database.ready()) === 'sqlite' ? manager : undefined;
  }
}

/** What was in the row must not stay in a free place of the file, nor in the log beside it. */
const SECURELY = { before: 'secure_delete = ON', after: 'wal_checkpoint(TRUNCATE)' } as const;
