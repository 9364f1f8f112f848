import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { RateLimitedLog } from '../../event/audit-logger.js';
import type { AuditLogger } from '../../event/audit-logger.js';
import type { AuditLogEvent } from '../../event/audit-log-event.js';
import type { Checkpoint } from '../../ledger/checkpoint.js';
import { EventSink } from '../event-sink.js';
import type { NumberOwner } from '../../sealer/taken-events.js';
import type { OwnSource, RecordedGap } from '../../sealer/collector.js';
import type { LedgerOptions, SignedCheckpoint } from '../../sealer/ledger-options.js';
import { LogSealer } from '../../sealer/log-sealer.js';
import type { AuditDatabaseOptions } from '../../store/audit-database.js';
import { within } from '../../store/within.js';
import { Calls } from './calls.js';
import type { Callable } from './calls.js';
import { threadFile } from './thread-file.js';

/** What the thread is given when it starts: all of it can be copied. */
export interface ThreadOptions {
  readonly database: AuditDatabaseOptions;
  /** Absent where the main thread seals. */
  readonly ledger?: LedgerOptions;
  readonly statementTimeoutMs: number;
}

/** What the thread asks of, and tells, the main one. */
export interface ThreadHost {
  readonly ownSources: () => readonly OwnSource[];
  readonly ownersOf: (source: string, sequences: readonly number[]) => NumberOwner[];
  readonly describeGap: (gap: RecordedGap) => AuditLogEvent;
  readonly stored: (event: AuditLogEvent) => void;
  /** Why the database can't be used at all, as the main thread sees it. */
  readonly whyNotReady: () => string | undefined;
  /** No thread can be started. */
  readonly onUseless?: () => void;
}

/** After it ended by itself. */
const RESTART_MS = 1_000;
const CLOSE_PATIENCE_MS = 1_000;

/**
 * Another thread of the process, which stores what is delivered and seals it: what both cost is not taken from the application's
 * requests. One that ends by itself is started again; what it had not answered is tried again by whoever asked. Where none can be
 * started at all, the main thread does it.
 */
export class DatabaseThread {
  private worker: Worker | undefined;
  private calls: Calls | undefined;
  private isSealing = false;
  private isClosed = false;
  /** One has answered: the next will do as well. */
  private hasWorked = false;
  private useless = false;
  private seen: Checkpoint | undefined;
  private restart: NodeJS.Timeout | undefined;
  private readonly warnings: RateLimitedLog;

  constructor(
    private readonly options: ThreadOptions,
    private readonly host: ThreadHost,
    private readonly logger: AuditLogger,
  ) {
    this.warnings = new RateLimitedLog(logger);
  }

  /** Whether there can be such a thread: not from sources or from a bundle, and not where the options hold functions. */
  static fits(options: unknown): boolean {
    return threadFile !== undefined && existsSync(threadFile) && canBeCopied(options);
  }

  /** None can be started: the main thread has to do it. */
  get isUseless(): boolean {
    return this.useless;
  }

  /** Starts it, for a database that is there and migrated. */
  start(): void {
    if (this.worker || this.isClosed || this.useless) return;
    let worker: Worker;
    try {
      worker = new Worker(threadFile!, { workerData: this.options, name: 'nest-audit-trail' });
    } catch (error) {
      return this.giveUp(error);
    }
    let failure: unknown;
    // The application keeps the process running, not this.
    worker.unref();
    const calls = new Calls(worker, this.callable());
    this.worker = worker;
    this.calls = calls;
    worker.on('error', (error) => {
      failure = error;
      if (!this.hasWorked) return;
      this.warnings.error(
        'thread',
        `The thread that stores audit events failed: ${String(error)}. It is started again.`,
      );
    });
    worker.on('exit', () => {
      calls.fail(new Error('the thread that stores audit events has ended'));
      if (this.worker !== worker) return;
      this.worker = this.calls = undefined;
      if (this.isClosed) return;
      if (!this.hasWorked) return this.giveUp(failure);
      this.restart = setTimeout(() => this.start(), RESTART_MS).unref();
    });
    calls.call('connect').then(
      () => (this.hasWorked = true),
      // Whoever stores finds out.
      () => undefined,
    );
    if (this.isSealing) calls.tell('startSealing', this.sources);
  }

  /** @throws Error while it is not there; else what is thrown by it */
  call(name: string, argument?: unknown, signal?: AbortSignal): Promise<unknown> {
    if (!this.calls) {
      return Promise.reject(new Error('the thread that stores audit events is not there yet'));
    }
    return this.calls.call(name, argument, signal);
  }

  /** Whether it seals as well. */
  get seals(): boolean {
    return this.options.ledger !== undefined;
  }

  get sources(): readonly OwnSource[] {
    return this.host.ownSources();
  }

  get whyNotReady(): string | undefined {
    return this.host.whyNotReady();
  }

  get lastSeen(): Checkpoint | undefined {
    return this.seen;
  }

  startSealing(): void {
    this.isSealing = true;
    this.calls?.tell('startSealing', this.sources);
  }

  private giveUp(error: unknown): void {
    this.useless = true;
    this.logger.warn(
      `The thread that stores audit events can't be started (${String(error)}): the main thread does it.`,
    );
    this.host.onUseless?.();
  }

  async close(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.restart);
    const { worker } = this;
    if (!worker) return;
    await within(
      CLOSE_PATIENCE_MS,
      this.call('close').catch(() => undefined),
    );
    await worker.terminate();
  }

  private callable(): Callable {
    const { host, logger } = this;
    return {
      ownersOf: ({ source, sequences }: OwnersCall) => host.ownersOf(source, sequences),
      describeGap: (gap: RecordedGap) => host.describeGap(gap),
      stored: (event: AuditLogEvent) => host.stored(event),
      seen: (checkpoint: Checkpoint) => {
        this.seen = { ...checkpoint, rootHash: Buffer.from(checkpoint.rootHash) };
      },
      log: (message: string) => logger.log(message),
      warn: (message: string) => logger.warn(message),
      error: (message: string) => logger.error(message),
    };
  }
}

/** Which events have these numbers of a source. */
interface OwnersCall {
  readonly source: string;
  readonly sequences: readonly number[];
}

/** Delivery into the thread. */
export class ThreadedSink extends EventSink {
  /** @param otherwise where no thread can be started */
  constructor(
    private readonly thread: DatabaseThread,
    private readonly otherwise: EventSink,
  ) {
    super();
  }

  get whyNotReady(): string | undefined {
    return this.thread.whyNotReady;
  }

  async store(events: readonly AuditLogEvent[], signal: AbortSignal): Promise<void> {
    if (this.thread.isUseless) return this.otherwise.store(events, signal);
    await this.thread.call('store', { texts: JSON.stringify(events), sources: this.thread.sources }, signal);
  }

  async ping(signal: AbortSignal): Promise<void> {
    if (this.thread.isUseless) return this.otherwise.ping(signal);
    await this.thread.call('ping', undefined, signal);
  }
}

/** Sealing in the thread. */
export class ThreadedSealer extends LogSealer {
  private other: LogSealer | undefined;
  private isStarted = false;

  /** @param otherwise makes one for the main thread, where no other can be started */
  constructor(
    private readonly thread: DatabaseThread,
    private readonly otherwise: () => LogSealer,
  ) {
    super();
  }

  get lastSeen(): Checkpoint | undefined {
    return this.other ? this.other.lastSeen : this.thread.lastSeen;
  }

  start(): void {
    this.isStarted = true;
    if (this.thread.isUseless) this.takeOver();
    else this.thread.startSealing();
  }

  /** From now on in the main thread. */
  takeOver(): void {
    if (this.other) return;
    this.other = this.otherwise();
    if (this.isStarted) this.other.start();
  }

  checkpoint(): Promise<SignedCheckpoint> {
    if (this.other) return this.other.checkpoint();
    return this.thread.call('checkpoint', this.thread.sources) as Promise<SignedCheckpoint>;
  }

  async close(patienceMs: number): Promise<void> {
    if (this.other) return this.other.close(patienceMs);
    const { sources } = this.thread;
    await this.thread.call('stopSealing', { patienceMs, sources }).catch(() => undefined);
  }
}

function canBeCopied(value: unknown): boolean {
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}
