import { setTimeout as delay } from 'node:timers/promises';

/**
 * Waits for the work, but not longer than `patienceMs`; what comes later of it is ignored. Keeps the process running
 * meanwhile: the caller counts on it.
 *
 * @returns whether the work was done in time
 * @throws what the work throws in time
 */
export async function within(patienceMs: number, work: Promise<unknown>): Promise<boolean> {
  const patience = new AbortController();
  const late = delay(patienceMs, false, { signal: patience.signal }).catch(() => false);
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    patience.abort();
  }
}
