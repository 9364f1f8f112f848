import { createHmac, randomBytes } from 'node:crypto';
import { AuditError } from '../../event/audit-error.js';
import { createEventId } from '../../event/event-id.js';
import { classifyStoreError } from '../../store/store-error.js';
import type { KeyAccess, SubjectKey, SubjectKeyRepository } from '../../store/subject-key.repository.js';
import { KeyCache } from './key-cache.js';
import type { MasterKeys } from './master-keys.js';
import { KeyDamagedError, KeyUnavailableError } from './master-keys.js';
import type { Protection } from './protection-options.js';

/** The row whose key makes digests of persons. */
const INDEX = 'index';
const DAY_MS = 86_400_000;
/** Keys read at a time by a rotation. */
const ROTATION_PAGE = 200;
const TRIES = 5;

/** Somebody's data of one time. */
export interface Claim {
  readonly tenantId: string;
  /** Whose; `''` where they are nobody's. */
  readonly subjectId: string;
  /** Unix epoch, milliseconds: when the event began. */
  readonly timestamp: number;
}

/** The data keys: one for each person and tenant, wrapped by the master key in the database, and for a bounded time here. */
export class SubjectKeys {
  private readonly cache: KeyCache;
  private index: Promise<SubjectKey> | undefined;

  constructor(
    private readonly repository: SubjectKeyRepository,
    readonly masters: MasterKeys,
    private readonly options: Pick<Protection, 'cacheKeys' | 'cacheSeconds' | 'dataKeyDays'>,
  ) {
    this.cache = new KeyCache(options.cacheKeys, options.cacheSeconds * 1_000);
  }

  /**
   * Whether the master keys are those of the data that are there.
   *
   * @throws AuditError `AUDIT_INVALID_OPTIONS` where they are not; `AUDIT_STORE_UNAVAILABLE`
   */
  async check(): Promise<void> {
    const index = await this.indexKey({});
    try {
      await this.use(index, () => undefined);
    } catch (cause) {
      // A KMS that is away may come back.
      if (cause instanceof KeyUnavailableError && !index.masterId.startsWith('local-')) throw cause;
      throw new AuditError(
        'AUDIT_INVALID_OPTIONS',
        `The audit option protect.masterKey does not fit the protected data in the database: ${(cause as Error).message}. Write the key that they were protected with, as masterKey or among retiredMasterKeys.`,
        { field: 'protect.masterKey', cause },
      );
    }
  }

  /**
   * A keyed digest of a person, by which the table of keys and the event of an erasure name them.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`; KeyUnavailableError
   */
  async referenceOf(tenantId: string, subjectId: string, access: KeyAccess = {}): Promise<string> {
    const index = await this.indexKey(access);
    return this.use(index, (key) => digest(key, tenantId, subjectId));
  }

  /**
   * The key of each claim, in their order, made where there is none; `undefined` where the data are erased already.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`, or the driver's error; KeyUnavailableError
   */
  async keysFor(claims: readonly Claim[], access: KeyAccess): Promise<(SubjectKey | undefined)[]> {
    const index = await this.indexKey(access);
    const references = await this.use(index, (key) =>
      claims.map(({ tenantId, subjectId }) => digest(key, tenantId, subjectId)),
    );
    const subjects = [...new Set(references)];
    for (let tried = 0; tried < TRIES; tried += 1) {
      const keys = await this.repository.bySubjects(subjects, access);
      const bySubject = groupBySubject(keys);
      const missing = new Map<string, SubjectKey>();
      const found = claims.map(({ tenantId, timestamp }, place) => {
        const subject = references[place]!;
        const own = bySubject.get(subject) ?? [];
        if (own.some(({ erasedAt }) => erasedAt !== undefined && timestamp <= erasedAt)) return undefined;
        const newest = own.at(-1);
        if (newest && newest.erasedAt === undefined && !this.isOld(newest)) return newest;
        missing.set(subject, { ...unmade(tenantId, subject), generation: (newest?.generation ?? 0) + 1 });
        return newest;
      });
      if (missing.size === 0) return found;
      // Then they are read again: another process may have made them first, or have erased the person meanwhile.
      for (const key of missing.values()) await this.make(key, access);
    }
    throw new AuditError('AUDIT_STORE_UNAVAILABLE', 'The keys of protected data change all the time.');
  }

  /**
   * Calls `work` with the unwrapped key, which is not there any longer when it returns.
   *
   * @throws KeyUnavailableError; KeyDamagedError
   */
  async use<T>(row: SubjectKey, work: (key: Buffer) => T): Promise<T> {
    if (row.erasedAt !== undefined) throw new KeyDamagedError('the key is destroyed');
    const cached = this.cache.get(row.id);
    if (cached) return work(cached);
    const key = await this.masters.unwrap(row.wrapped, row.masterId, placeOf(row));
    try {
      return work(key);
    } finally {
      this.cache.set(row.id, key);
    }
  }

  /** What the database has of these keys. @throws AuditError `AUDIT_STORE_UNAVAILABLE` */
  byIds(ids: readonly string[]): Promise<SubjectKey[]> {
    return this.repository.byIds(ids);
  }

  /** The keys that a person has. @throws AuditError `AUDIT_STORE_UNAVAILABLE` */
  bySubject(reference: string): Promise<SubjectKey[]> {
    return this.repository.bySubjects([reference]);
  }

  /**
   * Destroys the keys of a person, and leaves a mark: what was recorded until then and comes later is erased as well.
   *
   * @param at Unix epoch, milliseconds
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`
   */
  async destroy(tenantId: string, reference: string, at: number): Promise<void> {
    for (let tried = 0; tried < TRIES; tried += 1) {
      await this.repository.destroy(reference, at);
      const keys = await this.repository.bySubjects([reference]);
      for (const { id } of keys) this.cache.delete(id);
      if (keys.some(({ erasedAt = -1 }) => erasedAt >= at)) return;
      // Nothing was ever protected for them, or all of it was erased before.
      const mark: SubjectKey = {
        ...unmade(tenantId, reference),
        generation: (keys.at(-1)?.generation ?? 0) + 1,
        erasedAt: at,
      };
      await this.insert([mark], {});
    }
    throw new AuditError('AUDIT_STORE_UNAVAILABLE', 'The keys of the person change all the time.');
  }

  /**
   * Wraps all keys anew that another master key has wrapped.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`; KeyUnavailableError. What was wrapped until then stays so
   */
  async rewrapAll(signal?: AbortSignal): Promise<{ rewrapped: number; damaged: number }> {
    const { currentId } = this.masters;
    const total = { rewrapped: 0, damaged: 0 };
    let after = '';
    for (;;) {
      signal?.throwIfAborted();
      const page = await this.repository.notWrappedBy(currentId, ROTATION_PAGE, after);
      for (const row of page) {
        signal?.throwIfAborted();
        try {
          const key = await this.masters.unwrap(row.wrapped, row.masterId, placeOf(row));
          try {
            await this.repository.rewrap(row, await this.masters.wrap(key, placeOf(row)), currentId);
          } finally {
            key.fill(0);
          }
          total.rewrapped += 1;
        } catch (error) {
          if (error instanceof KeyUnavailableError || error instanceof AuditError) throw error;
          total.damaged += 1;
        }
      }
      if (page.length < ROTATION_PAGE) break;
      after = page.at(-1)!.id;
    }
    this.index = undefined;
    return total;
  }

  /** Gives every person another key for what is recorded from now on. @returns how many */
  async renewAll(signal?: AbortSignal): Promise<number> {
    let renewed = 0;
    let after = '';
    for (;;) {
      signal?.throwIfAborted();
      const page = await this.repository.newest(ROTATION_PAGE, after);
      for (const { subject, tenantId, generation, erasedAt } of page) {
        signal?.throwIfAborted();
        if (subject === INDEX || erasedAt !== undefined) continue;
        await this.make({ ...unmade(tenantId, subject), generation: generation + 1 }, {});
        renewed += 1;
      }
      if (page.length < ROTATION_PAGE) return renewed;
      after = page.at(-1)!.subject;
    }
  }

  /** Forgets the keys that are in memory. */
  close(): void {
    this.cache.clear();
  }

  private isOld({ createdAt }: SubjectKey): boolean {
    return Date.now() - createdAt > this.options.dataKeyDays * DAY_MS;
  }

  private indexKey(access: KeyAccess): Promise<SubjectKey> {
    // Within a transaction it may be rolled back.
    if (access.manager) return this.index ?? this.loadIndex(access);
    this.index ??= this.loadIndex(access).catch((error: unknown) => {
      this.index = undefined;
      throw error;
    });
    return this.index;
  }

  private async loadIndex(access: KeyAccess): Promise<SubjectKey> {
    const [there] = await this.repository.bySubjects([INDEX], access);
    if (there) return there;
    if (await this.repository.hasAny()) {
      throw new AuditError(
        'AUDIT_STORE_UNAVAILABLE',
        'The table audit_keys has lost its row "index", without which nobody\'s key can be found. Restore it from a backup.',
      );
    }
    await this.make({ ...unmade('', INDEX), generation: 0 }, access);
    const [made] = await this.repository.bySubjects([INDEX], access);
    return made!;
  }

  /** Makes a key, unless another process does so first. */
  private async make(key: SubjectKey, access: KeyAccess): Promise<void> {
    const plain = randomBytes(32);
    try {
      const wrapped = await this.masters.wrap(plain, placeOf(key));
      await this.insert([{ ...key, wrapped, masterId: this.masters.currentId }], access);
    } finally {
      plain.fill(0);
    }
  }

  private async insert(keys: readonly SubjectKey[], access: KeyAccess): Promise<void> {
    try {
      await this.repository.insert(keys, access);
    } catch (error) {
      if (classifyStoreError(error) !== 'duplicate') throw error;
    }
  }
}

function unmade(tenantId: string, subject: string): SubjectKey {
  const createdAt = Date.now();
  return {
    id: createEventId(createdAt),
    tenantId,
    subject,
    generation: 1,
    wrapped: '',
    masterId: '',
    createdAt,
  };
}

/** A wrapped key can't be moved to another row. */
function placeOf({ id, tenantId, subject, generation }: SubjectKey): string {
  return JSON.stringify(['nest-audit-trail key', id, tenantId, subject, generation]);
}

function digest(key: Buffer, tenantId: string, subjectId: string): string {
  return createHmac('sha256', key)
    .update(JSON.stringify([tenantId, subjectId]))
    .digest('base64url');
}

function groupBySubject(keys: readonly SubjectKey[]): Map<string, SubjectKey[]> {
  const groups = new Map<string, SubjectKey[]>();
  for (const key of keys) {
    const group = groups.get(key.subject);
    if (group) group.push(key);
    else groups.set(key.subject, [key]);
  }
  return groups;
}
