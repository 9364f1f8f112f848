// Waits for a state instead of for a time.
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Asks again until the answer is there.
 *
 * @throws Error naming what did not come within the time, with the last failure as its cause
 */
export async function eventually<T>(
  what: string,
  withinMs: number,
  attempt: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  let cause: unknown;
  for (;;) {
    try {
      const answer = await attempt();
      if (answer !== undefined && answer !== false) return answer;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (Date.now() > deadline) {
      const reason = cause instanceof Error ? `: ${cause.message}` : '';
      throw new Error(`${what} did not come within ${withinMs} ms${reason}`, { cause });
    }
    await delay(50);
  }
}
