import type { JournalLoss } from '../../journal/damage.js';
import type { OwnSource } from '../../sealer/collector.js';
import type { NumberOwner, TakenNumbers } from '../../sealer/taken-events.js';
import type { Loop, LoopHost } from '../delivery-loop.js';
import type { LogNews, LogStart, Progress } from '../messages.js';
import type { DatabaseThread, ThreadUser } from './database-thread.js';
import { revive } from './error-fields.js';
import type { ErrorFields } from './error-fields.js';

/** The delivery loop, in the thread. */
export class ThreadedLoop implements Loop, ThreadUser {
  readonly callable;
  private here: Loop | undefined;

  /**
   * @param database why it can't be used, as the main thread sees it
   * @param sources who numbers events in this process: told with the news, for the sealer in the thread
   * @param otherwise makes one for the main thread, where no other can be started
   */
  constructor(
    private readonly thread: DatabaseThread,
    private readonly host: LoopHost,
    private readonly database: { readonly whyNotReady: string | undefined },
    private readonly sources: () => readonly OwnSource[],
    private readonly otherwise: () => Loop,
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

  useless(): void {
    this.here = this.otherwise();
    this.here.start();
  }

  open(log: LogStart): void {
    if (this.here) this.here.open(log);
    else this.thread.tell('openLog', log);
  }

  advance(news: LogNews): void {
    if (this.here) this.here.advance(news);
    else this.thread.tell('advance', { news, sources: this.sources() });
  }

  async ping(patienceMs: number): Promise<void> {
    await (this.here ? this.here.ping(patienceMs) : this.thread.call('ping', patienceMs));
  }

  async ownersOf(source: string, sequences: readonly number[]): Promise<NumberOwner[]> {
    if (this.here) return this.here.ownersOf(source, sequences);
    return (await this.thread.call('ownersOf', { source, sequences })) as NumberOwner[];
  }

  async takenNumbers(): Promise<TakenNumbers[]> {
    return this.here
      ? this.here.takenNumbers()
      : ((await this.thread.call('takenNumbers')) as TakenNumbers[]);
  }

  async reached(): Promise<OwnSource[]> {
    return this.here ? this.here.reached() : ((await this.thread.call('reached')) as OwnSource[]);
  }

  close(): void {
    if (this.here) this.here.close();
    else this.thread.tell('closeLoop');
  }
}
