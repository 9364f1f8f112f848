// RFC 6962's tree, its proofs and their verification: published examples, and roots. All proofs of all sizes are in
// proof-mutations.spec.ts.
import fc from 'fast-check';
import {
  CompactRange,
  compactRangeAt,
  consistencyProof,
  decodeHashes,
  EMPTY_ROOT,
  encodeHashes,
  entriesPath,
  inclusionProof,
  leafHash,
  LedgerFormatError,
  nodeHash,
  nodeInTile,
  rootAt,
  TILE_WIDTH,
  tileOfNode,
  tilePath,
  tileRoot,
  verifyConsistency,
  verifyInclusion,
} from '../../src/ledger/index.js';
import type { ConsistencyClaim, HashInput, InclusionClaim, NodeReader } from '../../src/ledger/index.js';

/** MTH of RFC 6962, section 2.1, as it is written there. */
function naiveRoot(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return EMPTY_ROOT;
  if (leaves.length === 1) return leaves[0]!;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return nodeHash(naiveRoot(leaves.slice(0, split)), naiveRoot(leaves.slice(split)));
}

/** The complete subtrees of these leaves, by way of tiles. */
function readerOf(leaves: readonly Buffer[]): NodeReader {
  const levels: Buffer[][] = [[...leaves]];
  for (let hashes = levels[0]!; hashes.length >= TILE_WIDTH; hashes = levels.at(-1)!) {
    const above: Buffer[] = [];
    for (let at = 0; at + TILE_WIDTH <= hashes.length; at += TILE_WIDTH)
      above.push(tileRoot(hashes.slice(at, at + TILE_WIDTH)));
    levels.push(above);
  }
  return (level, index) => {
    const { tileLevel, tileIndex } = tileOfNode(level, index);
    const tile = levels[tileLevel]!.slice(tileIndex * TILE_WIDTH, (tileIndex + 1) * TILE_WIDTH);
    return Promise.resolve(nodeInTile(tile, level, index));
  };
}

const leavesOf = (count: number) =>
  Array.from({ length: count }, (_, index) => leafHash(Buffer.from(`leaf ${index}`)));
const hex = (hash: Buffer) => hash.toString('hex');

describe('the tree of RFC 6962', () => {
  // The test data of Certificate Transparency's own implementations: transparency-dev/merkle, proof/verify_test.go, which
  // counts leaves from 1, and google/certificate-transparency, merkle_tree_test.cc.
  const inputs = [
    '',
    '00',
    '10',
    '2021',
    '3031',
    '40414243',
    '5051525354555657',
    '606162636465666768696a6b6c6d6e6f',
  ];
  const leaves = inputs.map((input) => leafHash(Buffer.from(input, 'hex')));
  const roots = [
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ];
  const [a, b, c, d, e, f] = [
    '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
    '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
    '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
    '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
  ];

  it.each(roots.map((root, size) => [size, root]))(
    'has its published root of %i leaves',
    async (size, root) => {
      expect(hex(await rootAt(size as number, readerOf(leaves.slice(0, size as number))))).toBe(root);
    },
  );

  it.each([
    [0, 1, []],
    [0, 8, [a, b, c]],
    [5, 8, [d, e, roots[4]]],
    [2, 3, [roots[2]]],
    [1, 5, [roots[1], b, d]],
  ])('has its published path of leaf %i of %i', async (leafIndex, treeSize, path) => {
    const proof = await inclusionProof(leafIndex, treeSize, readerOf(leaves.slice(0, treeSize)));
    expect(proof.map(hex)).toEqual(path);
    const claim = { leafIndex, treeSize, leafHash: leaves[leafIndex]!, root: roots[treeSize]! };
    expect(verifyInclusion({ ...claim, proof })).toBe(true);
    expect(verifyInclusion({ ...claim, proof: path as string[] })).toBe(true);
  });

  it.each([
    [1, 1, []],
    [1, 8, [a, b, c]],
    [6, 8, [f, e, roots[4]]],
    [2, 5, [b, d]],
    [6, 7, [f, 'b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f', roots[4]]],
  ])('has its published proof that %i leaves became %i', async (size1, size2, published) => {
    const proof = await consistencyProof(size1, size2, readerOf(leaves.slice(0, size2)));
    expect(proof.map(hex)).toEqual(published);
    expect(verifyConsistency({ size1, size2, root1: roots[size1]!, root2: roots[size2]!, proof })).toBe(true);
  });
});

describe('trees of all sizes to 300', () => {
  const leaves = leavesOf(300);
  const naive = Array.from({ length: 301 }, (_, size) => naiveRoot(leaves.slice(0, size)));

  it('grow to the roots of a naive tree', async () => {
    const range = new CompactRange();
    for (let size = 0; size <= 300; size += 1) {
      expect(range.size).toBe(size);
      expect(range.root().equals(naive[size]!)).toBe(true);
      expect(new CompactRange(size, range.hashes).root().equals(naive[size]!)).toBe(true);
      const node = readerOf(leaves.slice(0, size));
      expect((await rootAt(size, node)).equals(naive[size]!)).toBe(true);
      expect((await compactRangeAt(size, node)).root().equals(naive[size]!)).toBe(true);
      if (size < 300) range.append(leaves[size]!);
    }
  });

  it('refuse what can not be asked', async () => {
    const node = readerOf(leaves);
    for (const [index, size] of [
      [1, 1],
      [-1, 3],
      [0.5, 3],
      [0, NaN],
    ] as const) {
      await expect(inclusionProof(index, size, node)).rejects.toThrow(RangeError);
    }
    await expect(consistencyProof(3, 2, node)).rejects.toThrow(RangeError);
    expect(() => new CompactRange(3, [leaves[0]!])).toThrow(RangeError);
    expect(() => nodeInTile(leaves.slice(0, 3), 2, 0)).toThrow(RangeError);
    expect(() => tileRoot(leaves.slice(0, 3))).toThrow(RangeError);
  });
});

describe('verification', () => {
  const leaves = leavesOf(7);
  const root = naiveRoot(leaves);

  it('takes sizes as numbers and bigints, and hashes as bytes, base64 and hexadecimal digits', async () => {
    const proof = await inclusionProof(3, 7, readerOf(leaves));
    const ways: ((hash: Buffer) => HashInput)[] = [
      (hash: Buffer) => hash,
      (hash: Buffer) => new Uint8Array(hash),
      (hash: Buffer) => hash.toString('base64'),
      (hash: Buffer) => hash.toString('hex'),
      (hash: Buffer) => hash.toString('hex').toUpperCase(),
    ];
    for (const write of ways) {
      const claim = {
        leafHash: write(leaves[3]!),
        proof: proof.map((hash) => write(hash)),
        root: write(root),
      };
      expect(verifyInclusion({ ...claim, leafIndex: 3, treeSize: 7 })).toBe(true);
      expect(verifyInclusion({ ...claim, leafIndex: 3n, treeSize: 7n })).toBe(true);
    }
  });

  it('answers false to every malformed claim, and never throws', async () => {
    const proof = await inclusionProof(3, 7, readerOf(leaves));
    const good: InclusionClaim = { leafIndex: 3, treeSize: 7, leafHash: leaves[3]!, proof, root };
    const bad: unknown[] = [
      undefined,
      null,
      NaN,
      -1,
      1.5,
      '3',
      2n ** 64n,
      Number.MAX_VALUE,
      '',
      'x'.repeat(44),
      Buffer.alloc(31),
      Buffer.alloc(33),
      {},
      [],
      [null],
      Array.from({ length: 10_000 }, () => root),
      Symbol('x'),
      () => root,
      new Proxy([], {
        get() {
          throw new Error('hostile');
        },
      }),
    ];
    for (const name of Object.keys(good)) {
      for (const value of bad) {
        expect(verifyInclusion({ ...good, [name]: value })).toBe(false);
      }
    }
    for (const claim of bad) {
      expect(verifyInclusion(claim as InclusionClaim)).toBe(false);
      expect(verifyConsistency(claim as ConsistencyClaim)).toBe(false);
    }
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withTypedArray: true }), fc.anything(), (one, other) => {
        expect(verifyInclusion({ ...good, proof: one } as InclusionClaim)).toBe(false);
        expect(
          verifyConsistency({ size1: one, size2: other, root1: root, root2: root, proof } as never),
        ).toBe(false);
      }),
      { numRuns: 500, seed: 1 },
    );
  });

  it('knows what every tree goes on from: an empty one, and itself', () => {
    const claim = { root2: root, proof: [] as Buffer[] };
    expect(verifyConsistency({ ...claim, size1: 0, size2: 7, root1: EMPTY_ROOT })).toBe(true);
    expect(verifyConsistency({ ...claim, size1: 0, size2: 7, root1: root })).toBe(false);
    expect(verifyConsistency({ ...claim, size1: 0, size2: 0, root1: root })).toBe(false);
    expect(verifyConsistency({ ...claim, size1: 0, size2: 7, root1: EMPTY_ROOT, proof: [root] })).toBe(false);
    expect(verifyConsistency({ ...claim, size1: 7, size2: 7, root1: root })).toBe(true);
    expect(verifyConsistency({ ...claim, size1: 7, size2: 7, root1: EMPTY_ROOT })).toBe(false);
    expect(verifyConsistency({ ...claim, size1: 3, size2: 7, root1: naiveRoot(leaves.slice(0, 3)) })).toBe(
      false,
    );
  });
});

describe('tiles', () => {
  it('are kept where C2SP tlog-tiles says', () => {
    // The examples of the specification.
    expect(tilePath(0, 1234067)).toBe('tile/0/x001/x234/067');
    expect(tilePath(2, 0, 1)).toBe('tile/2/000.p/1');
    expect(tilePath(0, 273, 112)).toBe('tile/0/273.p/112');
    expect(entriesPath(1000)).toBe('tile/entries/x001/000');
  });

  it('are written and read', () => {
    const hashes = leavesOf(5);
    expect(decodeHashes(encodeHashes(hashes)).map(hex)).toEqual(hashes.map(hex));
    expect(decodeHashes('')).toEqual([]);
    for (const wrong of ['x', 'AAAA', `${encodeHashes(hashes)}=`, ` ${encodeHashes(hashes)}`]) {
      expect(() => decodeHashes(wrong)).toThrow(LedgerFormatError);
    }
  });
});
