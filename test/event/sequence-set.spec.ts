// Sets of numbers as ranges, against plain ones.
import { SequenceSet } from '../../src/event/sequence-set.js';

describe('a set of numbers', () => {
  it('has what was added and not deleted, in whatever order', () => {
    const [ranges, plain] = [new SequenceSet(), new Set<number>()];
    for (let step = 0; step < 2_000; step += 1) {
      const number = 1 + ((step * 7_919 + (step >> 3)) % 40);
      if (step % 5 < 3) {
        ranges.add(number);
        plain.add(number);
      } else expect(ranges.delete(number)).toBe(plain.delete(number));
      const found = ranges.ranges.flatMap(([from, to]) =>
        Array.from({ length: to - from + 1 }, (_, index) => from + index),
      );
      expect(found).toEqual([...plain].sort((a, b) => a - b));
      for (const [index, [from]] of ranges.ranges.slice(1).entries())
        expect(from).toBeGreaterThan(ranges.ranges[index]![1] + 1);
    }
  });
});
