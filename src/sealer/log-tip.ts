import type { CompactRange } from '../ledger/merkle.js';
import { compactRangeAt } from '../ledger/proofs.js';
import { encodeHashes, TILE_WIDTH, tileRoot } from '../ledger/tile.js';
import type { LedgerRepository } from '../store/ledger.repository.js';
import type { StoredTile } from '../store/ledger-records.js';
import { TileReader } from '../store/tile-reader.js';

/** The right edge of the log at one size, from which it grows: the hashes of each level's unfinished tile. */
export class LogTip {
  private constructor(
    private readonly range: CompactRange,
    private readonly edges: readonly (readonly Buffer[])[],
  ) {}

  /** @throws AuditError `AUDIT_LEDGER_BROKEN`, `AUDIT_STORE_UNAVAILABLE` */
  static async load(ledger: LedgerRepository, size: number): Promise<LogTip> {
    const reader = new TileReader(ledger, size);
    const edges: Buffer[][] = [];
    for (let level = 0; reader.width(level) > 0; level += 1) {
      edges.push(await reader.hashes(level, Math.floor(reader.width(level) / TILE_WIDTH)));
    }
    return new LogTip(await compactRangeAt(size, reader.node), edges);
  }

  get size(): number {
    return this.range.size;
  }

  root(): Buffer {
    return this.range.root();
  }

  /** The tiles that are not full yet. */
  get partialTiles(): { level: number; tileIndex: number; hashes: readonly Buffer[] }[] {
    return this.edges.flatMap((hashes, level) =>
      hashes.length === 0
        ? []
        : [{ level, tileIndex: Math.floor(this.size / TILE_WIDTH ** (level + 1)), hashes }],
    );
  }

  /** The edge with these leaves more, and the tiles that they complete. */
  extend(leaves: readonly Buffer[]): { tip: LogTip; tiles: StoredTile[] } {
    const range = this.range.clone();
    const edges = this.edges.map((hashes) => [...hashes]);
    const tiles: StoredTile[] = [];
    for (const leaf of leaves) {
      range.append(leaf);
      let hash = leaf;
      for (let level = 0; ; level += 1) {
        const hashes = (edges[level] ??= []);
        hashes.push(hash);
        if (hashes.length < TILE_WIDTH) break;
        hash = tileRoot(hashes);
        edges[level] = [];
        tiles.push({
          level,
          tileIndex: range.size / TILE_WIDTH ** (level + 1) - 1,
          root: hash.toString('base64'),
          hashes: encodeHashes(hashes),
        });
      }
    }
    return { tip: new LogTip(range, edges), tiles };
  }
}
