import { readdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { createEventId } from '../event/event-id.js';
import { cannotKeep, DirectoryLock } from './directory-lock.js';
import { Intents } from './intents.js';
import { encodeLine, inOrder } from './journal-line.js';
import type { LineKind, SegmentHead } from './journal-line.js';
import { passPoint } from './life.js';
import { thisProcess } from './process-identity.js';
import { recover } from './recovery.js';
import type { Recovered } from './recovery.js';
import { BEGINNING, OPEN_FILES, Segment } from './segment.js';
import type { Place } from './segment.js';

/** After a failed write the file system is asked again no sooner than this. */
const RETRY_MS = 250;
/** An intent so many segments behind is written again, so that it does not keep them all. */
const CARRY_AFTER = 4;
/** How long the last sync may take, of a disk that says nothing. */
const LAST_SYNC_MS = 5_000;

/**
 * The local append-only journal: a directory of segments, owned by one process. A line is written in one synchronous
 * append, and outlives the process from then on; `npm run bench -- --only journal` tells what that costs.
 *
 * It is made of lines (`journal-line.ts`) in files (`segment.ts`), in a directory that one process has (`directory-lock.ts`). The next
 * owner reads what is left (`recovery.ts`), and finds what is damaged (`damage.ts`).
 */
export class EventJournal {
  /** In the order of their numbers; the last one is written to. */
  readonly segments: Segment[] = [];
  private readonly dirty = new Set<Segment>();
  private hasNewFile = true;
  private syncing: Promise<void> | undefined;
  private nextSync: Promise<void> | undefined;
  private failedAt = -Infinity;
  /** Nothing is written before `check()` has made it right. */
  blocked = false;
  private mustRotate = false;
  /** The last given away to a request or an event. */
  newestNumber: number;
  private lastSegment: number;
  /** Of all segments but the last, which do not grow any more. */
  private bytesBefore = 0;
  /** Why lines can't be written now. */
  failure: Error | undefined;
  readonly intents = new Intents(this);
  /** What is before it, nobody needs any more. */
  private needed = BEGINNING;

  private constructor(
    readonly lock: DirectoryLock,
    readonly source: string,
    /** The last given away: with the line that has it as its reference. */
    public sequence: number,
    readonly recovered: Recovered,
    private readonly segmentBytes: number,
  ) {
    this.newestNumber = recovered.lastNumber;
    this.lastSegment = recovered.lastSegment;
  }

  /**
   * Takes the directory, and reads what is in it. After a crash the source continues. A new one begins
   * after an end in order, and after the machine itself went down, because written lines may be lost.
   *
   * @param segmentBytes after which a new segment is begun
   * @throws AuditError `AUDIT_INVALID_OPTIONS`, see `DirectoryLock.acquire`
   */
  static async open(directory: string, segmentBytes: number): Promise<EventJournal> {
    const lock = await DirectoryLock.acquire(directory);
    try {
      const left = numbersIn(directory).map((number) => Segment.leftBehind(directory, number, lock.uid));
      const recovered = await recover(left, () => lock.touch());
      const last = recovered.sources.at(-1);
      const { boot } = thisProcess();
      const resumes = last && !last.closed && boot !== undefined && lock.previous?.boot === boot;
      const journal = new EventJournal(
        lock,
        resumes ? last.source : createEventId(Date.now()),
        resumes ? last.sequence : 0,
        recovered,
        segmentBytes,
      );
      journal.segments.push(...left);
      journal.begin();
      lock.settle();
      return journal;
    } catch (error) {
      lock.release();
      throw cannotKeep(directory, error);
    }
  }

  get directory(): string {
    return this.lock.directory;
  }

  get firstSegment(): number {
    return this.segments[0]!.number;
  }

  /** Whether the source went on after a crash. */
  get resumed(): boolean {
    return this.source === this.recovered.sources.at(-1)?.source;
  }

  /** Of all its files. Asked for each event, whatever their number. */
  get bytes(): number {
    return this.bytesBefore + (this.segments.at(-1)?.size ?? 0);
  }

  get active(): Segment {
    return this.segments.at(-1)!;
  }

  nextNumber(): number {
    return ++this.newestNumber;
  }

  /**
   * Writes one line, unless a write has failed just now.
   *
   * @returns where it begins; it is the last one of {@link active}
   * @throws the file system's error; then nothing of it is written
   */
  append(kind: LineKind, number: number, reference: number, body: string): Place {
    const { failure } = this;
    if (failure && (this.blocked || performance.now() - this.failedAt < RETRY_MS)) throw failure;
    try {
      if (failure) this.makeSpace();
      if (this.mustRotate || this.active.size >= this.segmentBytes) this.rotate();
      const line = encodeLine(kind, number, reference, body);
      const { active } = this;
      active.append(line);
      this.failure = undefined;
      this.dirty.add(active);
      this.sequence = Math.max(this.sequence, reference);
      return { segment: active.number, position: active.size - line.length };
    } catch (error) {
      this.fail(error as Error);
      throw error;
    }
  }

  /**
   * Resolves once all that is written is on the disk. Callers at the same time share one sync.
   *
   * @throws the file system's error
   */
  sync(): Promise<void> {
    if (this.dirty.size === 0) return this.nextSync ?? this.syncing ?? Promise.resolve();
    this.nextSync ??= (this.syncing ?? Promise.resolve())
      .catch(() => undefined)
      .then(() => {
        this.nextSync = undefined;
        this.syncing = this.syncNow().finally(() => (this.syncing = undefined));
        return this.syncing;
      });
    return this.nextSync;
  }

  /**
   * Deletes the segments that nobody needs any more, oldest first: a younger one says what became of the requests and
   * events of an older one.
   *
   * @param needed what is before it is stored
   */
  sweep(needed = this.needed): void {
    this.needed = needed;
    if (this.segments.length === 1) return;
    const oldest = Math.min(needed.segment, this.intents.oldestSegment);
    while (this.segments.length > 1) {
      const [segment] = this.segments as [Segment];
      if (segment.number >= oldest) return;
      this.segments.shift();
      this.bytesBefore -= segment.size;
      this.dirty.delete(segment);
      segment.remove();
    }
  }

  /**
   * Called each second: shows that the owner lives, writes again what somebody deleted under it, and intents of old segments.
   *
   * @returns what happened, where something did
   */
  check(): string | undefined {
    const state = this.lock.touch();
    if (state === 'lost') {
      if (this.blocked) return undefined;
      this.block(new Error(`another process has taken the directory ${this.directory}`));
      return `The audit journal ${this.directory} was taken by another process, to which this one seemed dead.`;
    }
    if (state === 'ours' && !this.blocked && this.active.isInPlace()) {
      this.catchUp();
      return undefined;
    }
    try {
      if (state === 'gone') this.lock.putBack();
      for (const segment of this.segments) if (!segment.isInPlace()) segment.putBack();
      this.failure = undefined;
      this.blocked = false;
      for (const segment of this.segments) this.dirty.add(segment);
      this.hasNewFile = true;
      return `The audit journal ${this.directory} was deleted by somebody, and is written again.`;
    } catch (error) {
      this.block(error as Error);
      return `The audit journal ${this.directory} was deleted by somebody, and can't be written again: ${String((error as Error).message)}.`;
    }
  }

  /** Leaves the directory; deletes the segments where everything in them is settled. */
  async close(isEmpty: boolean): Promise<void> {
    try {
      this.append('closed', 0, this.sequence, '{}');
      if (!isEmpty) await Promise.race([this.sync(), delay(LAST_SYNC_MS, undefined, { ref: false })]);
    } catch {
      // The next owner finds the source not closed in order, as it is.
    }
    this.abandon(isEmpty);
  }

  /** Leaves the directory without a word: the next owner goes on as after a crash. @param isEmpty see {@link close} */
  abandon(isEmpty = false): void {
    for (const segment of this.segments.splice(0)) {
      if (isEmpty) segment.remove();
      else segment.rest();
    }
    this.bytesBefore = 0;
    this.lock.release();
  }

  private catchUp(): void {
    try {
      // Where nothing is recorded, nothing else would find out that the file system works again.
      if (this.failure) this.append('stored', 0, 0, '[]');
      this.intents.voidMissing();
      this.intents.carry(this.active.number - CARRY_AFTER);
      this.sweep();
    } catch {
      // Not yet.
    }
  }

  /** After a failed write, as to a full disk: what is written to, but needed no more, makes room for a new segment. */
  private makeSpace(): void {
    const { active, needed } = this;
    const isNeeded =
      needed.segment < active.number || (needed.segment === active.number && needed.position < active.size);
    if (this.segments.length > 1 || isNeeded || this.intents.count > 0) return;
    active.clear();
    this.mustRotate = true;
  }

  private rotate(): void {
    passPoint('before-rotate');
    this.begin();
    passPoint('after-rotate');
  }

  private begin(): void {
    this.lastSegment += 1;
    const segment = Segment.create(this.directory, this.lastSegment);
    const { source, sequence, newestNumber } = this;
    const head: SegmentHead = { format: 1, source, sequence, number: newestNumber };
    try {
      segment.append(encodeLine('segment', segment.number, 0, JSON.stringify(head)));
    } catch (error) {
      segment.remove();
      throw error;
    }
    this.bytesBefore = this.segments.reduce((sum, { size }) => sum + size, 0);
    this.segments.push(segment);
    this.segments.at(-OPEN_FILES)?.rest();
    this.hasNewFile = true;
    this.mustRotate = false;
  }

  private fail(error: Error): void {
    this.failure = error;
    this.failedAt = performance.now();
  }

  private block(error: Error): void {
    this.fail(error);
    this.blocked = true;
  }

  private async syncNow(): Promise<void> {
    const segments = [...this.dirty];
    this.dirty.clear();
    const isNew = this.hasNewFile;
    this.hasNewFile = false;
    try {
      await Promise.all(segments.map((segment) => segment.sync()));
      if (isNew) await syncDirectory(this.directory);
    } catch (error) {
      for (const segment of segments) if (this.segments.includes(segment)) this.dirty.add(segment);
      this.hasNewFile ||= isNew;
      // What the system could not write it may have given up: what comes now goes elsewhere.
      this.mustRotate = true;
      this.fail(error as Error);
      throw error;
    }
  }
}

/** The numbers of the files that are there, in their order. */
function numbersIn(directory: string): number[] {
  return inOrder(readdirSync(directory).map((name) => Segment.numberOf(name) ?? 0));
}

/** The names of new files are as durable as their contents only after this; Windows has no such thing. */
async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
