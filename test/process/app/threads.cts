// Watches which threads the process starts. Imported before everything that may start one.
import { syncBuiltinESMExports } from 'node:module';
import type * as WorkerThreads from 'node:worker_threads';

const threads = require('node:worker_threads') as { Worker: typeof WorkerThreads.Worker };

export const started: WorkerThreads.Worker[] = [];

/** As where the package is there in part only: no thread starts. */
const areBroken = process.argv[3] === 'broken-threads';

threads.Worker = class extends threads.Worker {
  constructor(...args: ConstructorParameters<typeof WorkerThreads.Worker>) {
    super(...((areBroken ? ['/nowhere.js'] : args) as typeof args));
    started.push(this);
  }
};
syncBuiltinESMExports();
