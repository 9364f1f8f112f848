import type { SourceNumber } from '../../event/sequence-set.js';
import type { NumberOwner, StoredNumbers } from '../../sealer/issued-numbers.js';
import type { Loop, LoopHost } from '../delivery-loop.js';
import type { LogNews, LogStart, Progress } from '../messages.js';
import type { DatabaseThread, ThreadUser } from './database-thread.js';
import { revive } from './error-fields.js';
import type { ErrorFields } from './error-fields.js';

export class ThreadedLoop implements Loop, ThreadUser {
  readonly name = 'loop';
  readonly hears: object;
  /** Why there is no thread, where one has ended and the next has not begun. */
  private ending: string | undefined;

  /** @param database why it can't be used, as the main thread sees it */
  constructor(
    private readonly thread: DatabaseThread,
    private readonly host: LoopHost,
    private readonly database: { readonly whyNotReady: string | undefined },
  ) {
    this.hears = {
      progress: (progress: Progress) => host.progress(progress),
      away: (error: ErrorFields) => host.away(revive(error)),
    };
  }

  get whyNotReady(): string | undefined {
    return this.database.whyNotReady ?? this.ending;
  }

  start(): void {
    this.thread.use(this);
  }

  started(): void {
    this.ending = undefined;
    this.host.ready();
  }

  ended(error: Error): void {
    this.ending = error.message;
    this.host.ended(error);
  }

  open(start: LogStart): void {
    this.thread.tell('loop', 'open', start);
  }

  advance(news: LogNews): void {
    this.thread.tell('loop', 'advance', news);
  }

  async ping(patienceMs: number): Promise<void> {
    await this.thread.call('loop', 'ping', patienceMs);
  }

  ownersOf(source: string, sequences: readonly number[]): Promise<NumberOwner[]> {
    return this.thread.call('loop', 'ownersOf', source, sequences) as Promise<NumberOwner[]>;
  }

  storedNumbers(): Promise<StoredNumbers[]> {
    return this.thread.call('loop', 'storedNumbers') as Promise<StoredNumbers[]>;
  }

  reached(): Promise<SourceNumber[]> {
    return this.thread.call('loop', 'reached') as Promise<SourceNumber[]>;
  }

  close(): void {
    this.thread.tell('loop', 'close');
  }
}
