import { parentPort, workerData } from 'node:worker_threads';
import { doDatabaseWork } from './database-work.js';
import type { WorkOptions } from './database-work.js';

doDatabaseWork(parentPort!, workerData as WorkOptions);
