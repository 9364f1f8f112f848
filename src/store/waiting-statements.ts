import { noAnswer, within } from './within.js';

/** Left without an answer at a time, where breaking the connection does not end them, as in the queue of a full pool. */
const MAX_LEFT = 3;

/** So many times the patience is spent on a statement while the server answers others. */
const MAX_PATIENCE = 10;

/**
 * Statements that a database may never answer. Where its machine is gone, or says nothing at all, the connection is
 * broken, since nothing else ends the statement. Where it answers others, something holds this one up, such as the lock
 * of a migration: another attempt would only wait beside it, so this one is waited for. And while some can't be ended, no
 * more are sent: they would take every connection of a pool that the application may share.
 */
export class WaitingStatements {
  private readonly left = new Set<Promise<unknown>>();

  /**
   * @param patienceMs how long to wait for the answer at first; what comes later than it is waited for is ignored
   * @param statement gets a signal that ends it, see `runStatement`
   * @param isThere asked each time that the patience is over: whether the server answers others
   * @throws Error when there is no answer, or too many are waited for in vain; else what the statement throws
   */
  async send<T>(
    patienceMs: number,
    statement: (signal: AbortSignal) => Promise<T>,
    isThere: () => Promise<boolean> = () => Promise.resolve(false),
  ): Promise<T> {
    if (this.left.size >= MAX_LEFT) {
      throw new Error(`no answer to ${this.left.size} statements that were sent before`);
    }
    const end = new AbortController();
    const answer = statement(end.signal);
    for (let times = 1; ; times += 1) {
      if (await within(patienceMs, answer)) return await answer;
      if (times >= MAX_PATIENCE || !(await isThere())) break;
    }
    this.left.add(answer);
    answer.catch(() => undefined).finally(() => this.left.delete(answer));
    end.abort();
    throw noAnswer(patienceMs);
  }
}
