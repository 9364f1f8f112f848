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
