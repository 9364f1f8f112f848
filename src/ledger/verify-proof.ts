import { decodeHash } from './base64.js';
import { HASH_SIZE, EMPTY_ROOT, nodeHash } from './merkle.js';

/** A SHA-256 hash: 32 bytes, or their base64 or hexadecimal text. */
export type HashInput = Uint8Array | string;

/** An index or a size. Whatever is no whole number from 0 on is refused. */
export type CountInput = number | bigint;

/** That a leaf is in a tree. */
export interface InclusionClaim {
  /** Counted from 0. */
  readonly leafIndex: CountInput;
  readonly treeSize: CountInput;
  readonly leafHash: HashInput;
  /** From the leaf's sibling up (RFC 6962, section 2.1.1). */
  readonly proof: readonly HashInput[];
  readonly root: HashInput;
}

/** That a tree only grew. */
export interface ConsistencyClaim {
  readonly size1: CountInput;
  readonly size2: CountInput;
  readonly root1: HashInput;
  readonly root2: HashInput;
  /** RFC 6962, section 2.1.2. */
  readonly proof: readonly HashInput[];
}

/** No tree that a proof can be about is higher: sizes have 64 bits at most. */
const MAX_PROOF = 130;
const HEX = /^[0-9a-f]{64}$/i;

/** RFC 9162, section 2.1.3.2. Never throws; what is malformed in any way is not proved. */
export function verifyInclusion(claim: InclusionClaim): boolean {
  return isProved(() => {
    const [index, size] = [toCount(claim.leafIndex), toCount(claim.treeSize)];
    const path = toHashes(claim.proof);
    const root = toHash(claim.root);
    const leaf = toHash(claim.leafHash);
    return index < size && climb(leaf, index, size - 1n, path)?.whole.equals(root) === true;
  });
}

/**
 * RFC 9162, section 2.1.4.2. Never throws; what is malformed in any way is not proved. Of an empty tree every tree is a
 * continuation: `root1` is then the empty tree's and the proof has nothing.
 */
export function verifyConsistency(claim: ConsistencyClaim): boolean {
  return isProved(() => {
    const [size1, size2] = [toCount(claim.size1), toCount(claim.size2)];
    const [root1, root2] = [toHash(claim.root1), toHash(claim.root2)];
    let path = toHashes(claim.proof);
    if (size1 > size2) return false;
    if (size1 === size2) return path.length === 0 && root1.equals(root2) && isRootOf(root1, size1);
    if (size1 === 0n) return path.length === 0 && root1.equals(EMPTY_ROOT);
    if (path.length === 0) return false;
    // A tree that is a complete subtree of the other begins its own proof.
    if ((size1 & (size1 - 1n)) === 0n) path = [root1, ...path];
    let [first, last] = [size1 - 1n, size2 - 1n];
    while (first % 2n === 1n) [first, last] = [first >> 1n, last >> 1n];
    const [node, ...siblings] = path;
    const roots = climb(node!, first, last, siblings);
    return roots !== undefined && roots.older.equals(root1) && roots.whole.equals(root2);
  });
}

/**
 * Climbs from a node to the root, past the siblings of the path.
 *
 * @param index of the node on its level, of which `last` is the last
 * @returns the root, and that of the older tree whose last node it is: siblings to its right came later; `undefined` where the path does not
 *   end at the root
 */
function climb(node: Buffer, index: bigint, last: bigint, path: readonly Buffer[]) {
  let [whole, older] = [node, node];
  for (const sibling of path) {
    if (last === 0n) return undefined;
    if (index % 2n === 1n || index === last) {
      [whole, older] = [nodeHash(sibling, whole), nodeHash(sibling, older)];
      while (index % 2n === 0n && index !== 0n) [index, last] = [index >> 1n, last >> 1n];
    } else whole = nodeHash(whole, sibling);
    [index, last] = [index >> 1n, last >> 1n];
  }
  return last === 0n ? { whole, older } : undefined;
}

/** The only root that can be told without leaves is the empty tree's. */
function isRootOf(root: Buffer, size: bigint): boolean {
  return size !== 0n || root.equals(EMPTY_ROOT);
}

function isProved(check: () => boolean): boolean {
  try {
    return check();
  } catch {
    return false;
  }
}

function toCount(value: unknown): bigint {
  if (typeof value === 'bigint' && value >= 0n && value < 1n << 64n) return value;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  throw new RangeError('not a whole number from 0 on');
}

/** By its length, read once: a list may be iterated in a way of its own, without an end. */
function toHashes(value: unknown): Buffer[] {
  if (!Array.isArray(value)) throw new TypeError('not a list of hashes');
  const list = value as unknown[];
  const { length } = list;
  if (!Number.isInteger(length) || length < 0 || length > MAX_PROOF) throw new TypeError('not a proof');
  return Array.from({ length }, (_, index) => toHash(list[index]));
}

function toHash(value: unknown): Buffer {
  const bytes = typeof value === 'string' ? fromText(value) : value;
  if (!(bytes instanceof Uint8Array) || bytes.byteLength !== HASH_SIZE) throw new TypeError('not a hash');
  const copy = Buffer.from(bytes);
  // What is copied is not what it says of itself.
  if (copy.length !== HASH_SIZE) throw new TypeError('not a hash');
  return copy;
}

function fromText(text: string): Buffer | undefined {
  return HEX.test(text) ? Buffer.from(text, 'hex') : decodeHash(text);
}
