import { TILE_WIDTH } from '../ledger/tile.js';
import type { AuditDatabase } from './audit-database.js';
import { CHECKPOINT, EVENT_ROW, LEAF, TILE } from './audit.entities.js';
import type { StoredCheckpoint, StoredLeaf, StoredTile } from './audit.entities.js';
import { toText } from './column-value.js';
import type { NumberedRow } from './event-row.js';
import { read, rowReader } from './records.js';
import { ask, columnsOf, countRows, id, isNumber, limit as most, list, number, raw, sql } from './sql.js';
import type { Sql } from './sql.js';
import { strangeTables } from './strange-tables.js';

/** Leaves, both ends included. */
export type LeafRange = readonly [first: number, last: number];

/** A leaf, and its event as it is stored now. */
export interface LeafWithEvent extends StoredLeaf {
  readonly event?: NumberedRow;
}

/** Above it a number is not exact any more: no log has so many leaves. */
const MOST_LEAVES = number(Number.MAX_SAFE_INTEGER);
/** Levels that have full tiles in a log of that many. */
const TILE_LEVELS = 6;
/** Ranges of leaves in one statement: SQLite takes fewer than 1,000 conditions. */
const RANGES = 200;

/** The index after the last leaf. */
const LEAF_END = sql`(SELECT COALESCE(MAX(l.leaf_index), -1) + 1 FROM audit_leaves l WHERE l.leaf_index < ${MOST_LEAVES})`;

/** SQLite may have any value in the column, and compares it with numbers: none but a whole number is the size of a log. */
const HAS_SIZE = isNumber('tree_size');

/** What is kept of the Merkle log, as it is: nothing here checks it. */
export class LedgerRepository {
  constructor(private readonly database: AuditDatabase) {}

  /**
   * The newest checkpoint, of those that have leaves: whoever can insert a row can claim any size, and one that claims more
   * leaves than there are must not be what the rest is measured by.
   */
  async head(): Promise<StoredCheckpoint | undefined> {
    const [head] = await this.checkpoints(
      sql`${HAS_SIZE} AND tree_size <= ${LEAF_END} ORDER BY tree_size DESC LIMIT 1`,
    );
    return head;
  }

  /** The checkpoints of more leaves than `size`, smallest first. */
  checkpointsAfter(size: number, limit: number): Promise<StoredCheckpoint[]> {
    return this.checkpoints(sql`tree_size > ${size} AND ${HAS_SIZE} ORDER BY tree_size ${most(limit)}`);
  }

  /** The checkpoints of fewer leaves than `size`, largest first; of those that are of this log by their sizes. */
  checkpointsBelow(size: number, limit: number): Promise<StoredCheckpoint[]> {
    return this.checkpoints(
      sql`${HAS_SIZE} AND tree_size < ${size} AND tree_size <= ${LEAF_END} ORDER BY tree_size DESC ${most(limit)}`,
    );
  }

  /** Checkpoints that can't be of this log: of no size, of more leaves than there are now, or of fewer than the one they extend. */
  strayCheckpoints(limit: number): Promise<StoredCheckpoint[]> {
    return this.checkpoints(
      sql`NOT (${HAS_SIZE}) OR tree_size > ${LEAF_END} OR previous_size >= tree_size ORDER BY tree_size ${most(limit)}`,
    );
  }

  private checkpoints(where: Sql): Promise<StoredCheckpoint[]> {
    return read(this.database, CHECKPOINT, sql`FROM audit_checkpoints t WHERE ${where}`);
  }

  /** Leaves outside of the log as it is now: no checkpoint vouches for them. */
  async strayLeaves(limit: number): Promise<{ leaves: StoredLeaf[]; more: number }> {
    const strays = sql`audit_leaves t WHERE leaf_index < 0 OR leaf_index >= COALESCE((SELECT MAX(c.tree_size)
      FROM audit_checkpoints c WHERE c.tree_size >= 1 AND c.tree_size <= ${LEAF_END}), 0)`;
    // By one statement each, so that what is sealed meanwhile is either in both tables or in none.
    const leaves = await read(this.database, LEAF, sql`FROM ${strays} ORDER BY leaf_index ${most(limit)}`);
    if (leaves.length < limit) return { leaves, more: 0 };
    return { leaves, more: Math.max(0, (await countRows(this.database, strays)) - limit) };
  }

  /** What makes the tables show or keep something else than was inserted, see `strangeTables`. */
  strangeTables(): Promise<string[]> {
    return strangeTables(this.database);
  }

  /** Tiles that a log of this size does not have. */
  async strayTiles(size: number, limit: number): Promise<Pick<StoredTile, 'level' | 'tileIndex'>[]> {
    const beyond = Array.from({ length: TILE_LEVELS }, (_, level) => {
      const full = Math.floor(size / TILE_WIDTH ** (level + 1));
      return sql`(level = ${number(level)} AND tile_index >= ${full})`;
    });
    return read(
      this.database,
      { level: TILE.level, tileIndex: TILE.tileIndex },
      sql`FROM audit_tiles t
        WHERE tile_index < 0 OR level < 0 OR level >= ${number(TILE_LEVELS)} OR ${list(beyond, ' OR ')}
        ORDER BY level, tile_index ${most(limit)}`,
    );
  }

  /** The event's leaf in the log of this size. */
  async leafOf(eventId: string, size: number): Promise<StoredLeaf | undefined> {
    const [leaf] = await read(
      this.database,
      LEAF,
      sql`FROM audit_leaves t WHERE event_id = ${id(eventId)} AND ${isSealed('t', size)}`,
    );
    return leaf;
  }

  /** The leaves of some ranges, which are in order and apart; both ends of each included. Some may be missing. */
  async leavesOf(ranges: readonly LeafRange[]): Promise<StoredLeaf[]> {
    const leaves: StoredLeaf[] = [];
    for (let from = 0; from < ranges.length; from += RANGES) {
      const within = ranges
        .slice(from, from + RANGES)
        .map(([first, last]) => sql`(leaf_index >= ${first} AND leaf_index <= ${last})`);
      const where = sql`FROM audit_leaves t WHERE ${list(within, ' OR ')} ORDER BY leaf_index`;
      leaves.push(...(await read(this.database, LEAF, where)));
    }
    return leaves;
  }

  /** The leaves from `from` on to before `to`, in order, each with its event. */
  async leaves(from: number, to: number): Promise<LeafWithEvent[]> {
    const rows = await ask(
      this.database,
      sql`SELECT ${columnsOf('l', LEAF, 'leaf_')}, ${columnsOf('e', EVENT_ROW)}
        FROM audit_leaves l LEFT JOIN audit_events e ON e.id = l.event_id
        WHERE l.leaf_index >= ${from} AND l.leaf_index < ${to} ORDER BY l.leaf_index`,
    );
    const leafOf = rowReader(LEAF, 'leaf_');
    return rows.map((row) => ({
      ...leafOf(row),
      ...(row['id'] !== null && { event: row as NumberedRow }),
    }));
  }

  /** The index of the first leaf from there on; `undefined` where there is none. */
  nextLeaf(from: number): Promise<number | undefined> {
    return this.lowest(sql`MIN(leaf_index) AS next FROM audit_leaves WHERE leaf_index >= ${from}`);
  }

  /** The index of the first full tile of the level from there on; `undefined` where there is none. */
  nextTile(level: number, from: number): Promise<number | undefined> {
    return this.lowest(
      sql`MIN(tile_index) AS next FROM audit_tiles WHERE level = ${level} AND tile_index >= ${from}`,
    );
  }

  private async lowest(index: Sql): Promise<number | undefined> {
    const [row] = await ask(this.database, sql`SELECT ${index}`);
    const next = row?.['next'] ?? null;
    return next === null ? undefined : Number(next);
  }

  /**
   * The hashes that the tiles of the level hold, from `from` on to before `to`, in order: those of leaves, or above the lowest level the
   * roots of the tiles below. Some may be missing.
   */
  async hashes(level: number, from: number, to: number): Promise<string[]> {
    const stored =
      level === 0
        ? sql`SELECT leaf_hash AS hash FROM audit_leaves
            WHERE leaf_index >= ${from} AND leaf_index < ${to} ORDER BY leaf_index`
        : sql`SELECT root AS hash FROM audit_tiles
            WHERE level = ${level - 1} AND tile_index >= ${from} AND tile_index < ${to} ORDER BY tile_index`;
    return (await ask(this.database, stored)).map(({ hash }) => toText(hash));
  }

  /** The full tiles of the level, from `from` on to before `to`, in order. Some may be missing. */
  tiles(level: number, from: number, to: number): Promise<StoredTile[]> {
    return read(
      this.database,
      TILE,
      sql`FROM audit_tiles t
        WHERE level = ${level} AND tile_index >= ${from} AND tile_index < ${to} ORDER BY tile_index`,
    );
  }
}

/** Whether the leaf is one of the log: others are nobody's. @param leaf the alias of its table; @param size of the log */
export function isSealed(leaf: string, size: number): Sql {
  return sql`${raw(leaf)}.leaf_index >= 0 AND ${raw(leaf)}.leaf_index < ${size}`;
}
