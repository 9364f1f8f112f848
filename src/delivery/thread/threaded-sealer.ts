import type { Checkpoint } from '../../ledger/checkpoint.js';
import type { SignedCheckpoint } from '../../sealer/ledger-options.js';
import { LogSealer } from '../../sealer/log-sealer.js';
import type { Callable } from './calls.js';
import type { DatabaseThread, ThreadUser } from './database-thread.js';

/** The sealer, in the thread, which begins with the first news that it gets. */
export class ThreadedSealer extends LogSealer implements ThreadUser {
  readonly callable: Callable = {
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

  otherwise(): Callable {
    const here = this.inMainThread();
    this.here = here;
    here.start();
    return sealerCalls(here);
  }

  beginAgain(origin: string | undefined): void {
    this.seen = undefined;
    // The next thread is told.
    this.here?.beginAgain(origin);
  }

  checkpoint(): Promise<SignedCheckpoint> {
    return this.thread.call('checkpoint') as Promise<SignedCheckpoint>;
  }

  async close(patienceMs: number): Promise<void> {
    await this.thread.call('closeSealer', patienceMs).catch(() => undefined);
  }
}

/**
 * What a {@link ThreadedSealer} calls, of the sealer that does the work.
 *
 * @param connect is waited for first: the application has started, but the thread may still be connecting
 */
export function sealerCalls(sealer: LogSealer, connect?: () => Promise<void>): Callable {
  return {
    async checkpoint() {
      await connect?.();
      return sealer.checkpoint();
    },
    async closeSealer(patienceMs: number) {
      await connect?.();
      await sealer.close(patienceMs);
    },
  };
}
