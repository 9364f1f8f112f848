// What rules read of what a client sent.
import { SentValues } from '../../src/features/rules/sent-values.js';
import { flattenFacts } from '../../src/event/flatten.js';

/** What rules that look at these keys see of a body. */
const judged = (body: unknown, ...keys: string[]) =>
  new SentValues(keys.map((key) => `body.${key}`)).read({ body: [body] });

describe('what is judged of a body', () => {
  it('has the values that an event would have, under their keys', () => {
    const body = {
      amount: 5,
      text: 'x',
      yes: true,
      nothing: null,
      token: 'secret',
      card: { holder: 'Zoë' },
      payee: { country: 'XX', tags: ['a', 'b'], numbers: [1, 2, null], mixed: [1, 'a', true] },
      lines: [{ amount: 1 }, { amount: 2, parts: [[1], [2, 3]] }],
    };
    const stored = flattenFacts({ body }, () => false);
    expect(Object.keys(stored)).toHaveLength(13);
    const keys = Object.keys(stored).map((key) => key.slice('body.'.length));
    expect(judged(body, ...keys)).toEqual(stored);
    expect(judged(body, 'nothing', 'token.x', 'payee', 'lines', 'x', 'text.length')).toEqual({});
    expect(judged(body, 'lines.length', 'payee.tags.length', 'constructor.name', 'toString')).toEqual({});
  });

  it.each<[what: string, body: unknown, key: string, value: unknown]>([
    [
      'behind many fields',
      { ...Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [n, n])), last: 1 },
      'last',
      1,
    ],
    ['in a long text', { text: `${'x'.repeat(9_000)}end` }, 'text', expect.stringMatching(/^x{9000}end$/)],
    [
      'in a long list',
      { list: Array.from({ length: 999 }, (_, n) => n) },
      'list',
      Array.from({ length: 999 }, (_, n) => n),
    ],
    ['beside a dotted name before', { 'a.b': 1, a: { b: 2 } }, 'a.b', 2],
    ['beside a dotted name behind', { a: { b: 2 }, 'a.b': 1 }, 'a.b', 2],
    ['beside dots all the way', { 'a.b': { c: 1 }, a: { 'b.c': 1, b: { c: 2 } } }, 'a.b.c', 2],
    ['by a dotted name', { a: { 'b.c': { d: 1 } } }, 'a.b.c.d', 1],
    ['by a name of the prototype', JSON.parse('{"__proto__":{"x":1},"y":2}'), '__proto__.x', 1],
    ['in a list alone', [{ amount: 5 }], '0.amount', 5],
    ['in any item', { items: [{ country: 'CH' }, { country: 'XX' }, 7] }, 'items.country', ['CH', 'XX']],
    ['in one item', { items: [{ country: 'CH' }] }, 'items.country', ['CH']],
    ['in an item by its place', { items: [{ country: 'CH' }, { country: 'XX' }] }, 'items.1.country', 'XX'],
    ['in a list of items alone', [{ country: 'CH' }, { country: 'XX' }], 'country', ['CH', 'XX']],
    ['in lists in lists', { amount: [[[5]], 'a', [true]] }, 'amount', ['5', 'a', 'true']],
    ['as a large number', JSON.parse('{"amount":1e999}'), 'amount', 'Infinity'],
  ])('is whole %s', (_what, body, key, value) => {
    expect(judged(body, key)).toEqual({ [`body.${key}`]: value });
  });

  it('is of the first source that has it', () => {
    const sent = new SentValues(['query.a', 'query.b', 'query.c']);
    expect(sent.read({ query: [{ a: 1 }, { a: 2, b: 2 }] })).toEqual({
      'query.a': 1,
      'query.b': 2,
    });
  });

  it('ends, however deep or round it is, or long in its names', () => {
    const name = 'k'.repeat(50_000);
    let deep: unknown = 1;
    for (let level = 0; level < 50_000; level += 1) deep = { deep };
    let lists: unknown = 5_000;
    for (let level = 0; level < 50_000; level += 1) lists = [lists];
    const round: Record<string, unknown> = { amount: 5 };
    for (const one of ['a', 'b', 'c', 'd']) round[one] = round;
    const cycle: unknown[] = [{ amount: 5 }];
    cycle.push(cycle, cycle);
    // 4,000 keys below one of 50,000 characters are as many characters as no process has room for.
    const long = {
      [name]: Object.fromEntries(Array.from({ length: 4_000 }, (_, n) => [`a${n}`, n])),
      amount: 5,
    };
    for (const body of [{ deep, amount: 5 }, round, long])
      expect(judged(body, 'amount', 'deep.amount', 'x.amount')).toEqual({ 'body.amount': 5 });
    expect(judged(cycle, 'amount')).toEqual({ 'body.amount': [5] });
    expect(judged({ amount: lists }, 'amount')).toEqual({ 'body.amount': [5_000] });
    expect(judged(Buffer.from('bytes'), '0', 'length')).toEqual({});
    expect(judged(undefined, 'x')).toEqual({});
    expect(judged('text', '0', 'length')).toEqual({});
  });

  it('touches nothing that nobody asks for', () => {
    const body = Object.defineProperty({ amount: 5 }, 'trap', {
      enumerable: true,
      get: () => {
        throw new Error('It was read.');
      },
    });
    expect(judged(body, 'amount')).toEqual({ 'body.amount': 5 });
  });
});
