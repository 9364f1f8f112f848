import { decodeBase64 } from './base64.js';
import { LedgerFormatError } from './format-error.js';
import { HASH_SIZE, nodeHash } from './merkle.js';

/** Levels of the tree in one tile (C2SP tlog-tiles). */
export const TILE_HEIGHT = 8;
/** Hashes in a full tile. */
export const TILE_WIDTH = 256;

/** Where a tile is kept, `tile/<level>/<index>`, with `.p/<width>` where it is not full (C2SP tlog-tiles). */
export function tilePath(level: number, index: number, width: number = TILE_WIDTH): string {
  return `tile/${level}/${pathOf(index, width)}`;
}

/** Where the entries of a tile's leaves are kept (C2SP tlog-tiles). */
export function entriesPath(index: number, width: number = TILE_WIDTH): string {
  return `tile/entries/${pathOf(index, width)}`;
}

/** `x001/x234/067` for 1234067. */
function pathOf(index: number, width: number): string {
  const digits = String(index);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/.{3}/g)!;
  const last = groups.pop()!;
  const path = [...groups.map((group) => `x${group}`), last].join('/');
  return width === TILE_WIDTH ? path : `${path}.p/${width}`;
}

/** The tile that the node of a tree's binary level is computed from. */
export function tileOfNode(level: number, index: number): { tileLevel: number; tileIndex: number } {
  const tileLevel = Math.floor(level / TILE_HEIGHT);
  const width = 2 ** (level - tileLevel * TILE_HEIGHT);
  return { tileLevel, tileIndex: Math.floor((index * width) / TILE_WIDTH) };
}

/**
 * The hash of the node, from the hashes of its tile.
 *
 * @param hashes of {@link tileOfNode}, as many as the tree has, with all that the node covers
 * @throws RangeError where the tile does not reach so far
 */
export function nodeInTile(hashes: readonly Buffer[], level: number, index: number): Buffer {
  const width = 2 ** (level % TILE_HEIGHT);
  const from = (index * width) % TILE_WIDTH;
  if (from + width > hashes.length)
    throw new RangeError(`The tile ends before node ${index} of level ${level}.`);
  return rootOf(hashes.slice(from, from + width));
}

/** The hash of a full tile, which is one of the tile above. */
export function tileRoot(hashes: readonly Buffer[]): Buffer {
  if (hashes.length !== TILE_WIDTH) throw new RangeError(`A tile of ${hashes.length} hashes is not full.`);
  return rootOf(hashes);
}

/** Of a power of two of hashes. */
function rootOf(hashes: readonly Buffer[]): Buffer {
  let row = hashes;
  while (row.length > 1) {
    const above: Buffer[] = [];
    for (let left = 0; left < row.length; left += 2) above.push(nodeHash(row[left]!, row[left + 1]!));
    row = above;
  }
  return row[0]!;
}

/** Base64 of the hashes, one behind the other. */
export function encodeHashes(hashes: readonly Buffer[]): string {
  return Buffer.concat(hashes).toString('base64');
}

/** @throws LedgerFormatError */
export function decodeHashes(text: string): Buffer[] {
  const bytes = decodeBase64(text);
  if (bytes === undefined || bytes.length % HASH_SIZE !== 0) {
    throw new LedgerFormatError('The hashes are not the base64 of 32 bytes each.');
  }
  return Array.from({ length: bytes.length / HASH_SIZE }, (_, index) =>
    bytes.subarray(index * HASH_SIZE, (index + 1) * HASH_SIZE),
  );
}
