import { AuditError } from '../../event/audit-error.js';
import { RecentMap } from '../../event/recent-map.js';
import type { Checkpoint } from '../../ledger/checkpoint.js';
import { rootAt } from '../../ledger/proofs.js';
import { TILE_WIDTH, tileRoot } from '../../ledger/tile.js';
import { leafHashOf } from '../../store/event-leaf.js';
import type { LedgerRepository } from '../../store/ledger.repository.js';
import { TileReader, unlessBroken } from '../../store/tile-reader.js';
import { believedCheckpoints } from '../../trail/believed-checkpoints.js';
import type { TrustedLog } from '../../trail/believed-checkpoints.js';

/** Tiles that are kept at a time, about 16 MB. */
const MOST_TILES = 2_000;
/** Checkpoints whose roots are compared with the leaves before the log is given up. */
const MOST_ROOTS = 100;

/**
 * The leaves of a checkpoint that is believed. A hash is one of them only where the path of tiles above it leads to the
 * checkpoint's root: the tables are not taken at their word.
 */
export class ProvenLeaves {
  private readonly tiles = new RecentMap<string, Promise<readonly Buffer[] | undefined>>(MOST_TILES);

  private constructor(
    private readonly ledger: LedgerRepository,
    readonly checkpoint: Checkpoint,
    /** Has the tiles of the right edge in its cache, of which the root was computed. */
    private readonly edge: TileReader,
  ) {}

  /**
   * Those of the newest checkpoint that is believed and has the root of its leaves.
   *
   * @returns `undefined` where nothing is sealed
   * @throws AuditError `AUDIT_LEDGER_BROKEN` where there are checkpoints, and none of that kind; `AUDIT_STORE_UNAVAILABLE`
   */
  static async newest({ ledger, trust }: TrustedLog): Promise<ProvenLeaves | undefined> {
    // Asked first: a log may get its first checkpoint meanwhile.
    const head = await ledger.head();
    if (!head) return undefined;
    let tried = 0;
    for await (const checkpoint of believedCheckpoints(ledger, trust)) {
      const edge = new TileReader(ledger, checkpoint.treeSize);
      const root = await unlessBroken(rootAt(checkpoint.treeSize, edge.node));
      if (root?.equals(checkpoint.rootHash)) return new ProvenLeaves(ledger, checkpoint, edge);
      tried += 1;
      if (tried === MOST_ROOTS) break;
    }
    throw new AuditError(
      'AUDIT_LEDGER_BROKEN',
      tried > 0
        ? `The audit log of ${head.treeSize} leaves does not have the roots of its checkpoints. nest-audit verify says what is wrong.`
        : `The audit log of ${head.treeSize} leaves has no checkpoint that a known key has signed in the name of this log. After a change of keys, list the former verifier key in ledger.verifierKeys; of a log whose first checkpoints are not signed, write ledger.unsignedUntil and ledger.origin.`,
    );
  }

  /** Whether the checkpoint has this hash at this place. A tile that is missing or was changed proves nothing. */
  async has(leafIndex: number, hash: Buffer): Promise<boolean> {
    if (!(leafIndex >= 0 && leafIndex < this.checkpoint.treeSize)) return false;
    const hashes = await unlessBroken(this.tile(0, Math.floor(leafIndex / TILE_WIDTH)));
    return hashes?.[leafIndex % TILE_WIDTH]?.equals(hash) ?? false;
  }

  /** Whether the stored event is a leaf below the given size, as the checkpoint has it. */
  async hasEvent(eventId: string, size: number): Promise<boolean> {
    const leaf = await this.ledger.leafOf(eventId, size);
    if (!leaf) return false;
    const [found] = await this.ledger.leaves(leaf.leafIndex, leaf.leafIndex + 1);
    return found?.event !== undefined && this.has(leaf.leafIndex, leafHashOf(found.event));
  }

  /** The hashes of a tile; `undefined` where the tile above has another root for it. */
  private tile(level: number, index: number): Promise<readonly Buffer[] | undefined> {
    return this.tiles.getOrMake(`${level}/${index}`, () => this.prove(level, index));
  }

  private async prove(level: number, index: number): Promise<readonly Buffer[] | undefined> {
    const isFull = (index + 1) * TILE_WIDTH <= this.edge.width(level);
    if (!isFull) return this.edge.hashes(level, index);
    // By a reader of its own, which keeps nothing.
    const hashes = await new TileReader(this.ledger, this.checkpoint.treeSize).hashes(level, index);
    const above = await this.tile(level + 1, Math.floor(index / TILE_WIDTH));
    return above?.[index % TILE_WIDTH]?.equals(tileRoot(hashes)) ? hashes : undefined;
  }
}
