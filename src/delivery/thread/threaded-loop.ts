import type { Loop, LoopHost } from '../delivery-loop.js';
import type { Progress } from '../messages.js';
import type { DatabaseThread } from './database-thread.js';
import { revive } from './error-fields.js';
import type { ErrorFields } from './error-fields.js';

/**
 * The loop in the thread, as the main thread sees it.
 *
 * @param database why it can't be used, as the main thread sees it
 */
export function threadedLoop(
  thread: DatabaseThread,
  host: LoopHost,
  database: { readonly whyNotReady: string | undefined },
): Loop {
  /** Why there is no thread, where one has ended and the next has not begun. */
  let ending: string | undefined;
  const user = {
    name: 'loop',
    hears: {
      progress: (progress: Progress) => host.progress(progress),
      away: (error: ErrorFields) => host.away(revive(error)),
    },
    started() {
      ending = undefined;
      host.ready();
    },
    ended(error: Error) {
      ending = error.message;
      host.ended(error);
    },
  };
  const tell = (name: string) => (news?: unknown) => thread.tell('loop', name, news);
  const ask =
    (name: string) =>
    (...args: unknown[]) =>
      thread.call<never>('loop', name, ...args);
  return {
    get whyNotReady() {
      return database.whyNotReady ?? ending;
    },
    start: () => thread.use(user),
    open: tell('open'),
    advance: tell('advance'),
    ping: ask('ping'),
    ownersOf: ask('ownersOf'),
    storedNumbers: ask('storedNumbers'),
    reached: ask('reached'),
    close: tell('close'),
  };
}
