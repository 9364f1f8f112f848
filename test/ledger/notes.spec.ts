// C2SP signed-note, tlog-checkpoint and tlog-proof, and RFC 8785 of an event: published examples, and what is refused.
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import type { AuditLogEvent } from 'nest-audit-trail';
import {
  canonicalEvent,
  canonicalJson,
  checkProof,
  eventLeafHash,
  externalSigner,
  formatCheckpoint,
  formatTlogProof,
  generateKeys,
  LedgerFormatError,
  openNote,
  parseCheckpoint,
  parseSignerKey,
  parseTlogProof,
  parseVerifierKey,
  PROOF_FORMAT,
  signNote,
  toTlogProof,
} from '../../src/ledger/index.js';
import { flattenFacts } from '../../src/event/flatten.js';
import { safeText } from '../../src/event/safe-text.js';
import { anyCharacter } from '../support/any-character.js';

// Of Go's golang.org/x/mod/sumdb/note, the implementation that C2SP signed-note describes.
const SIGNER = 'PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz';
const VERIFIER = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
const TEXT =
  "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const NOTE = `${TEXT}\n\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`;

const signer = parseSignerKey(SIGNER);
const verifier = parseVerifierKey(VERIFIER);

describe('keys', () => {
  it('are those that are published', () => {
    expect(signer).toMatchObject({ name: 'PeterNeumann', verifierKey: VERIFIER });
    expect(signer.keyId.toString('hex')).toBe('c74f20a3');
    expect(parseVerifierKey(` ${VERIFIER}\n`).verifierKey).toBe(VERIFIER);
  });

  it('are made anew each time, and fit', async () => {
    const [one, other] = [generateKeys('audit.example'), generateKeys('audit.example')];
    expect(one.signerKey).not.toBe(other.signerKey);
    expect(parseSignerKey(one.signerKey).verifierKey).toBe(one.verifierKey);
    const note = await signNote('a\n', [parseSignerKey(one.signerKey)]);
    expect(openNote(note, [parseVerifierKey(one.verifierKey)]).verifiedBy).toHaveLength(1);
    expect(openNote(note, [parseVerifierKey(other.verifierKey)]).verifiedBy).toHaveLength(0);
  });

  it.each(['', 'a b', 'a+b', 'a\nb', '\u00a0', '\u0000', '\ud800'])('have no name like %j', (name) => {
    expect(() => generateKeys(name)).toThrow(LedgerFormatError);
  });

  it('are refused in any other form, without being told', () => {
    const secret = SIGNER.split('+').at(-1)!;
    for (const wrong of [
      '',
      'PRIVATE+KEY+',
      SIGNER.slice(1),
      SIGNER.slice(0, -4),
      SIGNER.replace('c74f20a3', 'c74f20a4'),
      SIGNER.replace('PeterNeumann', 'Peter'),
      SIGNER.replace('+AY', '+BY'),
      `${SIGNER}AAAA`,
      VERIFIER,
      undefined,
      42,
    ]) {
      try {
        parseSignerKey(wrong as string);
        throw new Error(`${String(wrong)} was taken`);
      } catch (error) {
        expect(error).toBeInstanceOf(LedgerFormatError);
        expect(String(error)).not.toContain(secret.slice(4, 20));
      }
    }
    for (const wrong of ['', SIGNER, VERIFIER.slice(0, -1), VERIFIER.replace('+AR', '+CR'), null, {}]) {
      expect(() => parseVerifierKey(wrong as string)).toThrow(LedgerFormatError);
    }
  });

  it('may be elsewhere, where what they sign is checked', async () => {
    const bytesOf = (text: Uint8Array) => signer.sign(text) as Buffer;
    for (const good of [bytesOf, (text: Uint8Array) => Promise.resolve(new Uint8Array(bytesOf(text)))]) {
      expect(await signNote(TEXT, [externalSigner(VERIFIER, good)])).toBe(NOTE);
    }
    const { privateKey } = generateKeyPairSync('ed25519');
    for (const wrong of [
      () => Buffer.alloc(64),
      () => Buffer.alloc(0),
      () => 'text' as never,
      (text: Uint8Array) => sign(null, text, privateKey),
    ]) {
      await expect(signNote(TEXT, [externalSigner(VERIFIER, wrong)])).rejects.toThrow(LedgerFormatError);
    }
    const away = externalSigner(VERIFIER, () => Promise.reject(new Error('the KMS is away')));
    await expect(signNote(TEXT, [away])).rejects.toThrow('the KMS is away');
    const broken = externalSigner(VERIFIER, () => {
      throw new Error('the KMS is broken');
    });
    await expect(signNote(TEXT, [broken])).rejects.toThrow('the KMS is broken');
    // A signature of another text, to which it changed what it was given.
    const forger = externalSigner(VERIFIER, (text) => signer.sign(text.fill(0x20)));
    await expect(signNote(TEXT, [forger])).rejects.toThrow(LedgerFormatError);
    expect(() => externalSigner(SIGNER, bytesOf)).toThrow(LedgerFormatError);
  });
});

describe('notes', () => {
  it('are those that are published', async () => {
    expect(await signNote(TEXT, [signer])).toBe(NOTE);
    expect(openNote(NOTE, [verifier])).toMatchObject({ text: TEXT, verifiedBy: [verifier] });
    // The example of C2SP signed-note: its text has an empty line.
    const poem =
      'Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n\u2014 quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n';
    const { text, signatures } = openNote(poem, [verifier]);
    expect(text.endsWith('\n\ned è subito sera.\n')).toBe(true);
    expect(signatures[0]!.name).toBe('quasimodo.example/salvatore');
  });

  // TestOpen of golang.org/x/mod/sumdb/note, note_test.go.
  it('of two are opened by either, as published', () => {
    const enoch = parseVerifierKey('EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop');
    const line =
      '\u2014 EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n';
    const both = NOTE + line;
    expect(openNote(both, [verifier]).verifiedBy).toEqual([verifier]);
    expect(openNote(both, [enoch]).verifiedBy).toEqual([enoch]);
    expect(openNote(both, [verifier, enoch]).verifiedBy).toEqual([verifier, enoch]);
    expect(openNote(both, []).verifiedBy).toEqual([]);
    expect(openNote(both, []).signatures.map(({ name }) => name)).toEqual(['PeterNeumann', 'EnochRoot']);
    const wrong = (text: string) => `${text.slice(0, 60)}ABCD${text.slice(60)}`;
    expect(openNote(both + line + wrong(line), [verifier]).verifiedBy).toEqual([verifier]);
    expect(() => openNote(NOTE + wrong(line), [verifier, enoch])).toThrow(LedgerFormatError);
    expect(() => openNote(NOTE + wrong(line), [enoch])).toThrow(LedgerFormatError);
    const own = NOTE.slice(TEXT.length + 1);
    expect(() => openNote(`${TEXT}\n${wrong(own)}`, [verifier])).toThrow(LedgerFormatError);
    expect(() => openNote(`${NOTE}Unexpected line.\n`, [verifier])).toThrow(LedgerFormatError);
    expect(() => openNote(`${TEXT}\n${own.replace('PeterNeumann', 'Bad Name')}`, [])).toThrow(
      LedgerFormatError,
    );
  });

  it('are signed by several, of whom the unknown are passed over', async () => {
    const keys = Array.from({ length: 16 }, (_, index) => generateKeys(`key-${index}`));
    const note = await signNote(TEXT, [signer, ...keys.map(({ signerKey }) => parseSignerKey(signerKey))]);
    const known = [verifier, parseVerifierKey(keys[7]!.verifierKey)];
    expect(openNote(note, known)).toMatchObject({ text: TEXT, verifiedBy: known });
    // The same name with another id, and the same id with another name, are others.
    const namesake = parseVerifierKey(generateKeys('PeterNeumann').verifierKey);
    expect(openNote(note, [namesake]).verifiedBy).toEqual([]);
    expect(openNote(note, [{ ...verifier, name: 'Peter' }]).verifiedBy).toEqual([]);
    // C2SP signed-note: verifiers accept 16 signatures at least.
    const all = [verifier, ...keys.map(({ verifierKey }) => parseVerifierKey(verifierKey))];
    expect(openNote(note, all).verifiedBy).toEqual(all);
  });

  // Unicode's White_Space, which is what Go's unicode.IsSpace has too; JavaScript's \s has U+FEFF, and not U+0085.
  it('may have signatures of strangers in any name without Unicode spaces and plus signs', () => {
    const signed = (name: string) => `${NOTE}\u2014 ${name} AAAAAAA=\n`;
    for (const name of ['\ufeffa', 'a\u007f', 'a\u200bb', 'a\u180eb', '\u2014', '\u{1f600}', '\ufffd']) {
      const { verifiedBy, signatures } = openNote(signed(name), [verifier]);
      expect(verifiedBy).toEqual([verifier]);
      expect(signatures[1]!.name).toBe(name);
    }
    for (const space of [
      '\u0085',
      '\u00a0',
      '\u1680',
      '\u2003',
      '\u2028',
      '\u202f',
      '\u205f',
      '\u3000',
      '+',
      '',
    ])
      for (const name of [space, `a${space}`, `${space}b`].filter((value) => !/^[ab]$/.test(value)))
        expect(() => openNote(signed(name), [verifier])).toThrow(LedgerFormatError);
  });

  it('are refused where a known signature is wrong, or anything else', async () => {
    const foreign = NOTE.replace('cryptography', 'cryptology');
    expect(() => openNote(foreign, [verifier])).toThrow(LedgerFormatError);
    expect(openNote(foreign, []).verifiedBy).toEqual([]);
    const line = NOTE.slice(TEXT.length + 1);
    for (const wrong of [
      '',
      '\n',
      TEXT,
      `${TEXT}\n`,
      NOTE.slice(0, -1),
      `${NOTE}\n`,
      `${NOTE}more\n`,
      NOTE.replace('\u2014', '-'),
      NOTE.replace('PeterNeumann x08', 'PeterNeumann  x08'),
      NOTE.replace('JnAM=', 'JnAM'),
      `${TEXT}\n\u2014 PeterNeumann AAAA\n`,
      NOTE.replaceAll('\n', '\r\n'),
      NOTE.replace('think', 'th\u0000nk'),
      NOTE.replace('think', 'th\ud800nk'),
      TEXT + '\n' + line.repeat(101),
      'x'.repeat(1_000_001) + NOTE,
      undefined,
      42,
    ]) {
      expect(() => openNote(wrong as string, [verifier])).toThrow(LedgerFormatError);
    }
    for (const wrong of ['', 'no newline', 'a\tb\n', 'a\ud800\n']) {
      await expect(signNote(wrong, [signer])).rejects.toThrow(LedgerFormatError);
    }
  });
});

describe('checkpoints', () => {
  // The example of C2SP tlog-checkpoint.
  const text = 'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n';

  it('are written and read as published', () => {
    const checkpoint = parseCheckpoint(text);
    expect(checkpoint).toMatchObject({ origin: 'example.com/behind-the-sofa', treeSize: 20852163 });
    expect(formatCheckpoint(checkpoint)).toBe(text);
    const note = `${text}\n\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n`;
    expect(openNote(note, [])).toMatchObject({ text, signatures: [{ name: checkpoint.origin }] });
    expect(openNote(note, []).signatures[0]!.keyId.toString('hex')).toBe('033de0ae');
    const extended = parseCheckpoint(`${text}one\ntwo\n`);
    expect(extended.extensions).toEqual(['one', 'two']);
    expect(formatCheckpoint(extended)).toBe(`${text}one\ntwo\n`);
  });

  it('are refused in any other form', () => {
    for (const wrong of [
      '',
      text.slice(0, -1),
      `\n${text}`,
      text.replace('20852163', '020852163'),
      text.replace('20852163', '-1'),
      text.replace('20852163', '1e3'),
      text.replace('20852163', '9007199254740993'),
      text.replace('q2I=', 'q2I'),
      text.replace('q2I=', 'q2J='),
      `${text}\n`,
      undefined,
    ]) {
      expect(() => parseCheckpoint(wrong as string)).toThrow(LedgerFormatError);
    }
  });
});

describe('proofs of C2SP tlog-proof', () => {
  it('are those that are published', () => {
    // The example of the specification, which leaves out the middle of its signatures.
    const example = [
      'c2sp.org/tlog-proof@v1',
      'extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6kYXJ3aW4tYXJ',
      'index 73894',
      'gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=',
      'B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=',
      'EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=',
      'RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=',
      'AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=',
      '',
      'example.com/fancylog',
      '109482',
      'sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=',
      '',
      '\u2014 example.com/fancylog hI2DJw[...]1roloI=',
      '\u2014 witness1.example mJirIklj[...]qY9v2B/5bg==',
      '\u2014 witness2.example TnKKVHLX[...]xwYwrSjgow==',
      '\u2014 witness3.example S4X82uH5[...]3oEcROGLFQ==',
      '',
    ].join('\n');
    const proof = parseTlogProof(example);
    expect(proof).toMatchObject({ leafIndex: 73894, checkpoint: example.slice(example.indexOf('\n\n') + 2) });
    expect(proof.proof).toHaveLength(5);
    expect(proof.extraData!.toString()).toContain('age-v1.2.1-darwin-arm64.tar.g');
    expect(formatTlogProof(proof)).toBe(example);
    expect(() => openNote(proof.checkpoint, [])).toThrow(LedgerFormatError);
  });

  const hashes = [
    'gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=',
    'B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=',
  ];
  const checkpoint =
    'example.com/fancylog\n109482\nsFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=\n\n\u2014 a AAAAAAA=\n';
  // Lines of the specification's example.
  const text = `c2sp.org/tlog-proof@v1\nindex 73894\n${hashes.join('\n')}\n\n${checkpoint}`;

  it('are written and read', () => {
    const proof = parseTlogProof(text);
    expect(proof).toMatchObject({ leafIndex: 73894, checkpoint });
    expect(proof.proof.map((hash) => hash.toString('base64'))).toEqual(hashes);
    expect(formatTlogProof(proof)).toBe(text);
    const extra = text.replace('index', 'extra AQID\nindex');
    expect([...parseTlogProof(extra).extraData!]).toEqual([1, 2, 3]);
    expect(formatTlogProof(parseTlogProof(extra))).toBe(extra);
  });

  it('are refused in any other form', () => {
    for (const wrong of [
      '',
      text.replace('v1', 'v2'),
      text.replace('index 73894', 'index 073894'),
      text.replace('index 73894', 'index'),
      text.replace('index 73894', 'index 99999999999999999'),
      text.replace('PlQ=', 'PlQ'),
      text.replace('index', 'extra !\nindex'),
      text.replace(hashes[0]!, `${hashes[0]!}\n`.repeat(70)),
      text.split('\n\n')[0]!,
      undefined,
    ]) {
      expect(() => parseTlogProof(wrong as string)).toThrow(LedgerFormatError);
    }
  });
});

describe('whatever text is parsed', () => {
  it('is refused as such, or written back as it was', () => {
    const parsers: [(text: string) => unknown, string, ((parsed: never) => string)?][] = [
      [parseSignerKey, SIGNER],
      [parseVerifierKey, VERIFIER],
      [(text) => openNote(text, [verifier]), NOTE],
      [parseCheckpoint, 'a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n', formatCheckpoint],
      [
        parseTlogProof,
        'c2sp.org/tlog-proof@v1\nindex 1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\nx',
        formatTlogProof,
      ],
    ];
    for (const [parse, good, format] of parsers) {
      const mutated = fc
        .tuple(fc.nat(good.length), fc.nat(8), fc.oneof(fc.string(), fc.constantFrom('\n', '+', ' ', '=')))
        .map(([at, drop, put]) => good.slice(0, at) + put + good.slice(at + drop));
      fc.assert(
        fc.property(fc.oneof(mutated, fc.string({ unit: anyCharacter })), (text) => {
          let parsed: unknown;
          try {
            parsed = parse(text);
          } catch (error) {
            expect(error).toBeInstanceOf(LedgerFormatError);
            return;
          }
          if (format) expect(format(parsed as never)).toBe(text);
        }),
        { numRuns: 1_000, seed: 2 },
      );
    }
  });
});

const text = fc.string({ unit: anyCharacter }).map((value) => safeText(value, 100) || 'x');
const facts = fc
  .dictionary(
    text.filter((key) => key !== '__proto__'),
    fc.oneof(text, fc.boolean(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.array(text)),
  )
  .map((value) => flattenFacts(value, () => false));
const anyEvent = fc.record(
  {
    id: fc.uuid(),
    timestamp: fc.nat(),
    tenantId: text,
    userId: text,
    action: text,
    resource: text,
    resourceId: text,
    details: facts,
    ipAddress: fc.ipV4(),
    userAgent: text,
    sessionId: text,
    severity: fc.constantFrom('low', 'high'),
    category: fc.constantFrom('system', 'security'),
    outcome: fc.constantFrom('success', 'failure'),
    riskScore: fc.nat(100),
    complianceFlags: fc.array(text),
    metadata: facts,
  },
  {
    requiredKeys: [
      'id',
      'timestamp',
      'tenantId',
      'action',
      'resource',
      'details',
      'severity',
      'category',
      'outcome',
      'riskScore',
      'complianceFlags',
      'metadata',
    ],
  },
) as fc.Arbitrary<AuditLogEvent>;

const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.constantFrom(0, -0, 1e21, 1e-7, 5e-324, 2 ** 53, Number.MAX_VALUE, 0.1),
);
const anyText = fc.oneof(
  fc.string({ unit: anyCharacter }).map((value) => value.toWellFormed()),
  fc.constantFrom('__proto__', 'constructor', 'toJSON', '10', '9', '\u0000', '\u2028', '\ufb33', '\u{1f600}'),
);
/** Of the event's type, with values that the pipeline would have made safe. */
const wildFacts = fc
  .array(fc.tuple(anyText, fc.oneof(anyText, number, fc.boolean(), fc.array(anyText), fc.array(number))), {
    maxLength: 12,
  })
  .map((entries) => Object.fromEntries(entries));
const wildEvent = fc
  .tuple(anyEvent, wildFacts, wildFacts, fc.array(anyText), anyText, number)
  .map(([event, details, metadata, complianceFlags, tenantId, riskScore]) => ({
    ...event,
    details,
    metadata,
    complianceFlags,
    tenantId,
    riskScore,
  })) as fc.Arbitrary<AuditLogEvent>;

/** The number of an IEEE 754 bit pattern. */
const double = (bits: string) => Buffer.from(bits, 'hex').readDoubleBE();

describe('canonical JSON (RFC 8785)', () => {
  it('sorts as in section 3.2.3', () => {
    const sorted = canonicalJson({
      '\u20ac': 'Euro Sign',
      '\r': 'Carriage Return',
      '\ufb33': 'Hebrew Letter Dalet With Dagesh',
      '1': 'One',
      '\u{1f600}': 'Emoji: Grinning Face',
      '\u0080': 'Control',
      '\u00f6': 'Latin Small Letter O With Diaeresis',
    });
    expect(sorted).toBe(
      '{"\\r":"Carriage Return","1":"One","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis",' +
        '"\u20ac":"Euro Sign","\u{1f600}":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
    );
  });

  // Appendix B.
  it.each([
    ['0000000000000000', '0'],
    ['8000000000000000', '0'],
    ['0000000000000001', '5e-324'],
    ['8000000000000001', '-5e-324'],
    ['7fefffffffffffff', '1.7976931348623157e+308'],
    ['ffefffffffffffff', '-1.7976931348623157e+308'],
    ['4340000000000000', '9007199254740992'],
    ['c340000000000000', '-9007199254740992'],
    ['4430000000000000', '295147905179352830000'],
    ['44b52d02c7e14af5', '9.999999999999997e+22'],
    ['44b52d02c7e14af6', '1e+23'],
    ['44b52d02c7e14af7', '1.0000000000000001e+23'],
    ['444b1ae4d6e2ef4e', '999999999999999700000'],
    ['444b1ae4d6e2ef4f', '999999999999999900000'],
    ['444b1ae4d6e2ef50', '1e+21'],
    ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
    ['3eb0c6f7a0b5ed8d', '0.000001'],
    ['41b3de4355555553', '333333333.3333332'],
    ['41b3de4355555554', '333333333.33333325'],
    ['41b3de4355555555', '333333333.3333333'],
    ['41b3de4355555556', '333333333.3333334'],
    ['41b3de4355555557', '333333333.33333343'],
    ['becbf647612f3696', '-0.0000033333333333333333'],
    ['43143ff3c1cb0959', '1424953923781206.2'],
  ])('writes the number %s as %s', (bits, written) => {
    expect(canonicalJson({ n: double(bits), list: [double(bits)] })).toBe(
      `{"list":[${written}],"n":${written}}`,
    );
  });
});

describe('the leaf of an event', () => {
  it('is of whatever its type can have, and not of what is absent', () => {
    fc.assert(
      fc.property(wildEvent, (event) => {
        const canonical = (canonicalize as unknown as (input: unknown) => string)(event);
        expect(canonicalEvent(event)).toBe(canonical);
        const shuffled = Object.fromEntries(Object.entries(event).reverse()) as unknown as AuditLogEvent;
        expect(canonicalEvent(shuffled)).toBe(canonical);
        const { userId: _, ...absent } = event;
        expect(canonicalEvent({ ...event, userId: undefined } as never)).toBe(canonicalEvent(absent));
        const hash = createHash('sha256').update(Buffer.of(0)).update(canonical, 'utf8').digest();
        expect(eventLeafHash(event).equals(hash)).toBe(true);
      }),
      { numRuns: 500, seed: 14 },
    );
  });

  it('is of its canonical JSON (RFC 8785)', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        const canonical = (canonicalize as unknown as (input: unknown) => string)(event);
        expect(canonicalEvent(event)).toBe(canonical);
        const hash = createHash('sha256').update(Buffer.of(0)).update(canonical).digest('hex');
        expect(eventLeafHash(event).toString('hex')).toBe(hash);
      }),
      { numRuns: 500, seed: 3 },
    );
  });
});

describe('bundles', () => {
  it('prove an event offline, and nothing else', async () => {
    const [event] = fc.sample(anyEvent, { numRuns: 1, seed: 4 }) as [AuditLogEvent];
    const root = eventLeafHash(event);
    const checkpoint = await signNote(formatCheckpoint({ origin: 'a', treeSize: 1, rootHash: root }), [
      signer,
    ]);
    const bundle = { format: PROOF_FORMAT, event, leafIndex: 0, treeSize: 1, proof: [], checkpoint } as const;
    expect(checkProof(bundle, [verifier])).toMatchObject({ ok: true, verifiedBy: [verifier] });
    expect(checkProof(JSON.parse(JSON.stringify(bundle)), [verifier])).toMatchObject({ ok: true });
    expect(parseTlogProof(toTlogProof(bundle))).toMatchObject({ leafIndex: 0, checkpoint });
    for (const wrong of [
      { ...bundle, event: { ...event, userId: 'eve' } },
      { ...bundle, event: { ...event, extra: 'not in the leaf' } },
      { ...bundle, event: { ...event, details: { ...event.details, nested: { a: 1 } } } },
      { ...bundle, leafIndex: 1 },
      { ...bundle, treeSize: 2 },
      { ...bundle, proof: [root.toString('base64')] },
      { ...bundle, checkpoint: checkpoint.replace('a\n', 'b\n') },
      { ...bundle, format: 'other' },
      {},
      null,
      undefined,
      'text',
      [],
    ]) {
      expect(checkProof(wrong, [verifier])).toEqual({ ok: false, reason: expect.any(String) });
    }
    expect(checkProof(bundle, [])).toMatchObject({ ok: false });
    fc.assert(
      fc.property(fc.anything(), (anything) => {
        expect(checkProof(anything, [verifier]).ok).toBe(false);
        expect(checkProof({ ...bundle, event: anything }, [verifier]).ok).toBe(false);
      }),
      { numRuns: 300, seed: 5 },
    );
  });
});
