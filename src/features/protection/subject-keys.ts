import { createHmac, randomBytes } from 'node:crypto';
import { AuditError } from '../../event/audit-error.js';
import type { RateLimitedLog } from '../../event/audit-logger.js';
import type { AuditLogEvent } from '../../event/audit-log-event.js';
import type { KeyAccess, SubjectKey, SubjectKeyRepository } from './subject-key.repository.js';
import { KeyCache } from './key-cache.js';
import type { MasterKeys } from './master-keys.js';
import { KeyDamagedError, KeyUnavailableError } from './master-keys.js';
import type { Protection } from './protection-options.js';

/** The row whose key makes the digests of persons, and those that prove what the other rows say. */
const INDEX = 'index';
const DAY_MS = 86_400_000;
/** Generations of a subject that are looked for at a time. */
const GENERATIONS = 4;
const TRIES = 5;
const NOT_ERASED = { erasedAt: null, erasure: null };
const INDEX_ROW = {
  id: INDEX,
  tenantId: '',
  subject: INDEX,
  generation: 0,
  ...NOT_ERASED,
  place: JSON.stringify(['nest-audit-trail key', INDEX]),
};

/** Somebody's data of one time. */
interface Claim {
  readonly event: Pick<AuditLogEvent, 'tenantId' | 'timestamp'>;
  /** Whose; `''` where they are nobody's. */
  readonly subject: string;
}

/** A key of this library's own. */
export interface DataKey extends SubjectKey {
  /** What its wrapped form belongs to: it can't be moved to another row, and only who has the index key can make one for this row. */
  readonly place: string;
}

/** What a row is, of which an event says that it has its key. */
export type FoundKey = DataKey | 'forged';

type Draft = Pick<SubjectKey, 'tenantId' | 'subject' | 'generation'>;

/**
 * The data keys: one for each person and tenant, wrapped by the master key in the database, and for a bounded time here.
 *
 * Rows are looked for by their ids, which only the index key can tell. A row that somebody else inserted has another id: it is never found,
 * stands in nobody's way, and is used for nothing.
 */
export class SubjectKeys {
  private readonly cache: KeyCache;

  constructor(
    private readonly repository: SubjectKeyRepository,
    readonly masters: MasterKeys,
    private readonly options: Pick<Protection, 'cacheKeys' | 'cacheSeconds' | 'dataKeyDays'>,
    private readonly warnings: RateLimitedLog,
  ) {
    this.cache = new KeyCache(options.cacheKeys, options.cacheSeconds * 1_000);
  }

  /**
   * Whether the master keys are those of the data that are there.
   *
   * @throws AuditError `AUDIT_INVALID_OPTIONS` where they are not; `AUDIT_STORE_UNAVAILABLE`
   */
  async check(): Promise<void> {
    const index = await this.index();
    try {
      await this.use(index, () => undefined);
    } catch (cause) {
      // A KMS that is away may come back.
      if (cause instanceof KeyUnavailableError && this.masters.has(index.masterId)) throw cause;
      const reason = cause instanceof KeyUnavailableError ? cause.reason : (cause as Error).message;
      throw new AuditError(
        'AUDIT_INVALID_OPTIONS',
        `The audit option protection.masterKey does not fit the protected data in the database: ${reason}. Write the key that they were protected with, as masterKey, among retiredMasterKeys or in kms. If nothing was ever protected, somebody has inserted the row "index" of audit_keys: delete it.`,
        { field: 'protection.masterKey', cause },
      );
    }
  }

  /**
   * A keyed digest of a person, by which the table of keys and the event of an erasure name them.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`; KeyUnavailableError
   */
  async referenceOf(tenantId: string, subjectId: string): Promise<string> {
    return this.use(await this.index(), (key) => digest(key, tenantId, subjectId));
  }

  /**
   * The key of each claim, in their order, made where there is none; `undefined` where the data are erased already.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`, or the driver's error; KeyUnavailableError
   */
  async keysFor(claims: readonly Claim[], access: KeyAccess): Promise<(DataKey | undefined)[]> {
    const beside = this.repository.beside(access);
    // First as the caller's transaction sees them: most keys are there, and need no second connection. Whom another one has forgotten since
    // the transaction began is not forgotten there yet: then the event can't be read either.
    let seen = this.repository.isOfPool(access) ? access : beside;
    const index = await this.index(seen);
    const references = await this.use(index, (key) =>
      claims.map(({ event, subject }) => digest(key, event.tenantId, subject)),
    );
    const subjects = [...new Set(references)];
    for (let tried = 0; tried < TRIES; tried += 1) {
      const bySubject = await this.ofSubjects(index, subjects, seen);
      const missing = new Map<string, Draft>();
      const found = claims.map(({ event: { tenantId, timestamp } }, place) => {
        const subject = references[place]!;
        const keys = bySubject.get(subject) ?? [];
        if (keys.some(({ erasedAt }) => erasedAt !== null && timestamp <= erasedAt)) return undefined;
        const newest = keys.at(-1);
        if (newest && isUsable(newest) && !this.isOld(newest)) return newest;
        missing.set(subject, nextOf(tenantId, subject, newest));
        return newest;
      });
      if (missing.size === 0) return found;
      // Then they are read again: another process may have made them first, or have erased the person meanwhile.
      if (seen === beside) for (const draft of missing.values()) await this.makeNext(index, draft, beside);
      seen = beside;
    }
    throw new AuditError(
      'AUDIT_STORE_UNAVAILABLE',
      'The keys of protected data were not stored: other processes changed them at each try. Try again later.',
    );
  }

  /**
   * Calls `work` with the unwrapped key, which is not there any longer when it returns.
   *
   * @throws KeyUnavailableError; KeyDamagedError
   */
  async use<T>(row: DataKey, work: (key: Buffer) => T): Promise<T> {
    if (!isUsable(row)) throw new KeyDamagedError('the key is destroyed');
    const cached = this.cache.get(cachedAs(row));
    if (cached) return work(cached);
    const key = await this.masters.unwrap(row.wrapped, row.masterId, row.place);
    try {
      return work(key);
    } finally {
      this.cache.set(cachedAs(row), key);
    }
  }

  /** What the database has of the keys that events name. @throws AuditError `AUDIT_STORE_UNAVAILABLE`; KeyUnavailableError */
  async byIds(ids: readonly string[]): Promise<ReadonlyMap<string, FoundKey>> {
    const rows = await this.repository.byIds(ids);
    return this.use(
      await this.index(),
      (key) => new Map(rows.map((row) => [row.id, this.dataKey(key, row) ?? 'forged'])),
    );
  }

  /** The keys that a person has. @throws AuditError `AUDIT_STORE_UNAVAILABLE`; KeyUnavailableError */
  async bySubject(reference: string): Promise<readonly DataKey[]> {
    return (await this.ofSubjects(await this.index(), [reference])).get(reference) ?? [];
  }

  /**
   * Destroys the keys of a person, and leaves a mark: what was recorded until then and comes later is erased as well.
   *
   * @param at Unix epoch, milliseconds
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`; KeyUnavailableError
   */
  destroy(tenantId: string, reference: string, at: number): Promise<void> {
    return this.thenEmptyLog(this.destroyAll(tenantId, reference, at));
  }

  private async destroyAll(tenantId: string, reference: string, at: number): Promise<void> {
    const index = await this.index();
    for (let tried = 0; tried < TRIES; tried += 1) {
      const keys = await this.bySubject(reference);
      const isMarked = keys.some(({ erasedAt }) => erasedAt !== null && erasedAt >= at);
      const open = keys.filter(({ erasedAt }) => erasedAt === null);
      for (const row of open) {
        const erasure = await this.use(index, (key) => erasureOf(key, row.id, at));
        await this.repository.destroy(row.id, { erasedAt: at, erasure });
        this.cache.delete(cachedAs(row));
      }
      // Once more after the mark is there: of keys that another process made before it could see the mark.
      if (isMarked) return this.destroyForged(index, reference);
      if (open.length > 0) continue;
      // Nothing was ever protected for them, or all of it was erased before.
      const draft = nextOf(tenantId, reference, keys.at(-1));
      const mark = await this.use(index, (key) => {
        const id = idOf(key, reference, draft.generation);
        return { id, erasedAt: at, erasure: erasureOf(key, id, at) };
      });
      await this.repository.insert({ ...draft, ...mark, wrapped: '', masterId: '', createdAt: at });
    }
    throw new AuditError(
      'AUDIT_STORE_UNAVAILABLE',
      'The person was not forgotten: other processes changed their keys at each try. Call forget() again.',
    );
  }

  /**
   * Wraps again all keys that another master key has wrapped.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`; KeyUnavailableError. What was wrapped until then stays so
   */
  rewrapAll(signal?: AbortSignal): Promise<{ rewrapped: number; damaged: number }> {
    return this.thenEmptyLog(this.rewrapEach(signal));
  }

  /** Also where the work breaks off: what it has changed until then has copies too. */
  private async thenEmptyLog<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } finally {
      await this.repository.emptyLog();
    }
  }

  private async rewrapEach(signal?: AbortSignal): Promise<{ rewrapped: number; damaged: number }> {
    const { currentId } = this.masters;
    const total = { rewrapped: 0, damaged: 0 };
    let forged = 0;
    signal?.throwIfAborted();
    const index = await this.index();
    for await (const row of this.repository.notWrappedBy(currentId)) {
      signal?.throwIfAborted();
      const known =
        row.id === INDEX ? { ...row, ...INDEX_ROW } : await this.use(index, (key) => this.dataKey(key, row));
      if (!known) {
        forged += 1;
        continue;
      }
      try {
        const key = await this.masters.unwrap(known.wrapped, known.masterId, known.place);
        try {
          await this.repository.rewrap(row, await this.masters.wrap(key, known.place), currentId);
        } finally {
          key.fill(0);
        }
        total.rewrapped += 1;
      } catch (error) {
        if (error instanceof AuditError) throw error;
        total.damaged += 1;
      }
    }
    if (forged > 0) this.sayForged(forged);
    return total;
  }

  /** Gives every person another key for what is recorded from now on. @returns how many */
  async renewAll(signal?: AbortSignal): Promise<number> {
    let renewed = 0;
    const index = await this.index();
    for await (const subjects of this.repository.subjects()) {
      signal?.throwIfAborted();
      for (const [subject, keys] of await this.ofSubjects(index, subjects)) {
        signal?.throwIfAborted();
        const newest = keys.at(-1);
        if (!newest || newest.erasedAt !== null) continue;
        await this.makeNext(index, nextOf(newest.tenantId, subject, newest));
        renewed += 1;
      }
    }
    return renewed;
  }

  close(): void {
    this.cache.clear();
  }

  private isOld({ createdAt }: SubjectKey): boolean {
    return Date.now() - createdAt > this.options.dataKeyDays * DAY_MS;
  }

  /** The key of the digests. It is read for each use: the database may have been dropped, and have another one by now. */
  private async index(access?: KeyAccess): Promise<DataKey> {
    const beside = access && this.repository.beside(access);
    const found = (await this.readIndex(access)) ?? (await this.readIndex(beside));
    if (found) return found;
    if (await this.repository.hasAny(beside)) {
      throw new AuditError(
        'AUDIT_STORE_UNAVAILABLE',
        'The table audit_keys has lost its row "index", without which nobody\'s key can be found. Restore it from a backup. If nothing was ever protected, somebody has inserted the rows that are there: delete them.',
      );
    }
    await this.make({ ...INDEX_ROW, createdAt: Date.now() }, beside);
    return (await this.readIndex(beside))!;
  }

  private async readIndex(access?: KeyAccess): Promise<DataKey | undefined> {
    const [row] = await this.repository.byIds([INDEX], access);
    // Nobody erases it.
    return row && { ...row, ...INDEX_ROW };
  }

  /** The keys of each subject, by generation. */
  private async ofSubjects(
    index: DataKey,
    subjects: readonly string[],
    access?: KeyAccess,
  ): Promise<ReadonlyMap<string, readonly DataKey[]>> {
    const found = new Map<string, DataKey[]>(subjects.map((subject) => [subject, []]));
    let open = subjects;
    for (let first = 1; open.length > 0; first += GENERATIONS) {
      const places = await this.use(index, (key) =>
        open.flatMap((subject) =>
          Array.from({ length: GENERATIONS }, (_, more) => {
            const generation = first + more;
            return { id: idOf(key, subject, generation), subject, generation };
          }),
        ),
      );
      const ids = places.map(({ id }) => id);
      const rows = new Map((await this.repository.byIds(ids, access)).map((row) => [row.id, row]));
      await this.use(index, (key) => {
        for (const place of places) {
          const row = rows.get(place.id);
          const dataKey = row && this.dataKey(key, { ...row, ...place });
          if (dataKey) found.get(place.subject)!.push(dataKey);
        }
      });
      open = open.filter((subject) => found.get(subject)!.at(-1)?.generation === first + GENERATIONS - 1);
    }
    return found;
  }

  /** The key in the row, without an erasure that nobody of this library has written; `undefined` where the row has not the id of its place. */
  private dataKey(key: Buffer, row: SubjectKey): DataKey | undefined {
    const { id, subject, generation, wrapped, erasedAt, erasure } = row;
    if (id !== idOf(key, subject, generation)) return undefined;
    const place = placeOf(key, row);
    if (erasedAt !== null && erasure === erasureOf(key, id, erasedAt)) return { ...row, place };
    if (erasedAt !== null || wrapped === '') {
      this.warnings.error(
        'erasure',
        wrapped === ''
          ? `The key ${id} was destroyed in audit_keys, but not by forget(): what it encrypts can't be read until its row is restored from a backup.`
          : `The key ${id} is marked as erased in audit_keys, but not by forget(): somebody has changed the row, and the mark is ignored.`,
      );
    }
    return { ...row, ...NOT_ERASED, place };
  }

  /** Rows that say that they are of a person, and are none of this library's, keep nothing either. */
  private async destroyForged(index: DataKey, reference: string): Promise<void> {
    let forged = 0;
    for await (const { id, generation, wrapped } of this.repository.bySubject(reference)) {
      // Not those that another process has made meanwhile.
      if (await this.use(index, (key) => id === idOf(key, reference, generation))) continue;
      if (wrapped !== '') await this.repository.destroy(id);
      forged += 1;
    }
    if (forged > 0) this.sayForged(forged);
  }

  private sayForged(count: number): void {
    this.warnings.error(
      'forged',
      `${count} of the rows of audit_keys were not made by this library, and are ignored: somebody who may insert into that table has put them there.`,
    );
  }

  /** Makes the key of a person, unless another process does so first. */
  private async makeNext(index: DataKey, draft: Draft, access?: KeyAccess): Promise<void> {
    const key = await this.use(index, (digests) => {
      const id = idOf(digests, draft.subject, draft.generation);
      const row = { ...draft, ...NOT_ERASED, id, createdAt: Date.now() };
      return { ...row, place: placeOf(digests, row) };
    });
    await this.make(key, access);
  }

  private async make(key: Omit<DataKey, 'wrapped' | 'masterId'>, access?: KeyAccess): Promise<void> {
    const plain = randomBytes(32);
    try {
      const wrapped = await this.masters.wrap(plain, key.place);
      await this.repository.insert({ ...key, wrapped, masterId: this.masters.currentId }, access);
    } finally {
      plain.fill(0);
    }
  }
}

/** Not by the id alone: where a transaction was rolled back, the next key has the same one. */
function cachedAs({ id, wrapped }: SubjectKey): string {
  return `${id} ${wrapped}`;
}

/** What comes after the newest key of a person. */
function nextOf(tenantId: string, subject: string, newest: DataKey | undefined): Draft {
  return { tenantId, subject, generation: (newest?.generation ?? 0) + 1 };
}

function isUsable({ wrapped, erasedAt }: SubjectKey): boolean {
  return wrapped !== '' && erasedAt === null;
}

function mac(key: Buffer, parts: readonly (string | number)[]): Buffer {
  return createHmac('sha256', key).update(JSON.stringify(parts)).digest();
}

/** Of a person; lists of two parts are digested for nothing else. */
function digest(key: Buffer, tenantId: string, subjectId: string): string {
  return mac(key, [tenantId, subjectId]).toString('base64url');
}

/** The id of a row, a UUID of version 8 (RFC 9562, section 5.8). */
function idOf(key: Buffer, subject: string, generation: number): string {
  const bytes = mac(key, ['id', subject, generation]).subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

function placeOf(
  key: Buffer,
  { id, tenantId, subject, generation, createdAt }: Omit<SubjectKey, 'wrapped' | 'masterId'>,
): string {
  return mac(key, ['place', id, tenantId, subject, generation, createdAt]).toString('base64url');
}

function erasureOf(key: Buffer, id: string, erasedAt: number): string {
  return mac(key, ['erasure', id, erasedAt]).toString('base64url');
}
