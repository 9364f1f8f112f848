// Which event has a number of this process, in bounded memory.
import { IssuedNumbers } from '../../src/sealer/issued-numbers.js';

describe('the events of this process', () => {
  it('have their numbers, and nobody else does', () => {
    const events = new IssuedNumbers();
    events.resume('a', 3);
    events.stored('a', 5, 'five', 'leaf of five');
    events.refused('a', 6, 'six');
    events.skip('a', 7, 7);
    // Of an earlier process, of another event, a dead letter, dropped, not stored yet.
    expect(events.ownersOf('a', [3, 5, 6, 7, 4, 8])).toEqual([
      null,
      { id: 'five', leaf: 'leaf of five' },
      { id: 'six' },
      { id: '' },
      undefined,
      undefined,
    ]);
    expect(events.ownersOf('b', [1])).toEqual([undefined]);
    expect(events.numbers).toMatchObject([{ source: 'a', ranges: [[5, 5]] }]);
  });

  it('pass over any number of numbers at once', () => {
    const events = new IssuedNumbers();
    events.skip('a', 2, 2 ** 48);
    expect(events.ownersOf('a', [1, 2, 2 ** 48, 2 ** 48 + 1])).toEqual([
      undefined,
      null,
      { id: '' },
      undefined,
    ]);
  });

  it('are remembered by their numbers alone where there are very many', () => {
    const events = new IssuedNumbers();
    for (let sequence = 1; sequence <= 60_000; sequence += 1)
      events.stored('a', sequence, `id ${sequence}`, `leaf ${sequence}`);
    expect(events.ownersOf('a', [1, 40_001, 60_000, 60_001])).toEqual([
      null,
      { id: 'id 40001', leaf: 'leaf 40001' },
      { id: 'id 60000', leaf: 'leaf 60000' },
      undefined,
    ]);
    const [{ ids, ranges }] = events.numbers as [(typeof events.numbers)[0]];
    expect(ranges).toEqual([[1, 60_000]]);
    expect(ids.size).toBeLessThanOrEqual(25_000);
  });
});
