// Measures what several works cost an event, each against an empty loop over the same events, in interleaved rounds.
import { events, EVENTS } from './mixed-events.mjs';

/**
 * @param {ReadonlyMap<string, (event: object) => number>} works by name; what they answer is used, so that nobody finds out
 *   that it need not be computed
 * @returns {Map<string, number[]>} microseconds of processor time per event, in each round
 */
export function timePerEvent(works, rounds) {
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
