import { decodeHashes, TILE_WIDTH, tileRoot } from '../../ledger/tile.js';
import type { StoredTile } from '../../store/audit.entities.js';
import type { LedgerRepository } from '../../store/ledger.repository.js';
import type { Verification } from './verification.js';

/** Tiles that are read at a time, about 1 MB. */
const PAGE = 64;

/**
 * Whether every full tile is there, has the root of its hashes, and, above the lowest level, has the roots of the tiles
 * below. Whether the lowest have the leaves' hashes is seen where the leaves are read.
 */
export async function verifyTiles({ ledger, problems, size }: Verification, goOn: () => void): Promise<void> {
  for (let level = 0, count = fullTiles(size); count > 0; level += 1, count = fullTiles(count)) {
    for (let from = 0; from < count; from += PAGE) {
      goOn();
      const to = Math.min(from + PAGE, count);
      const tiles = new Map((await ledger.tiles(level, from, to)).map((tile) => [tile.tileIndex, tile]));
      const add = (code: 'tile_missing' | 'tile_changed', index: number, what: string) =>
        problems.add(code, `${what}.`, { leafIndex: index * TILE_WIDTH ** (level + 1) });
      if (tiles.size === 0) {
        // Told of once, however many there should be.
        const next = Math.min((await ledger.nextTile(level, to)) ?? count, count);
        const isOne = next - from === 1;
        const which = isOne ? `Tile ${from}` : `Tiles ${from} to ${next - 1}`;
        add('tile_missing', from, `${which} of level ${level} ${isOne ? 'is' : 'are'} not there`);
        from = next - PAGE;
        continue;
      }
      for (let index = from; index < to; index += 1) {
        const tile = tiles.get(index);
        const wrong = tile ? await whatIsWrong(ledger, level, tile) : 'is not there';
        if (wrong === undefined) continue;
        add(tile ? 'tile_changed' : 'tile_missing', index, `Tile ${index} of level ${level} ${wrong}`);
      }
    }
  }
}

function fullTiles(hashes: number): number {
  return Math.floor(hashes / TILE_WIDTH);
}

async function whatIsWrong(
  ledger: LedgerRepository,
  level: number,
  { tileIndex, root, hashes }: StoredTile,
): Promise<string | undefined> {
  let bytes: Buffer[];
  try {
    bytes = decodeHashes(hashes);
  } catch {
    return 'is no list of hashes';
  }
  if (bytes.length !== TILE_WIDTH) return `has ${bytes.length} hashes`;
  if (tileRoot(bytes).toString('base64') !== root) return 'does not have the root of its hashes';
  if (level === 0) return undefined;
  const below = await ledger.hashes(level, tileIndex * TILE_WIDTH, (tileIndex + 1) * TILE_WIDTH);
  const isEach =
    below.length === TILE_WIDTH && below.every((hash, at) => hash === bytes[at]!.toString('base64'));
  return isEach ? undefined : 'does not have the roots of the tiles below it';
}
