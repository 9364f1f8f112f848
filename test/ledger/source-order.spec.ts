// The numbers of a source through the log: what came late closes its gap, and to find that out costs no more the more gaps there are.
import { createEventId } from '../../src/event/event-id.js';
import { DeadLetterNumbers } from '../../src/trail/verification/dead-letter-numbers.js';
import { ProblemList } from '../../src/trail/verification/problem-list.js';
import { SourceOrder } from '../../src/trail/verification/source-order.js';
import type { NumberedRow } from '../../src/store/event-row.js';
import type { Verification } from '../../src/trail/verification/verification.js';
import { numbered } from '../support/audit-store.js';
import { rowOf } from '../support/event-rows.js';

const SOURCE = '01a2092a-37dd-7618-b679-271106589fe4';
const leaf = (leafIndex: number, sequence: number, through = sequence) => ({
  leafIndex,
  eventId: `event-${leafIndex}`,
  source: SOURCE,
  sequence,
  through,
  leafHash: '',
});

/** Reads of the gaps' bounds while each of `count` gaps is closed, the last first. */
function workOf(count: number): number {
  let reads = 0;
  const order = new SourceOrder(
    new ProblemList(9),
    Array.from({ length: count }, (_, index) => ({
      source: SOURCE,
      from: 2 * index + 1,
      eventId: `gap-${index}`,
      leafIndex: index,
      get to() {
        reads += 1;
        return 2 * index + 1;
      },
    })),
  );
  reads = 0;
  // The last was given away long before the range that is checked.
  for (let index = count - 1; index >= 0; index -= 1) order.next(leaf(count + index, 2 * index + 1), false);
  expect(order.openGaps).toEqual([]);
  return reads;
}

describe('the order of the numbers of a source', () => {
  it('finds the gap that a late number closes without looking at all of them', () => {
    const [small, large] = [workOf(500), workOf(4_000)];
    // Eight times as many; quadratic, it would be 64 times the work.
    expect(large).toBeLessThan(small * 20);
  });

  it('tells what is left of a gap, and of a number that comes twice', () => {
    const problems = new ProblemList(9);
    const order = new SourceOrder(problems);
    order.next(leaf(0, 1), false);
    order.next(leaf(1, 2, 9), true);
    order.next(leaf(2, 10), false);
    for (const [index, late] of [5, 2, 9, 6].entries()) order.next(leaf(3 + index, late), false);
    expect(order.openGaps.map(({ from, to }) => [from, to])).toEqual([
      [3, 4],
      [7, 8],
    ]);
    expect([1, 2, 3, 7, 10].map((number) => order.isLost(SOURCE, number))).toEqual([
      false,
      false,
      true,
      true,
      false,
    ]);
    expect(problems.count).toBe(0);
    order.next(leaf(7, 5), false);
    expect(problems.listed).toMatchObject([{ code: 'sequence_disorder', sequence: 5 }]);
  });

  it('waits for a number from the end of the event after it, however long that took', () => {
    const HOUR = 3_600_000;
    const order = new SourceOrder(new ProblemList(9));
    for (const [sequence, durationMs] of [
      [6, HOUR],
      [8, HOUR - 60_000],
    ] as const) {
      const metadata = { durationMs };
      const event = numbered(createEventId(sequence), sequence, { timestamp: Date.now() - HOUR, metadata });
      order.addUnsealed(rowOf(event) as NumberedRow);
    }
    expect(order.unsealedHoles(30_000).map(({ to }) => to)).toEqual([7]);
  });
});

describe('the numbers of dead letters', () => {
  it('are all known where they come one after another, however many there are', async () => {
    const asked: unknown[] = [];
    async function* scan() {
      for (let sequence = 1; sequence <= 100_001; sequence += 1)
        yield { id: '', source: SOURCE, sequence, isReplayed: false, isReplaced: false };
    }
    const sealing = {
      countMissing: async (ranges: readonly unknown[]) => {
        asked.push(...ranges);
        return ranges.map(() => 1);
      },
    };
    const log = { letters: { scan }, sealing } as unknown as Verification;
    const letters = await DeadLetterNumbers.read(log, true);
    expect(letters.waiting).toBe(100_001);
    expect(await letters.countMissing([{ source: SOURCE, from: 1, to: 100_001 }])).toEqual([0]);
    expect(asked).toEqual([]);
  });
});
