import { AuditError, ledgerBroken } from '../event/audit-error.js';
import { LedgerFormatError } from '../ledger/format-error.js';
import { HASH_SIZE } from '../ledger/merkle.js';
import type { NodeReader } from '../ledger/proofs.js';
import { decodeHashes, nodeInTile, TILE_WIDTH, tileOfNode } from '../ledger/tile.js';
import type { LedgerRepository } from './ledger.repository.js';

/**
 * The nodes of the log at one size, from its stored tiles: one read for each level. What has no full tile yet is made of the
 * leaves, or of the roots of the tiles below.
 */
export class TileReader {
  private readonly tiles = new Map<string, Promise<Buffer[]>>();

  /** @param treeSize leaves */
  constructor(
    private readonly ledger: LedgerRepository,
    private readonly treeSize: number,
  ) {}

  readonly node: NodeReader = async (level, index) => {
    const { tileLevel, tileIndex } = tileOfNode(level, index);
    return nodeInTile(await this.hashes(tileLevel, tileIndex), level, index);
  };

  /**
   * The hashes of the tile at that size; fewer than 256, or none, at the right edge.
   *
   * @throws AuditError `AUDIT_LEDGER_BROKEN` where some are missing; `AUDIT_STORE_UNAVAILABLE`
   */
  hashes(level: number, index: number): Promise<Buffer[]> {
    const key = `${level}/${index}`;
    let tile = this.tiles.get(key);
    if (!tile) this.tiles.set(key, (tile = this.read(level, index)));
    return tile;
  }

  /** How many hashes of the level there are. */
  width(level: number): number {
    return Math.floor(this.treeSize / TILE_WIDTH ** level);
  }

  private async read(level: number, index: number): Promise<Buffer[]> {
    const from = index * TILE_WIDTH;
    const to = Math.min(from + TILE_WIDTH, this.width(level));
    if (to - from === TILE_WIDTH) {
      const tile = await this.tile(level, index);
      if (tile?.length === TILE_WIDTH) return tile;
    }
    if (to <= from) return [];
    const hashes = await this.ledger.hashes(level, from, to);
    const bytes = hashes.map((hash) => Buffer.from(hash, 'base64'));
    if (bytes.length === to - from && bytes.every(({ length }) => length === HASH_SIZE)) return bytes;
    throw ledgerBroken(
      `The audit log of ${this.treeSize} leaves is not whole: of the ${to - from} hashes of level ${level} from ${from} on, ${bytes.length} are there`,
    );
  }

  private async tile(level: number, index: number): Promise<Buffer[] | undefined> {
    const [tile] = await this.ledger.tiles(level, index, index + 1);
    try {
      return tile && decodeHashes(tile.hashes);
    } catch (error) {
      if (!(error instanceof LedgerFormatError)) throw error;
      throw ledgerBroken(`The audit log is not whole: tile ${index} of level ${level} is no list of hashes`);
    }
  }
}

/**
 * What the log answers; `undefined` where it is broken, or has not so many leaves.
 *
 * @param tell is told how it is broken
 */
export async function unlessBroken<T>(
  asked: Promise<T>,
  tell?: (how: string) => void,
): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (!(error instanceof AuditError) || error.code !== 'AUDIT_LEDGER_BROKEN') throw error;
    tell?.(error.message);
    return undefined;
  }
}
