import type { Checkpoint } from '../../ledger/checkpoint.js';
import type { OwnSource } from '../../sealer/collector.js';
import type { SignedCheckpoint } from '../../sealer/ledger-options.js';
import { LogSealer } from '../../sealer/log-sealer.js';
import type { DatabaseThread, ThreadUser } from './database-thread.js';

/** The sealer, in the thread. */
export class ThreadedSealer extends LogSealer implements ThreadUser {
  readonly callable = {
    seen: (checkpoint: Checkpoint) => {
      this.seen = { ...checkpoint, rootHash: Buffer.from(checkpoint.rootHash) };
    },
  };
  private seen: Checkpoint | undefined;
  private here: LogSealer | undefined;

  /**
   * @param sources who numbers events in this process
   * @param otherwise makes one for the main thread, where no other can be started
   */
  constructor(
    private readonly thread: DatabaseThread,
    private readonly sources: () => readonly OwnSource[],
    private readonly otherwise: () => LogSealer,
  ) {
    super();
  }

  get lastSeen(): Checkpoint | undefined {
    return this.here ? this.here.lastSeen : this.seen;
  }

  start(): void {
    this.thread.use(this);
  }

  started(): void {
    this.thread.tell('startSealing', this.sources());
  }

  ended(): void {
    // The next thread starts again where the log ends.
  }

  useless(): void {
    this.here = this.otherwise();
    this.here.start();
  }

  beginAgain(origin: string | undefined): void {
    this.seen = undefined;
    // The next thread is told.
    this.here?.beginAgain(origin);
  }

  checkpoint(): Promise<SignedCheckpoint> {
    if (this.here) return this.here.checkpoint();
    return this.thread.call('checkpoint', this.sources()) as Promise<SignedCheckpoint>;
  }

  async close(patienceMs: number): Promise<void> {
    if (this.here) return this.here.close(patienceMs);
    await this.thread.call('stopSealing', { patienceMs, sources: this.sources() }).catch(() => undefined);
  }
}
