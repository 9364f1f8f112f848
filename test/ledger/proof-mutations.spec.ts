// Proofs against a second verification that is written from the definition: every claim of small trees in every mutation,
// and sizes that no tree here reaches. What both take for true is true.
import fc from 'fast-check';
import { hash } from 'node:crypto';
import {
  CompactRange,
  compactRangeAt,
  consistencyProof,
  EMPTY_ROOT,
  inclusionProof,
  leafHash,
  nodeHash,
  nodeInTile,
  rootAt,
  TILE_WIDTH,
  tileOfNode,
  tileRoot,
  verifyConsistency,
  verifyInclusion,
} from '../../src/ledger/index.js';
import type { NodeReader } from '../../src/ledger/index.js';

interface Inclusion {
  readonly leafIndex: bigint;
  readonly treeSize: bigint;
  readonly leafHash: Buffer;
  readonly proof: readonly Buffer[];
  readonly root: Buffer;
}
interface Consistency {
  readonly size1: bigint;
  readonly size2: bigint;
  readonly root1: Buffer;
  readonly root2: Buffer;
  readonly proof: readonly Buffer[];
}
/** A claim with one thing changed. `forged` where a hash or the length of the proof is, so that it can't be true. */
interface Mutation<Claim> {
  readonly how: string;
  readonly claim: Claim;
  readonly forged: boolean;
}

const sha256 = (...parts: readonly Uint8Array[]) => hash('sha256', Buffer.concat(parts), 'buffer');
const naiveLeaf = (data: string) => sha256(Buffer.of(0), Buffer.from(data));
const naiveNode = (left: Buffer, right: Buffer) => sha256(Buffer.of(1), left, right);

/** The k of RFC 6962: the largest power of two below the size. */
function splitOf(size: bigint): bigint {
  return 1n << BigInt((size - 1n).toString(2).length - 1);
}

/** MTH of RFC 6962, section 2.1. */
function naiveRoot(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return leaves[0]!;
  const split = Number(splitOf(BigInt(leaves.length)));
  return naiveNode(naiveRoot(leaves.slice(0, split)), naiveRoot(leaves.slice(split)));
}

/** The root that PATH of RFC 6962, section 2.1.1, leads to, backwards; nothing where the path is of another length. */
function rootOfPath(index: bigint, size: bigint, leaf: Buffer, path: readonly Buffer[]): Buffer | undefined {
  if (size === 1n) return path.length === 0 ? leaf : undefined;
  const [split, last, rest] = [splitOf(size), path.at(-1), path.slice(0, -1)];
  const isLeft = index < split;
  const below = isLeft
    ? rootOfPath(index, split, leaf, rest)
    : rootOfPath(index - split, size - split, leaf, rest);
  if (last === undefined || below === undefined) return undefined;
  return isLeft ? naiveNode(below, last) : naiveNode(last, below);
}

/** How many hashes PATH has. */
function lengthOfPath(index: bigint, size: bigint): number {
  if (size === 1n) return 0;
  const split = splitOf(size);
  return 1 + (index < split ? lengthOfPath(index, split) : lengthOfPath(index - split, size - split));
}

/** The two roots that SUBPROOF of RFC 6962, section 2.1.2, leads to, backwards. */
function rootsOfProof(
  size1: bigint,
  size2: bigint,
  path: readonly Buffer[],
  known: Buffer | undefined,
): readonly [Buffer, Buffer] | undefined {
  if (size1 === size2) {
    const [node, ...more] = known ? [known, ...path] : path;
    return node && more.length === 0 ? [node, node] : undefined;
  }
  const [split, last, rest] = [splitOf(size2), path.at(-1), path.slice(0, -1)];
  if (last === undefined) return undefined;
  if (size1 <= split) {
    const below = rootsOfProof(size1, split, rest, known);
    return below && [below[0], naiveNode(below[1], last)];
  }
  const below = rootsOfProof(size1 - split, size2 - split, rest, undefined);
  return below && [naiveNode(last, below[0]), naiveNode(last, below[1])];
}

/** How many hashes SUBPROOF has. @param isKnown whether the older tree is a subtree whose root the verifier has */
function lengthOfProof(size1: bigint, size2: bigint, isKnown: boolean): number {
  if (size1 === size2) return isKnown ? 0 : 1;
  const split = splitOf(size2);
  const isLeft = size1 <= split;
  return (
    1 + (isLeft ? lengthOfProof(size1, split, isKnown) : lengthOfProof(size1 - split, size2 - split, false))
  );
}

const MAX = 1n << 64n;

function isIncluded({ leafIndex, treeSize, leafHash: leaf, proof, root }: Inclusion): boolean {
  if (leafIndex < 0n || leafIndex >= treeSize || treeSize >= MAX) return false;
  return rootOfPath(leafIndex, treeSize, leaf, proof)?.equals(root) ?? false;
}

function isConsistent({ size1, size2, root1, root2, proof }: Consistency): boolean {
  if (size1 < 0n || size1 > size2 || size2 >= MAX) return false;
  const isEmpty = root1.equals(sha256());
  if (size1 === size2) return proof.length === 0 && root1.equals(root2) && (size1 > 0n || isEmpty);
  if (size1 === 0n) return proof.length === 0 && isEmpty;
  const roots = rootsOfProof(size1, size2, proof, root1);
  return roots !== undefined && roots[0].equals(root1) && roots[1].equals(root2);
}

function flipped(hash: Buffer, bit: number): Buffer {
  const copy = Buffer.from(hash);
  copy[(bit >> 3) % copy.length]! ^= 1 << (bit & 7);
  return copy;
}

/** `turn` decides which bits are flipped. */
function wrongPaths(path: readonly Buffer[], spare: Buffer, turn: number): [string, Buffer[]][] {
  const wrong: [string, Buffer[]][] = [['appended', [...path, spare]]];
  path.forEach((hash, at) => {
    const before = path.slice(0, at);
    const after = path.slice(at + 1);
    wrong.push(
      [`bit flipped in ${at}`, [...before, flipped(hash, turn * 7 + at * 31), ...after]],
      [`${at} dropped`, [...before, ...after]],
      [`added before ${at}`, [...before, spare, hash, ...after]],
      [`${at} doubled`, [...before, hash, hash, ...after]],
    );
    if (at > 0) wrong.push([`${at} swapped`, [...before.slice(0, -1), hash, path[at - 1]!, ...after]]);
  });
  return wrong;
}

function wrongInclusions(claim: Inclusion, turn: number): Mutation<Inclusion>[] {
  const { leafIndex, treeSize, root } = claim;
  const forged: [string, Partial<Inclusion>][] = [
    ...wrongPaths(claim.proof, root, turn).map(([how, proof]): [string, Partial<Inclusion>] => [
      how,
      { proof },
    ]),
    ['leaf flipped', { leafHash: flipped(claim.leafHash, turn) }],
    ['root flipped', { root: flipped(root, turn) }],
    ['root empty', { root: sha256() }],
    // Paths that go on above the root, with the root that they lead to.
    ['one higher, left', { proof: [...claim.proof, root], root: naiveNode(root, root) }],
    ['one higher', { proof: [...claim.proof, claim.leafHash], root: naiveNode(claim.leafHash, root) }],
    ['index - 1', { leafIndex: leafIndex - 1n }],
    ['index + 1', { leafIndex: leafIndex + 1n }],
    ['index ^ 2', { leafIndex: leafIndex ^ 2n }],
    ['size of the index', { treeSize: leafIndex }],
    ['size 0', { treeSize: 0n }],
    ['all of 64 bits', { treeSize: MAX }],
  ];
  // The size is only told by the way that the path turns: in trees of other sizes it may turn the same.
  const other: [string, Partial<Inclusion>][] = [
    ['size - 1', { treeSize: treeSize - 1n }],
    ['size + 1', { treeSize: treeSize + 1n }],
    ['size * 2', { treeSize: treeSize * 2n }],
    ['size / 2', { treeSize: treeSize / 2n }],
  ];
  return [
    ...forged.map(([how, change]) => ({ how, claim: { ...claim, ...change }, forged: true })),
    ...other.map(([how, change]) => ({ how, claim: { ...claim, ...change }, forged: false })),
  ];
}

function wrongConsistencies(claim: Consistency, turn: number): Mutation<Consistency>[] {
  const { size1, size2, root1, root2 } = claim;
  const spare = naiveLeaf('spare');
  // What goes on from an empty tree is any tree, and says nothing of the second root.
  const forged: [string, Partial<Consistency>][] = [
    ...wrongPaths(claim.proof, turn % 2 === 0 ? root1 : root2, turn).map(
      ([how, proof]): [string, Partial<Consistency>] => [how, { proof }],
    ),
    [
      'one higher',
      {
        proof: [...claim.proof, spare],
        root1: naiveNode(spare, root1),
        root2: naiveNode(spare, root2),
      },
    ],
    ['second one higher', { proof: [...claim.proof, root1], root2: naiveNode(root2, root1) }],
    ['first root flipped', { root1: flipped(root1, turn) }],
    ['all of 64 bits', { size2: MAX }],
    ['first size beyond', { size1: size2 + 1n }],
  ];
  const other: [string, Partial<Consistency>][] = [
    ['second root flipped', { root2: flipped(root2, turn) }],
    ['roots swapped', { root1: root2, root2: root1 }],
    ['sizes swapped', { size1: size2, size2: size1 }],
    ['first size 0', { size1: 0n }],
    ['first size - 1', { size1: size1 - 1n }],
    ['first size + 1', { size1: size1 + 1n }],
    ['first size ^ 2', { size1: size1 ^ 2n }],
    ['second size - 1', { size2: size2 - 1n }],
    ['second size + 1', { size2: size2 + 1n }],
    ['second size * 2', { size2: size2 * 2n }],
    ['second size / 2', { size2: size2 / 2n }],
  ];
  return [
    ...forged.map(([how, change]) => ({ how, claim: { ...claim, ...change }, forged: true })),
    ...other.map(([how, change]) => ({ how, claim: { ...claim, ...change }, forged: false })),
  ];
}

/** The same counts as numbers, where they can be. */
function numbered<Claim extends object>(claim: Claim): Claim {
  return Object.fromEntries(
    Object.entries(claim).map(([name, value]) => [name, typeof value === 'bigint' ? Number(value) : value]),
  ) as Claim;
}

function checkInclusion({ how, claim, forged }: Mutation<Inclusion>, turn: number): void {
  const truth = isIncluded(claim);
  const said = verifyInclusion(turn % 2 === 0 ? claim : numbered(claim));
  if (said !== truth || (forged && truth))
    throw new Error(`Leaf ${claim.leafIndex} of ${claim.treeSize}, ${how}: ${said}, and is ${truth}.`);
}

function checkConsistency({ how, claim, forged }: Mutation<Consistency>, turn: number): void {
  const truth = isConsistent(claim);
  const said = verifyConsistency(turn % 2 === 0 ? claim : numbered(claim));
  if (said !== truth || (forged && truth))
    throw new Error(`${claim.size1} to ${claim.size2} leaves, ${how}: ${said}, and is ${truth}.`);
}

/** The tiles of a tree, as C2SP tlog-tiles has them: by level and index, the last of each level with what there is. */
function tilesOf(leaves: readonly Buffer[]): Buffer[][][] {
  const levels: Buffer[][][] = [];
  for (let hashes = [...leaves]; hashes.length > 0;) {
    const tiles: Buffer[][] = [];
    for (let at = 0; at < hashes.length; at += TILE_WIDTH) tiles.push(hashes.slice(at, at + TILE_WIDTH));
    levels.push(tiles);
    hashes = tiles.filter((tile) => tile.length === TILE_WIDTH).map(tileRoot);
  }
  return levels;
}

function readerOf(leaves: readonly Buffer[]): NodeReader {
  const tiles = tilesOf(leaves);
  const known = new Map<number, Buffer>();
  return async (level, index) => {
    const key = level * 2 ** 20 + index;
    const { tileLevel, tileIndex } = tileOfNode(level, index);
    const node = known.get(key) ?? nodeInTile(tiles[tileLevel]![tileIndex]!, level, index);
    known.set(key, node);
    return node;
  };
}

/** Small trees, and those around a full tile and half of one; sizes between them, and far beyond, are drawn at random below. */
const SIZES = Array.from({ length: 268 }, (_, size) => size).filter(
  (size) => size <= 66 || (size >= 126 && size <= 131) || size >= 254,
);
const LARGEST = SIZES.at(-1)!;
const ALL_MUTATIONS_TO = 33;
const leaves = Array.from({ length: LARGEST }, (_, index) => naiveLeaf(`leaf ${index}`));
const roots = Array.from({ length: LARGEST + 1 }, (_, size) => naiveRoot(leaves.slice(0, size)));

describe('the hashes', () => {
  it('are those of RFC 6962', () => {
    expect(EMPTY_ROOT.equals(sha256())).toBe(true);
    expect(leafHash(Buffer.from('leaf 0')).equals(leaves[0]!)).toBe(true);
    expect(nodeHash(leaves[0]!, leaves[1]!).equals(roots[2]!)).toBe(true);
    expect(nodeHash(new Uint8Array(leaves[0]!), new Uint8Array(leaves[1]!)).equals(roots[2]!)).toBe(true);
  });

  it('are of nothing but two hashes', () => {
    // What is shorter would be hashed together with what was hashed before.
    for (const wrong of [Buffer.alloc(0), Buffer.alloc(31), Buffer.alloc(33), Buffer.alloc(64)]) {
      expect(() => nodeHash(wrong, leaves[0]!)).toThrow(RangeError);
      expect(() => nodeHash(leaves[0]!, wrong)).toThrow(RangeError);
      expect(() => new CompactRange().append(wrong)).toThrow(RangeError);
      expect(() => new CompactRange(1, [wrong])).toThrow(RangeError);
    }
  });
});

describe.each([
  ['every mutation', ALL_MUTATIONS_TO, undefined],
  ['one mutation each, by turns', LARGEST, 1],
])('proofs, with %s', (_, largest, each) => {
  /** All of them, or the next one. */
  const chosen = <Claim>(mutations: Mutation<Claim>[], turn: number) =>
    each === undefined ? mutations : [mutations[turn % mutations.length]!];

  it('of leaves are true, and false in any way that the definition does not have', async () => {
    let turn = 0;
    for (const size of SIZES.filter((each) => each <= largest)) {
      const node = readerOf(leaves.slice(0, size));
      for (let index = 0; index < size; index += 1) {
        turn += 1;
        const claim: Inclusion = {
          leafIndex: BigInt(index),
          treeSize: BigInt(size),
          leafHash: leaves[index]!,
          proof: await inclusionProof(index, size, node),
          root: roots[size]!,
        };
        if (!isIncluded(claim)) throw new Error(`The path of leaf ${index} of ${size} is wrong.`);
        if (!verifyInclusion(claim)) throw new Error(`Leaf ${index} of ${size} is not proved.`);
        chosen(wrongInclusions(claim, turn), turn).forEach((mutation, at) =>
          checkInclusion(mutation, turn + at),
        );
      }
    }
  });

  it('of growth are true, and false in any way that the definition does not have', async () => {
    let turn = 0;
    for (const size2 of SIZES.filter((each) => each <= largest)) {
      const node = readerOf(leaves.slice(0, size2));
      for (let size1 = 0; size1 <= size2; size1 += 1) {
        turn += 1;
        const claim: Consistency = {
          size1: BigInt(size1),
          size2: BigInt(size2),
          root1: roots[size1]!,
          root2: roots[size2]!,
          proof: await consistencyProof(size1, size2, node),
        };
        if (!isConsistent(claim)) throw new Error(`The proof of ${size1} to ${size2} leaves is wrong.`);
        if (!verifyConsistency(claim)) throw new Error(`${size1} to ${size2} leaves is not proved.`);
        chosen(wrongConsistencies(claim, turn), turn).forEach((mutation, at) =>
          checkConsistency(mutation, turn + at),
        );
      }
    }
  });
});

describe('sizes up to 64 bits', () => {
  const spares = Array.from({ length: 130 }, (_, index) => naiveLeaf(`spare ${index}`));
  const size = fc.oneof(
    fc.bigInt({ min: 1n, max: MAX - 1n }),
    fc
      .tuple(fc.integer({ min: 0, max: 63 }), fc.constantFrom(-1n, 0n, 1n))
      .map(([exponent, more]) => (1n << BigInt(exponent)) + more || 1n),
    fc.constant(MAX - 1n),
  );
  const sizes = fc.tuple(size, size).map(([one, other]) => (one < other ? [one, other] : [other, one]));

  it('have paths that are true, and false when mutated', () => {
    fc.assert(
      fc.property(sizes, fc.nat(10_000), ([smaller, treeSize], turn) => {
        const leafIndex = smaller! - 1n;
        const proof = spares.slice(0, lengthOfPath(leafIndex, treeSize!));
        const root = rootOfPath(leafIndex, treeSize!, spares[0]!, proof)!;
        const claim: Inclusion = { leafIndex, treeSize: treeSize!, leafHash: spares[0]!, proof, root };
        expect(verifyInclusion(claim)).toBe(true);
        const mutations = wrongInclusions(claim, turn);
        for (const { claim: wrong } of [1, 2, 3].map((step) => mutations[(turn * step) % mutations.length]!))
          expect(verifyInclusion(wrong)).toBe(isIncluded(wrong));
      }),
      { numRuns: 400, seed: 6 },
    );
  });

  it('have proofs of growth that are true, and false when mutated', () => {
    fc.assert(
      fc.property(sizes, fc.nat(10_000), ([size1, size2], turn) => {
        fc.pre(size1 !== size2);
        // Where the older tree is a complete subtree, its own root begins the proof, and its twin goes into the other.
        const isPower = (size1! & (size1! - 1n)) === 0n;
        const proof = spares.slice(0, lengthOfProof(size1!, size2!, isPower));
        const [root1, root2] = rootsOfProof(size1!, size2!, proof, isPower ? spares[129] : undefined)!;
        const claim: Consistency = { size1: size1!, size2: size2!, root1, root2, proof };
        expect(isConsistent(claim)).toBe(true);
        expect(verifyConsistency(claim)).toBe(true);
        const mutations = wrongConsistencies(claim, turn);
        for (const { claim: wrong } of [1, 2, 3].map((step) => mutations[(turn * step) % mutations.length]!))
          expect(verifyConsistency(wrong)).toBe(isConsistent(wrong));
      }),
      { numRuns: 400, seed: 7 },
    );
  });

  it('ask for nodes that are there, up to the largest number that counts', async () => {
    const asked: [number, number][] = [];
    const node: NodeReader = async (level, index) => {
      asked.push([level, index]);
      return spares[0]!;
    };
    for (let exponent = 0; exponent < 53; exponent += 1) {
      for (const more of [-1, 0, 1]) {
        const treeSize = 2 ** exponent + more;
        if (treeSize < 1 || !Number.isSafeInteger(treeSize)) continue;
        asked.length = 0;
        await inclusionProof(treeSize - 1, treeSize, node);
        await inclusionProof(0, treeSize, node);
        await consistencyProof(Math.ceil(treeSize / 3), treeSize, node);
        await rootAt(treeSize, node);
        expect((await compactRangeAt(treeSize, node)).size).toBe(treeSize);
        for (const [level, index] of asked) {
          if (!Number.isInteger(level) || !Number.isInteger(index) || 2 ** level * (index + 1) > treeSize)
            throw new Error(`Node ${index} of level ${level} was asked of ${treeSize} leaves.`);
        }
      }
    }
  });
});

describe('tiles', () => {
  it.each([
    // The examples of C2SP tlog-tiles, under "Partial Tiles".
    [70_000, [273, 1, 0], [112, 17, 1]],
    [256, [1, 0], [0, 1]],
  ])('of a tree of %i leaves are as many as published', (size, full, partial) => {
    const tiles = tilesOf(Array.from({ length: size }, () => leaves[0]!));
    expect(tiles.map((level) => level.filter((tile) => tile.length === TILE_WIDTH).length)).toEqual(full);
    expect(tiles.map((level) => level.at(-1)!.length % TILE_WIDTH)).toEqual(partial);
  });

  it('give the right edge, whole and in parts, across 65,536 leaves', async () => {
    const many = Array.from({ length: TILE_WIDTH ** 2 + 2 }, (_, index) => naiveLeaf(`${index}`));
    const range = new CompactRange();
    const older = many.length - 100;
    let olderRoot = EMPTY_ROOT;
    for (const leaf of many) {
      range.append(leaf);
      if (range.size === older) olderRoot = range.root();
      if (range.size < TILE_WIDTH ** 2 - 2) continue;
      const node = readerOf(many.slice(0, range.size));
      const root = range.root();
      const edge = await compactRangeAt(range.size, node);
      expect(edge.root().equals(root)).toBe(true);
      expect((await rootAt(range.size, node)).equals(root)).toBe(true);
      // It goes on as what was appended does, and a copy leaves it alone.
      const [copy, appended] = [edge.clone(), range.clone()];
      for (const next of [leaf, root]) [copy, appended].forEach((one) => one.append(next));
      expect(copy.root().equals(appended.root())).toBe(true);
      expect(edge.root().equals(root)).toBe(true);
      for (const leafIndex of [0, 255, 256, 65_279, 65_280, range.size - 1]) {
        const proof = await inclusionProof(leafIndex, range.size, node);
        const claim = { leafIndex, treeSize: range.size, leafHash: many[leafIndex]!, proof, root };
        expect(verifyInclusion(claim)).toBe(true);
      }
      const proof = await consistencyProof(older, range.size, node);
      const claim = { size1: older, size2: range.size, root1: olderRoot, root2: root, proof };
      expect(verifyConsistency(claim)).toBe(true);
    }
  });

  it('refuse what is no size', async () => {
    const node = readerOf(leaves);
    for (const wrong of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
      await expect(rootAt(wrong, node)).rejects.toThrow(RangeError);
      await expect(compactRangeAt(wrong, node)).rejects.toThrow(RangeError);
      await expect(inclusionProof(0, wrong, node)).rejects.toThrow(RangeError);
      await expect(consistencyProof(0, wrong, node)).rejects.toThrow(RangeError);
      expect(() => new CompactRange(wrong)).toThrow(RangeError);
    }
  });
});
