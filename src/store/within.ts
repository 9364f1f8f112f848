/** The longest that a timer can be set to. */
const LONG_MS = 2 ** 31 - 1;

/**
 * Waits for the work, but not longer than `patienceMs`; what comes later of it is ignored.
 *
 * @param keepsProcess whether the process goes on meanwhile, since the caller counts on it
 * @returns whether the work was done in time
 * @throws what the work throws in time
 */
export async function within(
  patienceMs: number,
  work: Promise<unknown>,
  keepsProcess = true,
): Promise<boolean> {
  let timer!: NodeJS.Timeout;
  const late = new Promise<boolean>((resolve) => (timer = setTimeout(resolve, patienceMs, false)));
  if (!keepsProcess) timer.unref();
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What the work answers. Until then the process goes on, which neither the thread nor what it is asked keeps. */
export async function keepProcess<T>(work: Promise<T>): Promise<T> {
  const hold = setInterval(() => undefined, LONG_MS);
  try {
    return await work;
  } finally {
    clearInterval(hold);
  }
}

/** What to say of something that is not answered. */
export function noAnswer(patienceMs: number): Error {
  return new Error(`no answer within ${patienceMs / 1_000} s`);
}

/**
 * What the work answers, if it does within `patienceMs`.
 *
 * @throws Error where there is no answer in time; what the work throws in time
 */
export async function answerWithin<T>(patienceMs: number, work: Promise<T>): Promise<T> {
  if (await within(patienceMs, work)) return work;
  throw noAnswer(patienceMs);
}
