import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Worker } from 'node:worker_threads';

/**
 * Watches the threads that the process starts, until it is asked whether they were as many as expected, and none failed.
 * By the channel, since Jest gives tests a copy of `process`.
 */
export function watchThreads(): { assertStarted(count: number): void } {
  const failures: unknown[] = [];
  let started = 0;
  const note = (message: unknown) => {
    started += 1;
    (message as { worker: Worker }).worker.on('error', (error) => failures.push(error));
  };
  subscribe('worker_threads', note);
  return {
    assertStarted(count) {
      unsubscribe('worker_threads', note);
      assert.deepEqual({ started, failures }, { started: count, failures: [] });
    },
  };
}
