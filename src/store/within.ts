/**
 * Waits for the work, but not longer than `patienceMs`; what comes later of it is ignored. Keeps the process running
 * meanwhile: the caller counts on it.
 *
 * @returns whether the work was done in time
 * @throws what the work throws in time
 */
export function within(patienceMs: number, work: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => resolve(false), patienceMs);
    work.then(
      () => {
        clearTimeout(late);
        resolve(true);
      },
      (error: Error) => {
        clearTimeout(late);
        reject(error);
      },
    );
  });
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

/** What to say of something that is not answered. */
export function noAnswer(patienceMs: number): Error {
  return new Error(`no answer within ${patienceMs / 1_000} s`);
}
