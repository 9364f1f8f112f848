import { firstIndex } from './sequence-set.js';

/** The newest times of something, at most `limit` of them, in order: it answers how often it was within a while. */
export class RecentTimes {
  private readonly times: number[] = [];

  constructor(
    private readonly limit: number,
    private readonly windowMs: number,
  ) {}

  get first(): number | undefined {
    return this.times[0];
  }

  get last(): number | undefined {
    return this.times.at(-1);
  }

  /** How many there are within the window that ends at `at`; never more than `limit`. */
  within(at: number): number {
    return this.times.length - firstIndex(this.times, (time) => at - time < this.windowMs);
  }

  /**
   * Adds a time. Times may come late: an event is recorded when it ends, and has the time when it began.
   *
   * @returns how many there are within the window that ends at the newest
   */
  add(at: number): number {
    const { times } = this;
    const place = firstIndex(times, (time) => time > at);
    times.splice(place, 0, at);
    const newest = times.at(-1)!;
    while (times.length > this.limit || newest - times[0]! >= this.windowMs) times.shift();
    return times.length;
  }
}
