import { AsyncResource } from 'node:async_hooks';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import type { JournalLoss } from '../journal/damage.js';
import type { Place } from '../journal/segment.js';
import { comparePlaces } from '../journal/segment.js';
import type { OwnSource } from '../sealer/collector.js';
import { TakenEvents } from '../sealer/taken-events.js';
import type { NumberOwner, TakenNumbers } from '../sealer/taken-events.js';
import { noAnswer, WaitingStatements } from '../store/waiting-statements.js';
import { BatchStore } from './batch-store.js';
import type { Fate, LetterBox, Refusal } from './batch-store.js';
import type { EventSink } from './event-sink.js';
import { LogReader } from './log-reader.js';
import type { Entry } from './log-reader.js';
import type { KeptEvent, LogNews, LogStart, Progress } from './messages.js';

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;
/** While so many bytes of lines wait in memory, no more are read. */
const LARGE_BYTES = 2 * 1024 * 1024;
/** How long it waits for a file to be written anew. */
const MISSING_FILE_MS = 100;

export interface LoopOptions {
  /** Events. */
  readonly batchSize: number;
  readonly statementTimeoutMs: number;
}

/** What the loop tells. */
export interface LoopHost {
  /** It is there, and knows nothing: of the log first, or since it is another one, as after the death of its thread. */
  ready(): void;
  progress(progress: Progress): void;
  /** The database does not take events. */
  away(error: unknown): void;
  refused(refusal: Refusal): void;
  lost(loss: JournalLoss): void;
}

/** What the application's side uses of the loop, here or in a thread. */
export interface Loop {
  /** Why the database can't be used at all, before anything is tried; `undefined` where it can. */
  readonly whyNotReady: string | undefined;
  /** Has the host called as soon as it is there. */
  start(): void;
  open(log: LogStart): void;
  advance(news: LogNews): void;
  flush(): Promise<void>;
  ping(patienceMs: number): Promise<void>;
  ownersOf(source: string, sequences: readonly number[]): Promise<NumberOwner[]>;
  takenNumbers(): Promise<TakenNumbers[]>;
  /** The last number of each source of this process that the database has taken. */
  reached(): Promise<OwnSource[]>;
  close(reason: Error): void;
}

/** Someone who waits until all is stored that the log had when they came. */
interface Flush {
  upTo: Place | undefined;
  /** So many events, and so many urgent ones, have to be done with; `undefined` while some are still to be read. */
  events: number | undefined;
  readonly urgent: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Carries events from the log into the database: at least once, which the store's idempotence makes exactly once. One loop reads a
 * batch, stores it, and tells how far it has come; while the database is away it waits, and the log is the queue. It runs in a
 * thread of its own, or in the main one.
 */
export class DeliveryLoop implements Loop {
  /** Which events of this process have its numbers, as far as they are settled. */
  readonly taken = new TakenEvents();
  private reader: LogReader | undefined;
  private turn = 0;
  /** How far the log goes, as far as it is known. */
  private end: Place | undefined;
  private readonly urgent: Entry[] = [];
  private ready: Entry[] = [];
  private inFlight: Entry[] = [];
  /** Are stored from memory just now, and were written to the log meanwhile. */
  private readonly written = new Set<number>();
  /** How many were made ready, or urgent, until now. */
  private readied = 0;
  private hurried = 0;
  private readonly flushes = new Set<Flush>();
  private readonly statements = new WaitingStatements();
  private readonly pings = new WaitingStatements();
  private readonly batches: BatchStore;
  private running: Promise<void> | undefined;
  private wake = new AbortController();
  private closed = false;
  private report = emptyReport();
  /** It runs in no request's context, whichever request set it off. */
  private readonly context = new AsyncResource('AuditDelivery');

  constructor(
    private readonly sink: EventSink,
    letters: LetterBox,
    private readonly options: LoopOptions,
    private readonly host: LoopHost,
  ) {
    this.batches = new BatchStore(
      sink,
      letters,
      (statement) => this.bounded(statement),
      (entries, fate, refusal) => this.settle(entries, fate, refusal),
    );
  }

  get whyNotReady(): string | undefined {
    return this.sink.whyNotReady;
  }

  start(): void {
    this.host.ready();
  }

  /** Reads the log from its beginning. */
  open(start: LogStart): void {
    this.taken.resume(start.source, start.sequence);
    this.reader?.close();
    this.reader = new LogReader(start, (loss) => this.host.lost(loss));
  }

  /** Takes note of what is new, and stores it. */
  advance(news: LogNews): void {
    this.turn = news.turn;
    for (const { source, from, to } of news.skipped) this.taken.skip(source, from, to);
    const urgent = this.reader?.advance(news) ?? [];
    this.urgent.push(...urgent);
    this.hurried += urgent.length;
    const last = news.segments.at(-1);
    if (last) this.end = { segment: last.number, position: last.size };
    for (const number of news.written)
      if (this.inFlight.some((one) => one.number === number)) this.written.add(number);
    this.drop(news.written);
    this.makeReady(news.unwritten.map((one) => ({ ...one, place: undefined, bytes: 0 })));
    this.goOn();
  }

  /**
   * Resolves once all that it knows of is stored.
   *
   * @throws the database's error when an attempt fails; the events are tried again
   */
  flush(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.flushes.add({ upTo: this.end, events: undefined, urgent: this.hurried, resolve, reject });
      this.wake.abort();
      this.goOn();
    });
  }

  /** Asks the database for nothing, to know whether it answers. @throws the database's error */
  ping(patienceMs: number): Promise<void> {
    return this.pings.send(patienceMs, (signal) => this.sink.ping(signal));
  }

  async ownersOf(source: string, sequences: readonly number[]): Promise<NumberOwner[]> {
    return this.taken.ownersOf(source, sequences);
  }

  async takenNumbers(): Promise<TakenNumbers[]> {
    return this.taken.numbers;
  }

  async reached(): Promise<OwnSource[]> {
    return this.taken.numbers.map(({ source, ranges }) => ({ source, sequence: ranges.at(-1)?.[1] ?? 0 }));
  }

  /** Stops; what is not stored stays in the log. @param reason what whoever waits is told */
  close(reason: Error): void {
    this.closed = true;
    this.wake.abort();
    this.failFlushes(reason);
    this.reader?.close();
  }

  private get hasWork(): boolean {
    return this.urgent.length > 0 || this.ready.length > 0 || this.reader?.hasMore === true;
  }

  private goOn(): void {
    if (this.closed) return;
    this.running ??= this.context
      .runInAsyncScope(() => this.run())
      .finally(() => {
        this.running = undefined;
        if (this.hasWork) this.goOn();
      });
  }

  /** Stores what there is. Ends only when that is nothing, or it is closed. */
  private async run(): Promise<void> {
    let waitMs = FIRST_RETRY_MS;
    // Whatever is told in the same turn goes along.
    await Promise.resolve();
    while (!this.closed) {
      let batch: Entry[] = [];
      try {
        batch = this.take();
        if (batch.length === 0) {
          this.tell();
          if (!this.hasWork) return;
          // There is much that is no event, or a file is to be written anew.
          await (this.reader?.isWaiting ? this.pause(MISSING_FILE_MS) : turn());
          continue;
        }
        await this.batches.store(batch);
        waitMs = FIRST_RETRY_MS;
        this.inFlight = [];
        this.written.clear();
        this.tell();
      } catch (error) {
        this.inFlight = [];
        this.ready.unshift(...batch);
        this.drop([...this.written]);
        this.tell();
        this.host.away(error);
        this.failFlushes(error);
        await this.pause(waitMs * (0.5 + Math.random() / 2));
        waitMs = Math.min(waitMs * 2, LAST_RETRY_MS);
      }
    }
  }

  /** @throws the file system's error; then nothing is taken */
  private take(): Entry[] {
    const { batchSize } = this.options;
    const wanted = batchSize - this.urgent.length - this.ready.length;
    if (wanted > 0 && this.sizeOfReady < LARGE_BYTES) this.makeReady(this.reader?.read(wanted) ?? []);
    const batch = this.urgent.splice(0, batchSize);
    batch.push(...this.ready.splice(0, batchSize - batch.length));
    this.inFlight = [...batch];
    return batch;
  }

  /** Bytes of their lines. */
  private get sizeOfReady(): number {
    return this.ready.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  private makeReady(entries: readonly Entry[]): void {
    this.ready.push(...entries);
    this.readied += entries.length;
    for (const flush of this.flushes) {
      if (!flush.upTo || this.reader?.isThrough(flush.upTo)) flush.events ??= this.readied;
    }
  }

  /** The log has them now: they are read there. */
  private drop(written: readonly number[]): void {
    if (written.length === 0) return;
    const numbers = new Set(written);
    this.ready = this.ready.filter(({ number, place }) => place || !numbers.has(number));
    if (this.inFlight.length === 0) this.written.clear();
    // Whoever waits for them, waits until they are read.
    for (const flush of this.flushes) Object.assign(flush, { upTo: this.end, events: undefined });
  }

  private settle(entries: readonly Entry[], fate: Fate, refusal: Refusal | undefined): void {
    const { report, taken } = this;
    for (const { number, event, numbered, place } of entries) {
      if (numbered && fate === 'stored') taken.take(numbered.source, numbered.sequence, event.id);
      else if (numbered) taken.setAside(numbered.source, numbered.sequence, event.id);
      const isInLog = place !== undefined || this.written.has(number);
      if (isInLog && !place) this.reader!.pass(number);
      if (fate !== 'kept') (isInLog ? report.settled : report.settledUnwritten).push(number);
      else if (isInLog) this.keep({ number, event });
      else report.lost.push(number);
    }
    if (fate === 'stored') report.stored += entries.length;
    else report.dead += 1;
    if (refusal) this.host.refused(refusal);
  }

  private keep(event: KeptEvent): void {
    this.reader!.keep(event.number);
    this.report.kept.push(event);
  }

  private tell(): void {
    const { report } = this;
    this.report = emptyReport();
    this.resolveFlushes();
    this.host.progress({
      ...report,
      turn: this.turn,
      isIdle: !this.hasWork && this.inFlight.length === 0,
      needed: this.needed,
      oldest: (this.ready[0] ?? this.inFlight[0])?.event.timestamp,
    });
  }

  /** Called while nothing is in flight. */
  private resolveFlushes(): void {
    const done = this.readied - this.ready.length;
    const urgent = this.hurried - this.urgent.length;
    for (const flush of this.flushes) {
      if (flush.events === undefined || flush.events > done || flush.urgent > urgent) continue;
      this.flushes.delete(flush);
      flush.resolve();
    }
  }

  private failFlushes(error: unknown): void {
    for (const { reject } of this.flushes) reject(error);
    this.flushes.clear();
  }

  /** A statement, broken off where the database does not answer. */
  private bounded(statement: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const patienceMs = this.options.statementTimeoutMs;
    return this.statements.send(patienceMs, statement, async () => {
      if (this.closed) return false;
      this.host.away(noAnswer(patienceMs));
      this.failFlushes(noAnswer(patienceMs));
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

  private get needed(): Place {
    let needed = this.reader?.needed ?? { segment: 0, position: 0 };
    for (const { place } of [...this.urgent, ...this.inFlight, ...this.ready]) {
      if (place && comparePlaces(place, needed) < 0) needed = place;
    }
    return needed;
  }
}

function emptyReport() {
  return {
    settled: [] as number[],
    settledUnwritten: [] as number[],
    kept: [] as KeptEvent[],
    lost: [] as number[],
    stored: 0,
    dead: 0,
  };
}
