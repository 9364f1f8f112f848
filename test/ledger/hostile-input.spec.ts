// What the ledger is given by strangers: whatever it is, verification answers false, and parsing refuses in its own words.
import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import {
  decodeHashes,
  encodeHashes,
  EMPTY_ROOT,
  formatCheckpoint,
  formatTlogProof,
  generateKeys,
  leafHash,
  LedgerFormatError,
  nodeHash,
  openNote,
  parseCheckpoint,
  parseSignerKey,
  parseTlogProof,
  parseVerifierKey,
  PROOF_FORMAT,
  signNote,
  toTlogProof,
  verifyConsistency,
  verifyInclusion,
} from '../../src/ledger/index.js';
import type { ConsistencyClaim, InclusionClaim } from '../../src/ledger/index.js';
import { anyCharacter } from '../support/any-character.js';

// Keys, text and signatures of golang.org/x/mod/sumdb/note, note_test.go.
const SIGNER = 'PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz';
const VERIFIER = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
const TEXT =
  "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const NOTE = `${TEXT}\n\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`;
const HASH = 'CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=';

const verifier = parseVerifierKey(VERIFIER);

const [left, right] = [leafHash(Buffer.from('left')), leafHash(Buffer.from('right'))];
const root = nodeHash(left, right);
const inclusion: InclusionClaim = {
  leafIndex: 0,
  treeSize: 2,
  leafHash: left,
  proof: [right],
  root,
};
const consistency: ConsistencyClaim = {
  size1: 1,
  size2: 2,
  root1: left,
  root2: root,
  proof: [right],
};

const hostile = () => {
  throw new Error('hostile');
};
const traps = Object.fromEntries(
  Object.getOwnPropertyNames(Reflect).map((name) => [name, hostile]),
) as ProxyHandler<object>;
function revoked(target: object): object {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}
/** An array that never comes to its end. */
function endless(): Buffer[] {
  const list = [left];
  list[Symbol.iterator] = function* () {
    for (;;) yield right;
  };
  return list;
}
const liar = (target: object, lies: Record<string, unknown>) =>
  new Proxy(target, {
    get: (real, name) =>
      typeof name === 'string' && name in lies ? lies[name] : (Reflect.get(real, name) as unknown),
  });

/** None of these is a count, a hash or a list of hashes that says something true. */
const strange: readonly (readonly [string, unknown])[] = [
  ['nothing', undefined],
  ['null', null],
  ['NaN', NaN],
  ['infinity', Infinity],
  ['a negative number', -1],
  ['a negative bigint', -1n],
  ['a fraction', 0.5],
  ['2 to the 53rd', 2 ** 53],
  ['2 to the 64th', 2n ** 64n],
  ['2 to the 10,000th', 2n ** 10_000n],
  ['digits', '1'],
  ['empty text', ''],
  ['long text', 'A'.repeat(2 ** 20)],
  ['text of 44 characters', '?'.repeat(44)],
  ['base64 with a bit too many', `${HASH.slice(0, -2)}J=`],
  ['base64 of URLs', `${'_'.repeat(42)}8=`],
  ['hexadecimal digits with space', ` ${root.toString('hex').slice(1)}`],
  ['a boxed number', Object(1)],
  ['a boxed hash', Object(HASH)],
  ['true', true],
  ['a symbol', Symbol('1')],
  ['a function', hostile],
  ['an object', {}],
  ['what becomes a number', { valueOf: () => 1 }],
  ['bytes too few', new Uint8Array(31)],
  ['bytes too many', new Uint8Array(33)],
  ['an ArrayBuffer', new ArrayBuffer(32)],
  ['a DataView', new DataView(new ArrayBuffer(32))],
  ['words', new Uint16Array(16)],
  ['numbers like bytes', Array.from(root)],
  ['bytes that lie of their length', Object.defineProperty(new Uint8Array(64), 'byteLength', { value: 32 })],
  ['bytes that lie', Object.defineProperties(new Uint8Array(32), { length: { value: 0 } })],
  ['bytes that throw', Object.defineProperty(new Uint8Array(32), 'byteLength', { get: hostile })],
  ['bytes that are others', Object.assign(new Uint8Array(32), { valueOf: () => 'x' })],
  ['a list with a hole', Object.assign([], { length: 1 })],
  ['a list as long as can be', Object.assign([], { length: 2 ** 32 - 1 })],
  ['a list of hashes too many', Array.from({ length: 10_000 }, () => right)],
  ['a list of lists', [[right]]],
  ['a list of nothing', [null]],
  ['an endless list', endless()],
  ['a list that says it is endless', liar([right], { length: Infinity })],
  ['a list that says it has no length', liar([right], { length: NaN })],
  ['a list that says it is negative', liar([right], { length: -1 })],
  ['a list of a length that throws', liar([right], { length: { valueOf: hostile } })],
  ['a list whose hashes throw', Object.defineProperty([right], 0, { get: hostile })],
  ['something like a list', { 0: right, length: 1 }],
  [
    'a generator',
    (function* () {
      yield right;
    })(),
  ],
  ['a promise', Promise.resolve(root)],
  ['a proxy that throws', new Proxy({}, traps)],
  ['a list behind a proxy that throws', new Proxy([right], traps)],
  ['bytes behind a proxy', new Proxy(new Uint8Array(32), {})],
  ['a function behind a proxy that throws', new Proxy(hostile, traps)],
  ['a proxy that is no more', revoked([right])],
  ['an object without a prototype', Object.create(null)],
];
/** In a function: the property's own machinery reads values, which some of these don't bear. */
const anything = fc.oneof(
  fc
    .anything({ withBigInt: true, withTypedArray: true, withSparseArray: true, withNullPrototype: true })
    .map((value) => () => value),
  fc.constantFrom(
    ...strange.map(
      ([, value]) =>
        () =>
          value,
    ),
  ),
);

describe('verification answers false, and nothing else,', () => {
  it('but to what is true', () => {
    expect(verifyInclusion(inclusion)).toBe(true);
    expect(verifyConsistency(consistency)).toBe(true);
  });

  it.each(strange)('to %s, in any place', (_, value) => {
    for (const name of Object.keys(inclusion))
      expect(verifyInclusion({ ...inclusion, [name]: value })).toBe(false);
    for (const name of Object.keys(consistency))
      expect(verifyConsistency({ ...consistency, [name]: value })).toBe(false);
    expect(verifyInclusion({ ...inclusion, proof: [value] as never })).toBe(false);
    expect(verifyInclusion({ ...inclusion, proof: [right, value] as never })).toBe(false);
    expect(verifyConsistency({ ...consistency, proof: [value] as never })).toBe(false);
    expect(verifyInclusion(value as InclusionClaim)).toBe(false);
    expect(verifyConsistency(value as ConsistencyClaim)).toBe(false);
  });

  it('to what lies of its length, where nothing is hashed', () => {
    const empty = () => Object.defineProperty(new Uint8Array(32), 'length', { value: 0 });
    const leaf = { leafIndex: 0, treeSize: 1, leafHash: left, proof: [] as Buffer[], root: left };
    const same = { size1: 1, size2: 1, root1: left, root2: left, proof: [] as Buffer[] };
    expect(verifyInclusion(leaf)).toBe(true);
    expect(verifyConsistency(same)).toBe(true);
    expect(verifyInclusion({ ...leaf, leafHash: empty(), root: empty() })).toBe(false);
    expect(verifyConsistency({ ...same, root1: empty(), root2: empty() })).toBe(false);
    for (const length of [NaN, -1, 0.5, '0', null, Infinity]) {
      const proof = liar([], { length }) as Buffer[];
      expect(verifyInclusion({ ...leaf, proof })).toBe(false);
      expect(verifyConsistency({ ...same, proof })).toBe(false);
    }
  });

  it('to what throws when it is read', () => {
    for (const [verify, claim] of [
      [verifyInclusion, inclusion],
      [verifyConsistency, consistency],
    ] as const) {
      for (const name of Object.keys(claim)) {
        const throwing = Object.defineProperty({ ...claim }, name, { get: hostile });
        expect(verify(throwing as never)).toBe(false);
      }
      expect(verify(new Proxy(claim, traps) as never)).toBe(false);
    }
  });

  it('to anything', () => {
    fc.assert(
      fc.property(
        anything,
        fc.constantFrom(...Object.keys(inclusion)),
        fc.constantFrom(...Object.keys(consistency)),
        (make, ofInclusion, ofConsistency) => {
          const value = make();
          expect(verifyInclusion({ ...inclusion, [ofInclusion]: value })).toBe(
            ofInclusion === 'leafIndex' && (Object.is(value, -0) || value === 0 || value === 0n),
          );
          const isTrue =
            (ofConsistency === 'size1' && (value === 1 || value === 1n)) ||
            (ofConsistency === 'size2' && (value === 2 || value === 2n));
          expect(verifyConsistency({ ...consistency, [ofConsistency]: value })).toBe(isTrue);
          expect(verifyInclusion(value as never)).toBe(false);
          expect(verifyConsistency(value as never)).toBe(false);
        },
      ),
      { numRuns: 3_000, seed: 8 },
    );
    fc.assert(
      fc.property(fc.array(anything, { minLength: 10, maxLength: 10 }), (values) => {
        const claim = (names: readonly string[]) =>
          Object.fromEntries(names.map((name, at) => [name, values[at]!()])) as never;
        expect(verifyInclusion(claim(Object.keys(inclusion)))).toBe(false);
        expect(typeof verifyConsistency(claim(Object.keys(consistency)))).toBe('boolean');
      }),
      { numRuns: 1_000, seed: 9 },
    );
  });
});

const CHECKPOINT = `example.com/behind-the-sofa\n20852163\n${HASH}\n`;
const PROOF = `c2sp.org/tlog-proof@v1\nextra AQID\nindex 73894\n${HASH}\n${HASH}\n\n${NOTE}`;

/** What is parsed, and the text that it says again; the signatures of a note are not kept. */
const parsers: Record<string, readonly [good: string, again: (text: string) => string]> = {
  parseSignerKey: [
    SIGNER,
    (text) => {
      const { name, keyId } = parseSignerKey(text);
      expect(`${name}+${keyId.toString('hex')}`).toBe('PeterNeumann+c74f20a3');
      return SIGNER;
    },
  ],
  parseVerifierKey: [VERIFIER, (text) => parseVerifierKey(text).verifierKey],
  openNote: [
    NOTE,
    (note) => {
      const { text, verifiedBy, signatures } = openNote(note, [verifier]);
      if (verifiedBy.length > 0) expect(text).toBe(TEXT);
      const lines = note
        .slice(text.length + 1)
        .trimEnd()
        .split('\n');
      expect(lines.map((line) => line.split(' ')[1])).toEqual(signatures.map(({ name }) => name));
      return `${text}\n${lines.join('\n')}\n`;
    },
  ],
  parseCheckpoint: [CHECKPOINT, (text) => formatCheckpoint(parseCheckpoint(text))],
  parseTlogProof: [PROOF, (text) => formatTlogProof(parseTlogProof(text))],
  decodeHashes: [encodeHashes([left, right, root]), (text) => encodeHashes(decodeHashes(text))],
};
/** A key may have white space around it, as a line of a file or of an environment has. */
const isKey = (name: string) => name.endsWith('Key');

const SEED = SIGNER.split('+').at(-1)!;
const SEED_HEX = Buffer.from(SEED, 'base64').subarray(1).toString('hex');
/** Any eight characters of the key in a row, in any notation. Without `expect`, which would take most of the time. */
const SECRETS = new RegExp(
  [SEED, SEED_HEX, SEED_HEX.match(/../g)!.join(' ')]
    .flatMap((text) => Array.from({ length: text.length - 7 }, (_, at) => text.slice(at, at + 8)))
    .map((part) => part.replace(/[+/]/g, '\\$&'))
    .join('|'),
);

// Thousands of errors are searched for the key, where they come from included: one line of that is enough.
const { stackTraceLimit } = Error;
beforeAll(() => {
  Error.stackTraceLimit = 1;
});
afterAll(() => {
  Error.stackTraceLimit = stackTraceLimit;
});

function expectRefusal(error: unknown): void {
  if (!(error instanceof LedgerFormatError)) throw error;
  // What is shown has the stack in it.
  if (SECRETS.test(`${error.message}${inspect(error)}`)) throw new Error('It told the private key.');
}

describe.each(Object.entries(parsers))('%s', (name, [good, again]) => {
  const check = (text: string) => {
    let said: string;
    try {
      said = again(text);
    } catch (error) {
      expectRefusal(error);
      return;
    }
    if (said !== (isKey(name) ? text.trim() : text)) expect(said).toBe(text);
  };

  it('takes what is good', () => {
    expect(again(good)).toBe(good);
  });

  it('refuses what is no text', () => {
    for (const [what, value] of strange) {
      if (typeof value === 'string') check(value);
      else {
        try {
          again(value as string);
        } catch (error) {
          expectRefusal(error);
          continue;
        }
        throw new Error(`It took ${what}.`);
      }
    }
    fc.assert(
      fc.property(
        anything.filter((make) => typeof make() !== 'string'),
        (make) => {
          expect(() => again(make() as string)).toThrow(LedgerFormatError);
        },
      ),
      { numRuns: 300, seed: 10 },
    );
  });

  it('refuses each change of a character, or says the same again', () => {
    const characters = [...good].map((_, at) => at);
    for (const at of characters) {
      check(good.slice(0, at) + good.slice(at + 1));
      check(good.slice(0, at));
      check(good.slice(at));
      check(good.slice(0, at) + String.fromCharCode(good.charCodeAt(at) + 1) + good.slice(at + 1));
      for (const put of [
        '\n',
        '\r',
        ' ',
        '\u0000',
        '\u00a0',
        '\u2028',
        '\ud800',
        '=',
        '+',
        '/',
        '0',
        '\u2014',
      ])
        check(good.slice(0, at) + put + good.slice(at));
    }
  });

  it('refuses mutated and foreign text, or says the same again', () => {
    const others = Object.values(parsers).map(([text]) => text);
    const piece = fc.oneof(
      fc.string({ unit: anyCharacter, maxLength: 10 }),
      fc.constantFrom('\n', '\n\n', '\r\n', '=', '==', ' ', HASH, `${HASH}\n`, 'A'.repeat(5_000), ...others),
    );
    const mutated = fc
      .array(fc.tuple(fc.nat(good.length), fc.nat(20), piece), { minLength: 1, maxLength: 4 })
      .map((edits) =>
        edits.reduce((text, [at, drop, put]) => text.slice(0, at) + put + text.slice(at + drop), good),
      );
    fc.assert(fc.property(fc.oneof(mutated, fc.string({ unit: anyCharacter }), fc.base64String()), check), {
      numRuns: 1_500,
      seed: 11,
    });
  });
});

describe('keys', () => {
  // As TestNewVerifier and TestNewSigner of golang.org/x/mod/sumdb/note ask.
  it('have no part that is a key, nor one with another character', () => {
    for (const [key, parse] of [
      [VERIFIER, parseVerifierKey],
      [SIGNER, parseSignerKey],
    ] as const) {
      for (let from = 0; from <= key.length; from += 1) {
        for (let to = from + 1; to <= key.length; to += 1) {
          if (from === 0 && to === key.length) continue;
          try {
            parse(key.slice(from, to));
          } catch (error) {
            expectRefusal(error);
            continue;
          }
          throw new Error(`It took ${key.slice(from, to)}.`);
        }
      }
    }
    for (const wrong of [
      // Of another length, and of another algorithm, each with the id that fits.
      'PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==',
      'PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
      VERIFIER.replace('c74f20a3', 'C74F20A3'),
    ]) {
      expect(() => parseVerifierKey(wrong)).toThrow(LedgerFormatError);
    }
  });

  it('are taken with white space around them, and with none inside', () => {
    for (const space of [' ', '\n', '\r\n', '\t', '\u00a0']) {
      expect(parseSignerKey(`${space}${SIGNER}${space}`).verifierKey).toBe(VERIFIER);
      expect(parseVerifierKey(`${space}${VERIFIER}${space}`).verifierKey).toBe(VERIFIER);
      expect(() => parseSignerKey(SIGNER.replace('KEY+', `KEY+${space}`))).toThrow(LedgerFormatError);
      expect(() => parseVerifierKey(`${space}${SIGNER}`)).toThrow(/is a private key/);
    }
    for (const none of [undefined, null, 42]) {
      expect(() => parseVerifierKey(none as never)).not.toThrow(/private/);
    }
  });

  it('do not show the secret when they are shown', () => {
    expect(SECRETS.test(SIGNER)).toBe(true);
    expect(SECRETS.test(inspect(Buffer.from(SEED_HEX, 'hex')))).toBe(true);
    const signer = parseSignerKey(SIGNER);
    const shown = inspect(signer, { depth: 9, showHidden: true }) + JSON.stringify(signer);
    expect(shown).toContain('PeterNeumann');
    expect(shown).not.toMatch(SECRETS);
  });

  it('are of any 32 bytes, and verify whatever it is without throwing', () => {
    const signature = Buffer.from(NOTE.trimEnd().split(' ').at(-1)!, 'base64').subarray(4);
    expect(verifier.verify(Buffer.from(TEXT), signature)).toBe(true);
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ minLength: 32, maxLength: 32 }),
          fc.constantFrom(0, 1, 0x7f, 0xff).map((byte) => new Uint8Array(32).fill(byte)),
        ),
        anything,
        (bytes, make) => {
          const value = make();
          const typed = Buffer.concat([Buffer.of(1), bytes]);
          const id = createHash('sha256').update('a\n').update(typed).digest('hex').slice(0, 8);
          const text = `a+${id}+${typed.toString('base64')}`;
          const stranger = parseVerifierKey(text);
          expect(stranger.verifierKey).toBe(text);
          expect(stranger.verify(Buffer.from(TEXT), signature)).toBe(false);
          expect(verifier.verify(Buffer.from(TEXT), value as never)).toBe(false);
          expect(verifier.verify(value as never, signature)).toBe(false);
        },
      ),
      { numRuns: 300, seed: 12 },
    );
  });

  it('sign what others can open, in any name and of any text', async () => {
    const name = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
      // eslint-disable-next-line no-control-regex -- what no name has
      .filter((value) => !/[\s\u0085+\u0000-\u001f\u007f]/u.test(value));
    const text = fc
      .string({ unit: anyCharacter })
      // eslint-disable-next-line no-control-regex -- what no note has
      .map((value) => value.replace(/[\u0000-\u0009\u000b-\u001f]/g, '\n'));
    await fc.assert(
      fc.asyncProperty(name, text, async (named, value) => {
        const { signerKey, verifierKey } = generateKeys(named);
        const known = parseVerifierKey(verifierKey);
        const signed = `${value.toWellFormed()}\n`;
        const note = await signNote(signed, [parseSignerKey(signerKey), parseSignerKey(SIGNER)]);
        expect(openNote(note, [known])).toMatchObject({ text: signed, verifiedBy: [known] });
        expect(openNote(note, [verifier, known]).verifiedBy).toHaveLength(2);
      }),
      { numRuns: 150, seed: 13 },
    );
  });
});

describe('a bundle', () => {
  it('becomes no proof that is none', () => {
    const bundle = {
      format: PROOF_FORMAT,
      event: {},
      leafIndex: 1,
      treeSize: 2,
      checkpoint: NOTE,
    } as never as object;
    expect(parseTlogProof(toTlogProof({ ...bundle, proof: [HASH] } as never)).proof).toHaveLength(1);
    for (const wrong of ['', 'AAAA', HASH.slice(0, -1), `${HASH}\n`, EMPTY_ROOT.toString('hex'), 42, null]) {
      expect(() => toTlogProof({ ...bundle, proof: [wrong] } as never)).toThrow(LedgerFormatError);
    }
  });
});
