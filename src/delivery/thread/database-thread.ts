import { existsSync } from 'node:fs';
import { MessageChannel, Worker } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { RateLimitedLog } from '../../event/audit-logger.js';
import type { AuditLogger } from '../../event/audit-logger.js';
import type { AuditLogEvent } from '../../event/audit-log-event.js';
import type { NumberRange } from '../../event/sequence-set.js';
import { unavailable } from '../../store/store-error.js';
import { keepProcess, within } from '../../store/within.js';
import { Calls } from './calls.js';
import { doDatabaseWork } from './database-work.js';
import type { WorkOptions } from './database-work.js';
import type { ErrorFields } from './error-fields.js';
import { threadFile } from './thread-file.js';

/** What the thread asks of, and tells, the main one. */
export interface ThreadHost {
  readonly describeGap: (gap: NumberRange) => AuditLogEvent;
  readonly stored: (event: AuditLogEvent) => void;
  /** Sealing has failed. */
  readonly failed: (error: ErrorFields) => void;
  readonly keepLetter: (event: AuditLogEvent, reason: string) => Promise<void>;
}

/** Who works in the thread. */
export interface ThreadUser {
  /** Of the object in the thread that does the work. */
  readonly name: string;
  /** What that object calls. */
  readonly hears: object;
  /** There is a thread, which knows nothing. */
  started?(): void;
  /** It has ended by itself, and is started again. */
  ended?(error: Error): void;
}

/** What it reads and stores is soon garbage: by default V8 lets more of it lie than the thread needs. */
const YOUNG_MIB = 8;
/** After it ended by itself. */
const RESTART_MS = 1_000;
const CLOSE_PATIENCE_MS = 1_000;

/**
 * A thread that stores and seals, so that the application's requests do not pay for it. One that ends by itself is started again, and
 * whoever waited for an answer tries again. Where none can be started at all, the main thread does the work, at the other end of a
 * channel.
 */
export class DatabaseThread {
  private port: Worker | MessagePort | undefined;
  private calls: Calls | undefined;
  /** Resolves when it has its connections, or can't have them. */
  private connected = Promise.resolve();
  private isClosed = false;
  /** No thread can be started. */
  private isHere = false;
  /** One has answered: the next will do as well. */
  private hasWorked = false;
  /** It is ended on purpose, perhaps before it has worked. */
  private isRenewing = false;
  private readonly users: ThreadUser[] = [];
  private readonly callable: Record<string, object>;
  private restart: NodeJS.Timeout | undefined;
  private readonly warnings: RateLimitedLog;

  constructor(
    private options: WorkOptions,
    host: ThreadHost,
    private readonly logger: AuditLogger,
  ) {
    this.warnings = new RateLimitedLog(logger);
    this.callable = { host, logger };
  }

  /** Whether the module that it runs is there: not beside sources, nor in a bundle. */
  static get isInstalled(): boolean {
    return threadFile !== undefined && existsSync(threadFile);
  }

  /** Whether the options can be given to it: not where they hold functions. */
  static fits(options: unknown): boolean {
    try {
      structuredClone(options);
      return true;
    } catch {
      return false;
    }
  }

  /**
   * Starts it, for a database that is there and migrated.
   *
   * @returns `false` where it was started before
   */
  start(): boolean {
    if (this.port || this.isClosed) return false;
    this.begin();
    return true;
  }

  /** Waits until it can store, at most for so long: what comes before waits for it. */
  async ready(patienceMs: number): Promise<void> {
    await within(patienceMs, this.connected);
  }

  private begin(): void {
    if (this.isHere) return this.follow(workHere(this.options), 'close');
    let worker: Worker;
    try {
      worker = new Worker(threadFile!, {
        workerData: this.options,
        name: 'nest-audit-trail',
        resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
      });
    } catch (error) {
      return this.giveUp(error);
    }
    this.follow(worker, 'exit');
  }

  /** @param ended the event that tells of its end */
  private follow(port: Worker | MessagePort, ended: 'exit' | 'close'): void {
    let failure: unknown;
    const calls = new Calls(port, this.callable);
    // The application keeps the process running, not this.
    port.unref();
    this.port = port;
    this.calls = calls;
    port.on('error', (error) => {
      failure = error;
      if (!this.hasWorked) return;
      this.warnings.error(
        'thread',
        `The thread that stores audit events failed: ${String(error)}. It is started again.`,
      );
    });
    port.on(ended, () => {
      const error = new Error('the thread that stores audit events has ended');
      calls.fail(unavailable(error));
      if (this.port !== port) return;
      this.port = this.calls = undefined;
      if (this.isClosed) return;
      if (!this.hasWorked && !this.isRenewing) return this.giveUp(failure);
      this.isRenewing = false;
      for (const user of this.users) user.ended?.(error);
      this.restart = setTimeout(() => this.start(), RESTART_MS).unref();
    });
    this.connected = calls.call('thread', 'connect').then(
      () => void (this.hasWorked = true),
      // Whoever stores finds out.
      () => undefined,
    );
    for (const user of this.users) user.started?.();
  }

  /** Starts another one in its place, with connections of its own. @param origin see {@link WorkOptions} */
  renew(origin: string | undefined): void {
    if (origin !== undefined) this.options = { ...this.options, origin };
    this.isRenewing = this.port !== undefined;
    void end(this.port);
  }

  /** Whether it seals as well. */
  get seals(): boolean {
    return this.options.ledger !== undefined;
  }

  /** Has the user called when there is a thread, at once where there is one. */
  use(user: ThreadUser): void {
    this.users.push(user);
    this.callable[user.name] = user.hears;
    if (this.calls) user.started?.();
  }

  /** @throws AuditError `AUDIT_STORE_UNAVAILABLE` while it is not there; else what is thrown by it */
  async call<T>(on: string, name: string, ...args: unknown[]): Promise<T> {
    if (this.calls) return keepProcess(this.calls.call<T>(on, name, ...args));
    throw unavailable(new Error('the thread that stores audit events is not there yet'));
  }

  /** As {@link call}, without an answer; nothing where there is no thread. */
  tell(on: string, name: string, ...args: unknown[]): void {
    this.calls?.tell(on, name, ...args);
  }

  private giveUp(error: unknown): void {
    this.logger.warn(
      `The thread that stores audit events can't be started (${String(error)}): the main thread does it.`,
    );
    this.isHere = true;
    this.begin();
  }

  async close(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.restart);
    const { port } = this;
    if (!port) return;
    await within(
      CLOSE_PATIENCE_MS,
      this.call('thread', 'close').catch(() => undefined),
    );
    await end(port);
  }
}

/** Has the work done in this thread. */
function workHere(options: WorkOptions): MessagePort {
  const { port1, port2 } = new MessageChannel();
  doDatabaseWork(port2, options);
  port2.unref();
  return port1;
}

async function end(port: Worker | MessagePort | undefined): Promise<void> {
  if (port && 'terminate' in port) await port.terminate();
  else port?.close();
}
