// Loaded into every thread of the application under test: the one that stores has a heap of its own, which only it can
// collect. How much of its garbage lies about otherwise is V8's own choice.
import { BroadcastChannel, isMainThread } from 'node:worker_threads';

const CHANNEL = 'collect-garbage';
const PATIENCE_MS = 10_000;

/** Objects of this thread, and buffers beside them, once its garbage is collected. In bytes. */
export function liveMemory(): number {
  globalThis.gc!();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/**
 * The same of the thread that stores.
 *
 * @throws Error when no thread answers: it would be missing in the figure
 */
export function liveMemoryOfThread(): Promise<number> {
  const channel = new BroadcastChannel(CHANNEL);
  return new Promise<number>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error('The thread that stores did not tell its memory')),
      PATIENCE_MS,
    );
    channel.onmessage = ({ data }: { data: unknown }) => {
      if (typeof data !== 'number') return;
      clearTimeout(timer);
      resolve(data);
    };
    channel.postMessage('collect');
  }).finally(() => channel.close());
}

if (!isMainThread) {
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = ({ data }: { data: unknown }) => {
    if (data === 'collect') channel.postMessage(liveMemory());
  };
  channel.unref();
}
