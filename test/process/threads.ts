// Watches which threads the process starts. Imported before everything that may start one.
import { createRequire, syncBuiltinESMExports } from 'node:module';
import type * as WorkerThreads from 'node:worker_threads';

const threads = createRequire(import.meta.url)('node:worker_threads') as {
  Worker: typeof WorkerThreads.Worker;
};

export const started: WorkerThreads.Worker[] = [];

threads.Worker = class extends threads.Worker {
  constructor(...args: ConstructorParameters<typeof WorkerThreads.Worker>) {
    super(...args);
    started.push(this);
  }
};
syncBuiltinESMExports();
