import { CompactRange } from '../ledger/merkle.js';
import { encodeHashes, TILE_WIDTH, tileRoot } from '../ledger/tile.js';
import type { LedgerRepository } from '../store/ledger.repository.js';
import type { StoredTile } from '../store/audit.entities.js';
import { TileReader } from '../store/tile-reader.js';

/** The right edge of the log at one size, from which it grows: the hashes of each level's unfinished tile. */
export class LogTip {
  private constructor(private readonly edges: readonly (readonly Buffer[])[]) {}

  /** @throws AuditError `AUDIT_LEDGER_BROKEN`, `AUDIT_STORE_UNAVAILABLE` */
  static async load(ledger: LedgerRepository, size: number): Promise<LogTip> {
    const reader = new TileReader(ledger, size);
    const edges: Buffer[][] = [];
    for (let level = 0; reader.width(level) > 0; level += 1) {
      edges.push(await reader.hashes(level, Math.floor(reader.width(level) / TILE_WIDTH)));
    }
    return new LogTip(edges);
  }

  get size(): number {
    return this.edges.reduce((size, hashes, level) => size + hashes.length * TILE_WIDTH ** level, 0);
  }

  root(): Buffer {
    const subtrees = this.edges.map((hashes) => {
      const range = new CompactRange();
      for (const hash of hashes) range.append(hash);
      return range.hashes;
    });
    return new CompactRange(this.size, subtrees.reverse().flat()).root();
  }

  /** The tiles that are not full yet. */
  get partialTiles(): { level: number; tileIndex: number; hashes: readonly Buffer[] }[] {
    return this.edges
      .map((hashes, level) => ({ level, tileIndex: tilesOf(level, this.size), hashes }))
      .filter(({ hashes }) => hashes.length > 0);
  }

  /** The edge with these leaves more, and the tiles that they complete. */
  extend(leaves: readonly Buffer[]): { tip: LogTip; tiles: StoredTile[] } {
    const edges = this.edges.map((hashes) => [...hashes]);
    const tiles: StoredTile[] = [];
    let { size } = this;
    for (const leaf of leaves) {
      size += 1;
      let hash = leaf;
      for (let level = 0; ; level += 1) {
        const hashes = (edges[level] ??= []);
        hashes.push(hash);
        if (hashes.length < TILE_WIDTH) break;
        hash = tileRoot(hashes);
        edges[level] = [];
        const [tileIndex, root] = [tilesOf(level, size) - 1, hash.toString('base64')];
        tiles.push({ level, tileIndex, root, hashes: encodeHashes(hashes) });
      }
    }
    return { tip: new LogTip(edges), tiles };
  }
}

/** How many full tiles of the level there are. */
function tilesOf(level: number, size: number): number {
  return Math.floor(size / TILE_WIDTH ** (level + 1));
}
