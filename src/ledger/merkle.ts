import { hash } from 'node:crypto';

/** Bytes of a SHA-256 hash. */
export const HASH_SIZE = 32;

/** The root of the tree without leaves (RFC 6962, section 2.1). */
export const EMPTY_ROOT: Buffer = hash('sha256', '', 'buffer');

const LEAF_PREFIX = Buffer.of(0);
// Filled and hashed in one synchronous step.
const nodeInput = Buffer.alloc(1 + 2 * HASH_SIZE, 1);

/** SHA-256(0x00 || data) (RFC 6962, section 2.1). @param data a text stands for its bytes in UTF-8 */
export function leafHash(data: Uint8Array | string): Buffer {
  const input = typeof data === 'string' ? `\0${data}` : Buffer.concat([LEAF_PREFIX, data]);
  return hash('sha256', input, 'buffer');
}

/**
 * SHA-256(0x01 || left || right) (RFC 6962, section 2.1).
 *
 * @throws RangeError where one of them is not of 32 bytes
 */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  // A shorter one would leave bytes of an earlier node in its place.
  checkHash(left);
  checkHash(right);
  nodeInput.set(left, 1);
  nodeInput.set(right, 1 + HASH_SIZE);
  return hash('sha256', nodeInput, 'buffer');
}

/**
 * The right edge of a tree that only grows: the hashes of the complete subtrees that its leaves divide into, largest
 * first. Enough to append and to know the root, whatever the size.
 */
export class CompactRange {
  private readonly subtrees: Buffer[];

  /**
   * @param leaves how many
   * @param subtrees the roots of the complete subtrees that they make, largest first
   * @throws RangeError where there is no such tree
   */
  constructor(
    private leaves = 0,
    subtrees: readonly Buffer[] = [],
  ) {
    this.subtrees = [...subtrees];
    this.subtrees.forEach(checkHash);
    if (!isCount(leaves)) throw new RangeError(`There is no tree of ${leaves} leaves.`);
    if (subtreeSizes(leaves).length !== subtrees.length) {
      throw new RangeError(`A tree of ${leaves} leaves is not made of ${subtrees.length} complete subtrees.`);
    }
  }

  get size(): number {
    return this.leaves;
  }

  /** Of the complete subtrees, largest first: with {@link size}, what it can be made of again. */
  get hashes(): readonly Buffer[] {
    return [...this.subtrees];
  }

  /** @throws RangeError where it is not a hash of 32 bytes */
  append(leaf: Buffer): void {
    checkHash(leaf);
    let node = leaf;
    // Each trailing one of the size is a subtree as large as the one that has just become complete.
    for (let rest = this.leaves; rest % 2 === 1; rest = (rest - 1) / 2) {
      node = nodeHash(this.subtrees.pop()!, node);
    }
    this.subtrees.push(node);
    this.leaves += 1;
  }

  root(): Buffer {
    if (this.leaves === 0) return EMPTY_ROOT;
    return this.subtrees.reduceRight((right, left) => nodeHash(left, right));
  }

  clone(): CompactRange {
    return new CompactRange(this.leaves, this.subtrees);
  }
}

/** The complete subtrees that a tree of this many leaves divides into, by their number of leaves, largest first. */
export function subtreeSizes(size: number): number[] {
  const sizes: number[] = [];
  let rest = size;
  for (let width = largestPowerOfTwo(size); rest > 0; width /= 2) {
    if (rest < width) continue;
    sizes.push(width);
    rest -= width;
  }
  return sizes;
}

/** The largest power of two that is not above the number, from 1 on. */
export function largestPowerOfTwo(limit: number): number {
  let power = 1;
  while (power * 2 <= limit) power *= 2;
  return power;
}

/** Whether it is a number that leaves can be counted by. */
export function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function checkHash(hash: Uint8Array): void {
  if (hash.length !== HASH_SIZE) throw new RangeError(`A hash has ${HASH_SIZE} bytes, not ${hash.length}.`);
}
