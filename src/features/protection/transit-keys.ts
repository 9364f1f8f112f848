import { randomBytes, randomUUID } from 'node:crypto';
import { readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { RateLimitedLog } from '../../event/audit-logger.js';
import { parsedJson } from '../../event/read-event.js';
import { readRegularFile } from '../../journal/journal-file.js';
import type { Delivery } from '../../delivery/delivery.js';
import type { LogMark } from '../../delivery/event-log.js';
import { within } from '../../store/within.js';
import { destroyFile, writeWhole } from './key-file.js';
import type { MasterKeys } from './master-keys.js';

/** One that is not used any more. */
interface RetiredKey {
  readonly id: string;
  /** Unwrapped; zero once it is destroyed. `undefined` of an earlier process's, until it is asked for. */
  key: Buffer | undefined;
  /** Events up to this mark may need it. */
  readonly through: LogMark;
}

const CHECK_MS = 1_000;
/** How long a start and an end wait for a KMS. */
const KMS_PATIENCE_MS = 2_000;
const FILE = /^transit-([0-9a-f-]{36})\.key(\.new)?$/;
/** What a KMS answers is some hundred bytes. */
const LARGEST_BYTES = 64 * 1024;
/** How long an erasure waits for what is under way. */
const ROTATION_PATIENCE_MS = 5_000;

/**
 * The keys of a process, which encrypt values between the request, which can't wait for the database, and
 * delivery, which uses the keys of persons. Each is in use for a bounded time. Encrypted by the master key,
 * it lies beside the journal while that may need it. Then it is destroyed, and with it all values that the
 * journal still has.
 */
export class TransitKeys {
  private active = newKey();
  private retired: RetiredKey[] = [];
  private timer: NodeJS.Timeout | undefined;
  private working: Promise<void> | undefined;
  private closed = false;

  /** @param lifetimeMs how long one is in use */
  constructor(
    private readonly masters: MasterKeys,
    private readonly lifetimeMs: number,
    private readonly events: Pick<Delivery, 'directory' | 'mark' | 'isSettledThrough'>,
    private readonly warnings: RateLimitedLog,
  ) {}

  /** The key for what comes now. */
  get current(): { readonly id: string; readonly key: Buffer } {
    this.active.isUsed = true;
    return this.active;
  }

  /** Takes over what an earlier process left beside the journal, which is open. Never throws. */
  async open(): Promise<void> {
    const { directory } = this.events;
    if (directory !== undefined) {
      const through = this.events.mark();
      for (const name of await readdir(directory).catch(() => [])) {
        const [, id, isUnfinished] = FILE.exec(name) ?? [];
        // The process that wrote it has died over it.
        if (isUnfinished) await unlink(join(directory, name)).catch(() => undefined);
        else if (id !== undefined) this.retired.push({ id, key: undefined, through });
      }
    }
    // Not for ever: a KMS may be away.
    await within(KMS_PATIENCE_MS, this.work());
    this.timer = setInterval(() => void this.work(), CHECK_MS).unref();
  }

  /**
   * The key of the id, where there is one.
   *
   * @throws KeyUnavailableError; KeyDamagedError
   */
  async find(id: string): Promise<Buffer | undefined> {
    const found = [this.active, ...this.retired].find((key) => key.id === id);
    if (!found || found.key) return found?.key;
    const text = readRegularFile(this.fileOf(id)!, LARGEST_BYTES);
    const { masterId, wrapped } = Object(parsedJson(text)) as Readonly<Record<string, unknown>>;
    if (typeof masterId !== 'string' || typeof wrapped !== 'string') return undefined;
    return (found.key = await this.masters.unwrap(wrapped, masterId, placeOf(id)));
  }

  /**
   * Has another key be used from now on, and destroys those before as soon as nothing needs them.
   *
   * @returns whether that is done; if not, it is done later, once the requests that have begun already have ended
   */
  async renew(): Promise<boolean> {
    this.rotate();
    const deadline = performance.now() + ROTATION_PATIENCE_MS;
    do {
      await within(deadline - performance.now(), this.work());
      if (this.retired.length === 0) return true;
      await new Promise((resolve) => setTimeout(resolve, 20));
    } while (performance.now() < deadline && !this.closed);
    return false;
  }

  /**
   * Called once the journal is closed.
   *
   * @param deletes the files of keys, where no journal needs them any more
   */
  async close(deletes: boolean): Promise<void> {
    this.closed = true;
    clearInterval(this.timer);
    await within(KMS_PATIENCE_MS, Promise.resolve(this.working));
    for (const { key } of [this.active, ...this.retired]) key?.fill(0);
    const { directory } = this.events;
    if (directory === undefined || !deletes) return;
    const names = await readdir(directory).catch(() => []);
    if (names.some((name) => name.endsWith('.journal'))) return;
    for (const name of names)
      if (FILE.test(name)) await destroyFile(join(directory, name)).catch(() => undefined);
  }

  /** One piece of work at a time: whoever asks meanwhile gets the same one. */
  private work(): Promise<void> {
    return (this.working ??= this.workNow().finally(() => (this.working = undefined)));
  }

  private async workNow(): Promise<void> {
    if (this.closed) return;
    const { active } = this;
    if (active.isUsed && performance.now() - active.madeAt > this.lifetimeMs) this.rotate();
    // First, since it needs no KMS.
    for (const old of this.retired) {
      if (this.events.isSettledThrough(old.through)) await this.destroy(old);
    }
    try {
      await this.keepFile();
    } catch (error) {
      this.warnings.error(
        'transit',
        `The key that protects values in the audit journal can't be kept beside it: ${String((error as Error).message)}. If the process is killed now, protected values of events that are not stored yet are lost; the events are not.`,
      );
    }
  }

  private async destroy(old: RetiredKey): Promise<void> {
    old.key?.fill(0);
    const path = this.fileOf(old.id);
    try {
      if (path !== undefined) await destroyFile(path);
      this.retired = this.retired.filter((other) => other !== old);
    } catch (error) {
      this.warnings.error(
        'destroy',
        `A key that protected values in the audit journal can't be deleted: ${String((error as Error).message)}. Delete the file by hand.`,
      );
    }
  }

  private rotate(): void {
    if (!this.active.isUsed) return;
    const { id, key } = this.active;
    this.retired.push({ id, key, through: this.events.mark() });
    this.active = newKey();
  }

  /** Has the wrapped keys lie beside the journal. */
  private async keepFile(): Promise<void> {
    for (const { id, key } of [this.active, ...this.retired]) {
      const path = this.fileOf(id);
      if (!key || path === undefined || readRegularFile(path, LARGEST_BYTES) !== undefined) continue;
      const wrapped = await this.masters.wrap(key, placeOf(id));
      if (this.closed) return;
      await writeWhole(path, JSON.stringify({ format: 1, masterId: this.masters.currentId, wrapped }));
    }
  }

  /** Where the wrapped key lies; `undefined` without a journal. */
  private fileOf(id: string): string | undefined {
    const { directory } = this.events;
    return directory === undefined ? undefined : join(directory, `transit-${id}.key`);
  }
}

function newKey() {
  return { id: randomUUID(), key: randomBytes(32), madeAt: performance.now(), isUsed: false };
}

function placeOf(id: string): string {
  return JSON.stringify(['nest-audit-trail transit key', id]);
}
