import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import type { JournalLoss } from '../journal/damage.js';
import type { Place } from '../journal/segment.js';
import { BEGINNING, earlier } from '../journal/segment.js';
import type { SourceNumber } from '../event/sequence-set.js';
import { IssuedNumbers } from '../sealer/issued-numbers.js';
import type { NumberOwner, StoredNumbers } from '../sealer/issued-numbers.js';
import { WaitingStatements } from '../store/waiting-statements.js';
import { noAnswer } from '../store/within.js';
import { BatchStore } from './batch-store.js';
import type { DeliveryOptions } from './delivery-options.js';
import type { EventSink, SentLeaves } from './event-sink.js';
import { LogReader } from './log-reader.js';
import type { Entry } from './log-reader.js';
import type { LogNews, LogStart, Progress, Refusal } from './messages.js';

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;
/** While so many bytes of lines wait in memory, no more are read. */
const LARGE_BYTES = 2 * 1024 * 1024;
/** How long it waits for a file to be written again. */
const MISSING_FILE_MS = 100;

export type LoopOptions = Pick<Required<DeliveryOptions>, 'batchSize' | 'statementTimeoutMs'>;

export interface LoopHost {
  /** There is a loop that does not know the log: the first one, or the next after its thread has died. */
  ready(): void;
  progress(progress: Progress): void;
  /** The database does not take events. */
  away(error: unknown): void;
  /** The loop has ended by itself, with its thread. Another one begins. */
  ended(error: Error): void;
}

/** What the application's side uses of the loop, here or in a thread. */
export interface Loop {
  /** Why the database can't be used at all, before anything is tried; `undefined` where it can. */
  readonly whyNotReady: string | undefined;
  /** Calls `ready` of the host as soon as the loop is there. */
  start(): void;
  open(start: LogStart): void;
  advance(news: LogNews): void;
  ping(patienceMs: number): Promise<void>;
  ownersOf(source: string, sequences: readonly number[]): Promise<NumberOwner[]>;
  storedNumbers(): Promise<StoredNumbers[]>;
  /** The last number of each source of this process that the database has taken. */
  reached(): Promise<SourceNumber[]>;
  close(): void;
}

/**
 * Carries events from the log into the database: at least once, which the store's idempotence makes exactly once. It reads a batch,
 * stores it, and tells how far it has come. While the database is away it waits, and the log is the queue.
 */
export class DeliveryLoop implements Loop {
  /** Which events of this process have its numbers, as far as they are settled. */
  readonly issued = new IssuedNumbers();
  private reader: LogReader | undefined;
  /** The newest news, and the newest that the host was told about. */
  private turn = 0;
  private toldTurn = 0;
  private readonly urgent: Entry[] = [];
  private readonly ready: Entry[] = [];
  private readonly statements = new WaitingStatements();
  private readonly pings = new WaitingStatements();
  private readonly batches: BatchStore;
  private running: Promise<void> | undefined;
  private wake = new AbortController();
  /** It waits for the log alone. */
  private isUnread = false;
  private closed = false;
  private report = emptyReport();

  constructor(
    private readonly sink: EventSink,
    private readonly options: LoopOptions,
    private readonly host: LoopHost,
  ) {
    this.batches = new BatchStore(sink, (statement) => this.bounded(statement), {
      stored: (entries, leaves) => entries.forEach((entry) => this.noteStored(entry, leaves)),
      refused: (entry, code, isDead) => this.noteRefused(entry, code, isDead),
    });
  }

  get whyNotReady(): string | undefined {
    return this.sink.whyNotReady;
  }

  start(): void {
    this.host.ready();
  }

  /** Reads the log from its beginning, where there is one. */
  open({ sources, log }: LogStart): void {
    for (const { source, sequence } of sources) this.issued.resume(source, sequence);
    this.reader?.close();
    this.reader = log && new LogReader(log, (loss) => this.report.losses.push(loss));
  }

  advance(news: LogNews): void {
    this.turn = news.turn;
    for (const { source, from, to } of news.skipped) this.issued.skip(source, from, to);
    this.reader?.advance(news);
    for (const { isUrgent, ...event } of news.events)
      (isUrgent ? this.urgent : this.ready).push({ ...event, place: undefined, bytes: 0 });
    if (news.hurry || (this.isUnread && news.events.length > 0)) this.wake.abort();
    this.goOn();
  }

  /** @throws the database's error */
  ping(patienceMs: number): Promise<void> {
    return this.pings.send(patienceMs, (signal) => this.sink.ping(signal));
  }

  async ownersOf(source: string, sequences: readonly number[]): Promise<NumberOwner[]> {
    return this.issued.ownersOf(source, sequences);
  }

  async storedNumbers(): Promise<StoredNumbers[]> {
    return this.issued.numbers;
  }

  async reached(): Promise<SourceNumber[]> {
    return this.issued.numbers.map(({ source, ranges }) => ({ source, sequence: ranges.at(-1)?.[1] ?? 0 }));
  }

  /** Stops; what is not stored stays in the log. */
  close(): void {
    this.closed = true;
    this.wake.abort();
    this.reader?.close();
  }

  private get hasWork(): boolean {
    return this.urgent.length > 0 || this.ready.length > 0 || this.reader?.hasMore === true;
  }

  private goOn(): void {
    if (this.closed) return;
    this.running ??= this.run().finally(() => {
      this.running = undefined;
      // News that came while it ended are answered as well.
      if (this.hasWork || this.toldTurn < this.turn) this.goOn();
    });
  }

  /** Stores until nothing is left, or until it is closed. */
  private async run(): Promise<void> {
    let waitMs = FIRST_RETRY_MS;
    // Whatever is told in the same turn goes along.
    await Promise.resolve();
    while (!this.closed) {
      let batch: Entry[] = [];
      try {
        batch = this.nextBatch();
        if (batch.length === 0) {
          this.tell();
          if (!this.hasWork) return;
          // There is much that is no event, or a file is to be written again.
          await (this.reader?.isWaiting ? this.pause(MISSING_FILE_MS) : turn());
          continue;
        }
        this.isUnread = false;
        await this.batches.store(batch);
        waitMs = FIRST_RETRY_MS;
        this.tell();
      } catch (error) {
        this.isUnread = batch.length === 0;
        this.ready.unshift(...batch);
        this.tell(this.isUnread ? String((error as Error).message) : undefined);
        if (!this.isUnread) this.host.away(error);
        await this.pause(waitMs * (0.5 + Math.random() / 2));
        waitMs = Math.min(waitMs * 2, LAST_RETRY_MS);
      }
    }
  }

  /** @throws the file system's error, where nothing else waits in memory */
  private nextBatch(): Entry[] {
    const { batchSize } = this.options;
    const wanted = batchSize - this.urgent.length - this.ready.length;
    const bytes = this.ready.reduce((sum, entry) => sum + entry.bytes, 0);
    try {
      if (wanted > 0 && bytes < LARGE_BYTES)
        for (const entry of this.reader?.read(wanted) ?? []) this.ready.push(entry);
    } catch (error) {
      if (this.urgent.length + this.ready.length === 0) throw error;
    }
    const batch = this.urgent.splice(0, batchSize);
    batch.push(...this.ready.splice(0, batchSize - batch.length));
    return batch;
  }

  private noteStored({ number, event, numbered }: Entry, leaves: SentLeaves): void {
    if (numbered) this.issued.stored(numbered.source, numbered.sequence, event.id, leaves.get(event.id));
    this.report.settled.push(number);
    this.report.stored += 1;
  }

  private noteRefused({ number, event, place, numbered }: Entry, code: string, isDead: boolean): void {
    if (numbered) this.issued.refused(numbered.source, numbered.sequence, event.id);
    if (isDead) this.report.settled.push(number);
    this.report.refused.push({ number, event, place, code, isDead });
  }

  /** Between two batches. */
  private tell(unread?: string): void {
    const { report, reader } = this;
    this.report = emptyReport();
    this.toldTurn = this.turn;
    const first = (place: Place = BEGINNING) =>
      this.ready.reduce((before, { place: of }) => earlier(before, of), place);
    this.host.progress({
      ...report,
      unread,
      turn: this.turn,
      isIdle: !this.hasWork,
      through: first(reader?.through),
      needed: first(reader?.needed),
    });
  }

  /** Ends the statement where the database does not answer. */
  private bounded<T>(statement: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const patienceMs = this.options.statementTimeoutMs;
    return this.statements.send(patienceMs, statement, async () => {
      if (this.closed) return false;
      this.host.away(noAnswer(patienceMs));
      return this.ping(patienceMs).then(
        () => true,
        () => false,
      );
    });
  }

  private async pause(waitMs: number): Promise<void> {
    if (this.closed) return;
    this.wake = new AbortController();
    await delay(waitMs, undefined, { signal: this.wake.signal }).catch(() => undefined);
  }
}

function emptyReport() {
  return { settled: [] as number[], refused: [] as Refusal[], stored: 0, losses: [] as JournalLoss[] };
}
