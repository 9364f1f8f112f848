import type { Checkpoint } from '../../ledger/checkpoint.js';
import type { SignedCheckpoint } from '../../sealer/ledger-options.js';
import { LogSealer } from '../../sealer/log-sealer.js';
import { within } from '../../store/within.js';
import type { DatabaseThread, ThreadUser } from './database-thread.js';

/** How much longer than the sealer itself a thread may take, which may have to connect first. */
const THREAD_PATIENCE_MS = 2_000;

/** The sealer, in the thread, which begins with the first news that it gets. */
export class ThreadedSealer extends LogSealer implements ThreadUser {
  readonly name = 'sealer';
  readonly hears = {
    seen: (checkpoint: Checkpoint) => {
      this.lastSeen = { ...checkpoint, rootHash: Buffer.from(checkpoint.rootHash) };
    },
  };
  lastSeen: Checkpoint | undefined;

  constructor(private readonly thread: DatabaseThread) {
    super();
  }

  start(): void {
    this.thread.use(this);
  }

  /** The next thread is told of the origin when it starts. */
  beginAgain(): void {
    this.lastSeen = undefined;
  }

  checkpoint(): Promise<SignedCheckpoint> {
    return this.thread.call('sealer', 'checkpoint');
  }

  async close(patienceMs: number): Promise<void> {
    const closed = this.thread.call('sealer', 'close', patienceMs).catch(() => undefined);
    await within(patienceMs + THREAD_PATIENCE_MS, closed);
  }
}
