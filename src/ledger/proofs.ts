import { CompactRange, EMPTY_ROOT, isCount, largestPowerOfTwo, nodeHash, subtreeSizes } from './merkle.js';

/**
 * Answers the hash of a complete subtree: of the `index`-th run of 2^`level` leaves.
 *
 * @param level 0 for the leaves themselves
 */
export type NodeReader = (level: number, index: number) => Promise<Buffer>;

/**
 * The path from the leaf's sibling up to the root's child (RFC 6962, section 2.1.1).
 *
 * @throws RangeError where there is no such leaf
 */
export async function inclusionProof(
  leafIndex: number,
  treeSize: number,
  node: NodeReader,
): Promise<Buffer[]> {
  if (!isCount(leafIndex) || !isCount(treeSize) || leafIndex >= treeSize) {
    throw new RangeError(`A tree of ${treeSize} leaves has no leaf ${leafIndex}.`);
  }
  const { beside } = wayTo(leafIndex, treeSize, (from, to) => to - from === 1);
  return hashesOf(beside, node);
}

/**
 * What shows that the tree of `size2` leaves goes on from the one of `size1` (RFC 6962, section 2.1.2); nothing where
 * they are the same, or the first is empty.
 *
 * @throws RangeError where the sizes are none, or the first is larger
 */
export async function consistencyProof(size1: number, size2: number, node: NodeReader): Promise<Buffer[]> {
  if (!isCount(size1) || !isCount(size2) || size1 > size2) {
    throw new RangeError(`A tree of ${size2} leaves does not go on from one of ${size1}.`);
  }
  if (size1 === 0 || size1 === size2) return [];
  const { beside, end } = wayTo(size1 - 1, size2, (_from, to) => to === size1);
  // What begins with the first leaf is the older tree itself, whose root the verifier has.
  return hashesOf(end[0] > 0 ? [end, ...beside] : beside, node);
}

/** Some leaves: from one on to before another. */
type Leaves = readonly [from: number, to: number];

/** The way from the root down to the leaf: the subtrees beside it, lowest first, and the one that it ends with. */
function wayTo(leaf: number, size: number, isEnd: (from: number, to: number) => boolean) {
  const beside: Leaves[] = [];
  let [from, to] = [0, size];
  while (!isEnd(from, to)) {
    const middle = from + largestPowerOfTwo(to - from - 1);
    beside.unshift(leaf < middle ? [middle, to] : [from, middle]);
    [from, to] = leaf < middle ? [from, middle] : [middle, to];
  }
  return { beside, end: [from, to] as Leaves };
}

function hashesOf(subtrees: readonly Leaves[], node: NodeReader): Promise<Buffer[]> {
  return Promise.all(subtrees.map(([from, to]) => rangeHash(from, to, node)));
}

/**
 * The root of the first `size` leaves.
 *
 * @throws RangeError where there is no such size
 */
export async function rootAt(size: number, node: NodeReader): Promise<Buffer> {
  checkSize(size);
  return size === 0 ? EMPTY_ROOT : rangeHash(0, size, node);
}

/**
 * The right edge of the first `size` leaves.
 *
 * @throws RangeError where there is no such size
 */
export async function compactRangeAt(size: number, node: NodeReader): Promise<CompactRange> {
  checkSize(size);
  return new CompactRange(size, await subtreesOf(0, size, node));
}

/** The hash of the leaves from `from` on to before `to`, where the tree has a node, or its edge, for them. */
async function rangeHash(from: number, to: number, node: NodeReader): Promise<Buffer> {
  const subtrees = await subtreesOf(from, to, node);
  return subtrees.reduceRight((right, left) => nodeHash(left, right));
}

function subtreesOf(from: number, to: number, node: NodeReader): Promise<Buffer[]> {
  let start = from;
  return Promise.all(
    subtreeSizes(to - from).map((width) => {
      const index = start / width;
      start += width;
      return node(Math.log2(width), index);
    }),
  );
}

function checkSize(size: number): void {
  if (!isCount(size)) throw new RangeError(`There is no tree of ${size} leaves.`);
}
