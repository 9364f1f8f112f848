// Measures what several works cost an event, each against an empty loop over the same events, in interleaved rounds.
import { availableParallelism, cpus, release } from 'node:os';
import { events, EVENTS } from './mixed-events.mjs';

/** Many and short: what else the machine does then spoils few of them. */
const ROUNDS = 101;

const quantile = (values, share) =>
  [...values].sort((a, b) => a - b)[Math.round(share * (values.length - 1))];

/**
 * @param {ReadonlyMap<string, (event: object) => number>} works by name; what they answer is used, so that nobody finds out
 *   that it need not be computed
 * @returns {Map<string, number[]>} microseconds of processor time per event, in each round
 */
export function timePerEvent(works, rounds = ROUNDS) {
  let used = 0;
  // The time of the processor, not of the clock: what else the machine does is not the work's cost.
  const time = (work) => {
    const start = process.cpuUsage();
    for (const event of events) used += work(event);
    const { user, system } = process.cpuUsage(start);
    return (user + system) / EVENTS;
  };
  const times = new Map([...works.keys()].map((name) => [name, []]));
  // The first rounds warm up.
  for (let round = -5; round < rounds; round += 1) {
    for (const [name, work] of works) {
      const took = time(work);
      const empty = time((event) => event.complianceFlags.length);
      if (round >= 0) times.get(name).push(took - empty);
    }
  }
  // Of what never finds anything, only the beginnings would have been measured.
  if (used === 0) throw new Error('Nothing was found in any event.');
  return times;
}

/**
 * Prints a table of medians and quartiles of microseconds of processor time per event.
 *
 * @param {ReadonlyMap<string, (event: object) => number>} works as for {@link timePerEvent}
 * @returns {Map<string, number>} the medians
 */
export function measurePerEvent(works) {
  const times = timePerEvent(works);
  console.log(
    `Node ${process.version}; ${process.platform} ${release()}, ${availableParallelism()} cores (${cpus()[0]?.model ?? 'unknown'}).\n` +
      `${EVENTS} mixed events, medians of ${ROUNDS} interleaved rounds, with the quartiles.\n`,
  );
  console.log('| per event | µs | quartiles |\n| --- | --- | --- |');
  for (const [name, rounds] of times) {
    const [low, middle, high] = [0.25, 0.5, 0.75].map((share) => quantile(rounds, share).toFixed(2));
    console.log(`| ${name} | ${middle} | ${low}–${high} |`);
  }
  return new Map([...times].map(([name, rounds]) => [name, quantile(rounds, 0.5)]));
}
