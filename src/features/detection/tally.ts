/** What one key did within the sliding window that ends with its newest event. `RecentTimes` counts events. */
export interface Tally {
  /** Adds an event of `at`. @returns `false` where it counts as nothing new */
  add(at: number, weight: number, thing: string, id: string): unknown;
  /** How much there is within the window that ends at `at`. */
  within(at: number): number;
  /** The earliest time that still counts; `undefined` where nothing does. */
  readonly first: number | undefined;
  readonly last: number | undefined;
}

/** Counts different things, the `limit` that were seen last. */
export class ThingTally implements Tally {
  /** When each was last seen, in that order, and by which event. */
  private readonly seen = new Map<string, { readonly at: number; readonly id: string }>();
  private newest = -Infinity;

  constructor(
    private readonly limit: number,
    private readonly windowMs: number,
  ) {}

  /** Those within the window, the one that was seen last at the end. */
  get things(): string[] {
    return [...this.seen.keys()];
  }

  /** The events by which each was last seen, in that order. */
  get ids(): string[] {
    return Array.from(this.seen.values(), ({ id }) => id);
  }

  get first(): number | undefined {
    return this.seen.values().next().value?.at;
  }

  get last(): number | undefined {
    return this.seen.size > 0 ? this.newest : undefined;
  }

  add(at: number, _weight: number, thing: string, id: string): boolean {
    this.newest = Math.max(this.newest, at);
    const before = this.seen.get(thing);
    this.seen.delete(thing);
    this.seen.set(thing, before && before.at > at ? before : { at, id });
    for (const [old, { at: seenAt }] of this.seen) {
      if (this.seen.size <= this.limit && this.newest - seenAt < this.windowMs) break;
      this.seen.delete(old);
    }
    return before === undefined || at - before.at >= this.windowMs;
  }

  within(at: number): number {
    let total = this.seen.size;
    for (const { at: seenAt } of this.seen.values()) {
      if (at - seenAt < this.windowMs) break;
      total -= 1;
    }
    return total;
  }
}

/** Portions of a sum that are kept apart; of more, the two oldest are put together. */
const MAX_PORTIONS = 256;

/** Adds up weights. */
export class SumTally implements Tally {
  private readonly portions: { readonly at: number; weight: number }[] = [];
  private sum = 0;

  constructor(private readonly windowMs: number) {}

  get first(): number | undefined {
    return this.portions[0]?.at;
  }

  get last(): number | undefined {
    return this.portions.at(-1)?.at;
  }

  add(at: number, weight: number): void {
    const { portions } = this;
    let index = portions.length;
    while (index > 0 && portions[index - 1]!.at > at) index -= 1;
    portions.splice(index, 0, { at, weight });
    this.sum += weight;
    while (this.last! - this.first! >= this.windowMs) this.sum -= portions.shift()!.weight;
    // As of the later of the two: nobody hides a sum in many small portions.
    if (portions.length > MAX_PORTIONS) {
      const { weight: oldest } = portions.shift()!;
      portions[0]!.weight += oldest;
    }
  }

  within(at: number): number {
    let sum = this.sum;
    for (const { at: seenAt, weight } of this.portions) {
      if (at - seenAt < this.windowMs) break;
      sum -= weight;
    }
    return sum;
  }
}
