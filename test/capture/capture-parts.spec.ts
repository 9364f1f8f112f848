// What is made of requests and answers, by itself.
import { Readable } from 'node:stream';
import { of } from 'rxjs';
import { answerFields } from '../../src/capture/select-fields.js';
import { rolesOf } from '../../src/capture/resolvers.js';
import { flattenFacts } from '../../src/event/flatten.js';
import { createSecretKeyTest } from '../../src/recorder/redaction/secret-key.js';

describe('roles', () => {
  it.each<[kept: unknown, roles: readonly string[] | undefined]>([
    ['admin', ['admin']],
    ['', []],
    [
      ['a', 'b', 'a', ''],
      ['a', 'b'],
    ],
    [
      [{ name: 'a' }, { name: 7 }, {}, null, 'b', 3],
      ['a', 'b'],
    ],
    [new Set(['a', 'b']), ['a', 'b']],
    [[], []],
    ['x'.repeat(200), [expect.stringMatching(/^x+…\[cut from 200\]$/) as string]],
    [undefined, undefined],
    [null, undefined],
    [7, undefined],
    [{ admin: true }, undefined],
  ])('of %j', (kept, roles) => {
    expect(rolesOf(kept)).toEqual(roles);
  });
});

describe('fields of an answer', () => {
  const entity = { id: 1, secret: 2, toJSON: () => ({ id: 1, shown: true }) };

  it.each<[what: string, result: unknown, selection: boolean | string[], fields: unknown]>([
    ['all', { a: 1 }, true, { a: 1 }],
    ['none', { a: 1 }, false, undefined],
    ['some', { a: 1, b: { c: 2, d: 3 } }, ['b.c', 'x'], { 'b.c': 2 }],
    ['what an entity says', entity, true, { id: 1, shown: true }],
    ['what an entity says, by name', entity, ['id', 'secret'], { id: 1 }],
    ['each item', [{ a: 1, b: 2 }, { b: 3 }, entity], ['a', 'id'], [{ a: 1 }, {}, { id: 1 }]],
    ['items without any', [{ b: 3 }], ['a'], undefined],
    ['a text', 'text', true, 'text'],
    ['of a text by name', 'text', ['a'], undefined],
    ['nothing', undefined, true, undefined],
    ['null', null, true, undefined],
    ['bytes', Buffer.from('x'), true, undefined],
    ['an array buffer', new ArrayBuffer(8), true, undefined],
    ['a stream', Readable.from(['x']), true, undefined],
    ['a web stream', new Blob(['x']).stream(), true, undefined],
    ['a file', new Blob(['x']), true, undefined],
    ['a streamable file', { getStream: () => undefined, options: {} }, true, undefined],
    ['an observable', of(1), true, undefined],
    ['a function', () => 1, true, undefined],
    ['streams among items', [Readable.from(['x']), { a: 1 }], true, [{}, { a: 1 }]],
  ])('are %s', (_what, result, selection, fields) => {
    expect(answerFields(result, selection)).toEqual(fields);
  });

  it('say how many items there were', () => {
    const many = Array.from({ length: 1_000 }, (_, id) => id);
    const { response } = flattenFacts({ response: answerFields(many, true) }, createSecretKeyTest());
    expect(response).toHaveLength(257);
    expect((response as string[]).at(-1)).toBe('…[cut from 1000 items]');
    const named = answerFields(
      many.map((id) => ({ id, name: 'x' })),
      ['id'],
    );
    expect(named).toHaveLength(1_000);
    expect((named as unknown[]).slice(254, 257)).toEqual([{ id: 254 }, { id: 255 }, true]);
  });
});
