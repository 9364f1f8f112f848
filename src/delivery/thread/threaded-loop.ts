import type { JournalLoss } from '../../journal/damage.js';
import type { OwnSource } from '../../sealer/collector.js';
import type { NumberOwner, TakenNumbers } from '../../sealer/taken-events.js';
import type { Loop, LoopHost } from '../delivery-loop.js';
import type { LogNews, LogStart, Progress } from '../messages.js';
import type { Callable } from './calls.js';
import type { DatabaseThread, ThreadUser } from './database-thread.js';
import { revive } from './error-fields.js';
import type { ErrorFields } from './error-fields.js';

/** The delivery loop, in the thread. */
export class ThreadedLoop implements Loop, ThreadUser {
  readonly callable: Callable;

  /**
   * @param database why it can't be used, as the main thread sees it
   * @param inMainThread makes one for the main thread
   */
  constructor(
    private readonly thread: DatabaseThread,
    private readonly host: LoopHost,
    private readonly database: { readonly whyNotReady: string | undefined },
    private readonly inMainThread: () => Loop,
  ) {
    this.callable = {
      progress: (progress: Progress) => host.progress(progress),
      away: (error: ErrorFields) => host.away(revive(error)),
      lost: (loss: JournalLoss) => host.lost(loss),
    };
  }

  get whyNotReady(): string | undefined {
    return this.database.whyNotReady;
  }

  start(): void {
    this.thread.use(this);
  }

  started(): void {
    this.host.ready();
  }

  ended(error: Error): void {
    this.host.away(error);
  }

  otherwise(): Callable {
    return loopCalls(this.inMainThread());
  }

  open(log: LogStart): void {
    this.thread.tell('open', log);
  }

  advance(news: LogNews): void {
    this.thread.tell('advance', news);
  }

  async ping(patienceMs: number): Promise<void> {
    await this.thread.call('ping', patienceMs);
  }

  ownersOf(source: string, sequences: readonly number[]): Promise<NumberOwner[]> {
    return this.thread.call('ownersOf', source, sequences) as Promise<NumberOwner[]>;
  }

  takenNumbers(): Promise<TakenNumbers[]> {
    return this.thread.call('takenNumbers') as Promise<TakenNumbers[]>;
  }

  reached(): Promise<OwnSource[]> {
    return this.thread.call('reached') as Promise<OwnSource[]>;
  }

  close(): void {
    this.thread.tell('closeLoop');
  }
}

/** What a {@link ThreadedLoop} calls, of the loop that does the work. */
export function loopCalls(loop: Loop): Callable {
  return {
    open: (log: LogStart) => loop.open(log),
    advance: (news: LogNews) => loop.advance(news),
    ping: (patienceMs: number) => loop.ping(patienceMs),
    ownersOf: (source: string, sequences: readonly number[]) => loop.ownersOf(source, sequences),
    takenNumbers: () => loop.takenNumbers(),
    reached: () => loop.reached(),
    closeLoop: () => loop.close(),
  };
}
