/** A number of a source, such as the last one that it gave away. */
export interface SourceNumber {
  readonly source: string;
  readonly sequence: number;
}

/** Both ends included; each range comes after the one before it. */
export type NumberRanges = readonly (readonly [from: number, to: number])[];

/** Numbers of a source, both ends included. */
export interface NumberRange {
  readonly source: string;
  readonly from: number;
  readonly to: number;
}

/**
 * A set of whole numbers, kept as ranges in ascending order: sequences come nearly in order, so a million of them take
 * the room of a few.
 */
export class SequenceSet {
  private readonly list: [from: number, to: number][];

  constructor(ranges: NumberRanges = []) {
    this.list = ranges.map(([from, to]) => [from, to]);
  }

  add(from: number, to = from): void {
    const start = this.indexOf(from - 1);
    let end = start;
    let [first, last] = [from, to];
    while (end < this.list.length && this.list[end]![0] <= to + 1) {
      first = Math.min(first, this.list[end]![0]);
      last = Math.max(last, this.list[end]![1]);
      end += 1;
    }
    this.list.splice(start, end - start, [first, last]);
  }

  /** @returns whether it was there */
  delete(number: number): boolean {
    const index = this.indexOf(number);
    const [from, to] = this.list[index] ?? [Infinity, Infinity];
    if (from > number) return false;
    this.list.splice(index, 1);
    if (from < number) this.list.splice(index, 0, [from, number - 1]);
    if (number < to) this.add(number + 1, to);
    return true;
  }

  has(number: number): boolean {
    const range = this.list[this.indexOf(number)];
    return range !== undefined && range[0] <= number;
  }

  get ranges(): NumberRanges {
    return this.list;
  }

  /** What is not in the set of the numbers from `from` to `to`, both included. */
  missing(from: number, to: number): NumberRanges {
    const missing: [from: number, to: number][] = [];
    let next = from;
    for (let index = this.indexOf(from); next <= to; index += 1) {
      const [first, last] = this.list[index] ?? [Infinity, Infinity];
      if (first > next) missing.push([next, Math.min(first - 1, to)]);
      next = last + 1;
    }
    return missing;
  }

  /** The index of the first range that ends at or after `number`. */
  private indexOf(number: number): number {
    return firstIndex(this.list, ([, to]) => to >= number);
  }
}

/** The index of the first item from which on all are so, by binary search; the length where none is. */
export function firstIndex<T>(list: readonly T[], isSo: (item: T) => boolean): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isSo(list[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Numbers one by one, as ranges. @param numbers in any order */
export function rangesOf(numbers: readonly number[]): NumberRanges {
  const set = new SequenceSet();
  for (const number of [...numbers].sort((a, b) => a - b)) set.add(number);
  return set.ranges;
}
