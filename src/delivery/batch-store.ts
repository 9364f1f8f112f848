import { classifyStoreError, codeOfStoreError, describeStoreError } from '../store/store-error.js';
import type { EventSink, SentLeaves } from './event-sink.js';
import type { Entry } from './log-reader.js';

/** So often in a row the same unclear failure is the database's, before it may be an event's. */
const UNCLEAR_TIMES = 3;

/** Told at once what became of which events. */
export interface Fates {
  stored(entries: readonly Entry[], leaves: SentLeaves): void;
  /** @param isDead it is a dead letter now; else its dead letters refuse it as well */
  refused(entry: Entry, code: string, isDead: boolean): void;
}

interface Suspect {
  readonly entry: Entry;
  readonly error: unknown;
  /** The database has said that it is the event. */
  readonly isRefused: boolean;
}

/** Sends a statement to the database, and waits for its answer as long as others are waited for. */
type Send = <T>(statement: (signal: AbortSignal) => Promise<T>) => Promise<T>;

/**
 * Stores batches. Where the database refuses one event, the batch is halved until the event is found. It
 * becomes a dead letter, and the others are stored.
 */
export class BatchStore {
  private unclear: { readonly code: string; readonly times: number } | undefined;
  /** Of the batch that is stored now: those that are at fault themselves, or may be. */
  private readonly suspects: Suspect[] = [];

  constructor(
    private readonly sink: EventSink,
    private readonly send: Send,
    private readonly fates: Fates,
  ) {}

  /**
   * Stores the batch. What it settles leaves `batch`; what is left when it throws is to be tried again.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`, or the driver's error, while the database does not take events
   */
  async store(batch: Entry[]): Promise<void> {
    const before = batch.length;
    try {
      await this.storePart(batch, batch.length);
      // First all others: what becomes of these must not hold them up.
      await this.judge(before > this.suspects.length);
      this.unclear = undefined;
    } catch (error) {
      batch.unshift(...this.suspects.splice(0).map(({ entry }) => entry));
      this.noteUnclear(error);
      throw error;
    }
  }

  private async storePart(batch: Entry[], count: number): Promise<void> {
    const part = batch.slice(0, count);
    if (part.length === 0) return;
    try {
      await this.storeTogether(part);
    } catch (error) {
      const failure = classifyStoreError(error);
      // That events are there already is no failure of the store's; what is left of it is that two are one.
      const isRefused = failure === 'refused' || failure === 'duplicate';
      if (!isRefused && !this.isSuspicious(error)) throw error;
      if (count === 1) {
        this.suspects.push({ entry: batch.shift()!, error, isRefused });
      } else {
        const half = Math.ceil(count / 2);
        await this.storePart(batch, half);
        await this.storePart(batch, count - half);
      }
      return;
    }
    batch.splice(0, count);
  }

  /** By one statement. @throws the driver's error */
  private async storeTogether(entries: readonly Entry[]): Promise<void> {
    const events = entries.map(({ event }) => event);
    this.fates.stored(entries, await this.send((signal) => this.sink.store(events, signal)));
  }

  /**
   * Of a failure that may be the database's or an event's: the same one again and again is looked into, event by event.
   * Where others are stored meanwhile, the event is at fault.
   */
  private isSuspicious(error: unknown): boolean {
    const { unclear } = this;
    const isSame = unclear?.code === codeOfStoreError(error) && classifyStoreError(error) === 'unclear';
    return isSame && unclear.times >= UNCLEAR_TIMES;
  }

  /** Where the database stores others, or says what is wrong with them, it is not the database that is at fault. */
  private async judge(hasStored: boolean): Promise<void> {
    const unclear = this.suspects.find(({ isRefused }) => !isRefused);
    const isThere = hasStored || this.suspects.some(({ isRefused }) => isRefused);
    if (unclear && !isThere) throw unclear.error;
    while (this.suspects.length > 0) {
      const suspect = this.suspects[0]!;
      if (!(await this.isStoredNow(suspect))) await this.setAside(suspect, hasStored);
      this.suspects.shift();
    }
  }

  /** What is unclear may have been the database's own trouble, which is over: it is tried a last time. */
  private async isStoredNow({ entry, isRefused }: Suspect): Promise<boolean> {
    if (isRefused) return false;
    try {
      await this.storeTogether([entry]);
      return true;
    } catch (error) {
      if (classifyStoreError(error) === 'away') throw error;
      return false;
    }
  }

  private noteUnclear(error: unknown): void {
    const isUnclear = classifyStoreError(error) === 'unclear';
    const code = codeOfStoreError(error);
    const times = this.unclear?.code === code ? this.unclear.times + 1 : 1;
    this.unclear = isUnclear ? { code, times } : undefined;
  }

  private async setAside({ entry, error }: Suspect, hasStored: boolean): Promise<void> {
    let isDead = true;
    try {
      await this.send((signal) => this.sink.keep(entry.event, describeStoreError(error), signal));
    } catch (failure) {
      const kind = classifyStoreError(failure);
      // The table of dead letters may be what is broken: that must not hold up events that the other one takes.
      if (kind === 'away' || (kind !== 'refused' && !hasStored)) throw failure;
      isDead = false;
    }
    this.fates.refused(entry, codeOfStoreError(error), isDead);
  }
}
