import type { Checkpoint } from '../../ledger/checkpoint.js';
import type { SignedCheckpoint } from '../../sealer/ledger-options.js';
import { LogSealer } from '../../sealer/log-sealer.js';
import type { DatabaseThread, ThreadUser } from './database-thread.js';

/** The sealer, in the thread, which begins with the first news that it gets. */
export class ThreadedSealer extends LogSealer implements ThreadUser {
  readonly name = 'sealer';
  readonly hears = {
    seen: (checkpoint: Checkpoint) => {
      this.seen = { ...checkpoint, rootHash: Buffer.from(checkpoint.rootHash) };
    },
  };
  private seen: Checkpoint | undefined;
  private here: LogSealer | undefined;

  /** @param inMainThread makes one for the main thread */
  constructor(
    private readonly thread: DatabaseThread,
    private readonly inMainThread: () => LogSealer,
  ) {
    super();
  }

  get lastSeen(): Checkpoint | undefined {
    return this.here ? this.here.lastSeen : this.seen;
  }

  start(): void {
    this.thread.use(this);
  }

  otherwise(): LogSealer {
    this.here = this.inMainThread();
    this.here.start();
    return this.here;
  }

  beginAgain(origin: string | undefined): void {
    this.seen = undefined;
    // The next thread is told.
    this.here?.beginAgain(origin);
  }

  checkpoint(): Promise<SignedCheckpoint> {
    return this.thread.call('sealer', 'checkpoint') as Promise<SignedCheckpoint>;
  }

  async close(patienceMs: number): Promise<void> {
    await this.thread.call('sealer', 'close', patienceMs).catch(() => undefined);
  }
}
