// Measures whether work grows in proportion to its input. Nothing is compared with a clock: only the CPU time that eight times the input
// takes with what it takes itself, each the best of several turns.

/** Times as much input, and how many times as much work is too much. Work in proportion to the square of it would be 64 times as much. */
const MORE = 8;
const TOO_MUCH = 24;
/** Shorter turns are repeated: what others add would be most of them. */
const LEAST_TURN_MS = 0.05;
const TURNS = 2;
/**
 * How many times as long the input is at each attempt. A busy machine spoils a measurement now and then, and at some size the garbage
 * collector begins to have work; what is out of proportion is so at every size.
 */
const ATTEMPTS = [1, 1, 4, 4, 8];

export interface Growth {
  readonly small: number;
  readonly large: number;
  readonly isLinear: boolean;
}

/** @param prepare makes the input of a size anew, so that nothing is known of it, and returns the work on it */
export async function growthOf(size: number, prepare: (size: number) => () => unknown): Promise<Growth> {
  await prepare(size)();
  let growth: Growth = { small: 0, large: 0, isLinear: false };
  for (const longer of ATTEMPTS) {
    const small = await bestOf(size * longer, prepare);
    const large = await bestOf(size * longer * MORE, prepare, TOO_MUCH * small);
    growth = { small, large, isLinear: large <= TOO_MUCH * small };
    if (growth.isLinear) break;
  }
  return growth;
}

/**
 * The CPU time of the work in milliseconds, the best of several turns.
 *
 * @param enough a turn that took no longer is the last one: another could only be better
 */
export async function bestOf(
  size: number,
  prepare: (size: number) => () => unknown,
  enough = 0,
): Promise<number> {
  let best = Infinity;
  for (let turn = 0; turn < TURNS && best > enough; turn += 1) {
    let times = 0;
    let spent = 0;
    while (spent < LEAST_TURN_MS) {
      const work = prepare(size);
      const before = process.cpuUsage();
      const later = work();
      if (later instanceof Promise) await later;
      const { user, system } = process.cpuUsage(before);
      times += 1;
      spent += (user + system) / 1_000;
    }
    best = Math.min(best, spent / times);
  }
  return best;
}
