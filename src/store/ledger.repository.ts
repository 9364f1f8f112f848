import { decodeHashes, TILE_WIDTH } from '../ledger/tile.js';
import type { AuditDatabase } from './audit-database.js';
import { ROW_COLUMNS } from './event-row.js';
import { MAX_CHECKPOINT_NOTE, MAX_TILE } from './ledger-limits.js';
import { toInteger, toText } from './column-value.js';
import type { NumberedRow } from './event-row.js';
import { ask, boundedText, countRows, sqlOf } from './sql.js';
import { strangeTables } from './strange-tables.js';
import type { Row, Sql } from './sql.js';
import type { AuditTable } from './table-name.js';

/** A row of `audit_checkpoints`. */
export interface StoredCheckpoint {
  /** Leaves. */
  readonly treeSize: number;
  /** The size of the checkpoint that it extends. */
  readonly previousSize: number;
  /** Base64. */
  readonly rootHash: string;
  /** The signed note, or its text and an empty line where it is not signed. */
  readonly note: string;
}

/** A row of `audit_leaves`. */
export interface StoredLeaf {
  readonly leafIndex: number;
  readonly eventId: string;
  /** Whose sequences the leaf accounts for; `null` where its event has no number. */
  readonly source: string | null;
  /** The first of them. */
  readonly sequence: number | null;
  /** The last of them: the same, but where the event tells of a gap. */
  readonly through: number | null;
  /** Base64. */
  readonly leafHash: string;
}

/** Leaves, both ends included. */
export type LeafRange = readonly [first: number, last: number];

/** A leaf, and its event as it is stored now. */
export interface LeafWithEvent extends StoredLeaf {
  readonly event?: NumberedRow;
}

/** A full tile. */
export interface StoredTile {
  readonly tileIndex: number;
  readonly root: string;
  /** Base64 of 256 hashes. */
  readonly hashes: string;
}

/** Where a tile is, or claims to be. */
export interface TilePlace {
  readonly level: number;
  readonly tileIndex: number;
}

/** Above it a number is not exact any more: no log has so many leaves. */
const MOST_LEAVES = Number.MAX_SAFE_INTEGER;
/** Levels that have full tiles in a log of that many. */
const TILE_LEVELS = 6;

/** Ranges of leaves in one statement: SQLite takes fewer than 1,000 conditions. */
const RANGES = 200;

const LEAF_COLUMNS = ['leaf_index', 'event_id', 'source', 'sequence', 'through', 'leaf_hash'] as const;

/** What is kept of the Merkle log, as it is: nothing here checks it. */
export class LedgerRepository {
  constructor(private readonly database: AuditDatabase) {}

  /**
   * The newest checkpoint, of those that have leaves: whoever can insert a row can claim any size, and one that claims more
   * leaves than there are must not be what the rest is measured by.
   */
  async head(): Promise<StoredCheckpoint | undefined> {
    const { q } = this.sql();
    const [row] = await this.checkpointRows(
      `WHERE ${q('tree_size')} >= 1 AND ${q('tree_size')} <= ${this.leafEnd()} ORDER BY ${q('tree_size')} DESC LIMIT 1`,
      [],
    );
    return row;
  }

  /** The checkpoints of more leaves than `size`, smallest first. */
  checkpointsAfter(size: number, limit: number): Promise<StoredCheckpoint[]> {
    const { q, next } = this.sql();
    return this.checkpointRows(
      `WHERE ${q('tree_size')} > ${next()} AND ${q('tree_size')} <= ${MOST_LEAVES} ORDER BY ${q('tree_size')} LIMIT ${limit}`,
      [size],
    );
  }

  /** The checkpoints of fewer leaves than `size`, largest first; of those that are of this log by their sizes. */
  checkpointsBelow(size: number, limit: number): Promise<StoredCheckpoint[]> {
    const { q, next } = this.sql();
    return this.checkpointRows(
      `WHERE ${q('tree_size')} >= 1 AND ${q('tree_size')} < ${next()} AND ${q('tree_size')} <= ${this.leafEnd()}
        ORDER BY ${q('tree_size')} DESC LIMIT ${limit}`,
      [size],
    );
  }

  /** Checkpoints that can't be of this log: of no leaves, of more than there are now, or of fewer than the one they extend. */
  strayCheckpoints(limit: number): Promise<StoredCheckpoint[]> {
    const { q } = this.sql();
    return this.checkpointRows(
      `WHERE ${q('tree_size')} < 1 OR ${q('tree_size')} > ${this.leafEnd()} OR ${q('previous_size')} >= ${q('tree_size')}
        ORDER BY ${q('tree_size')} LIMIT ${limit}`,
      [],
    );
  }

  /** Leaves outside of the log as it is now: no checkpoint vouches for them. */
  async strayLeaves(limit: number): Promise<{ leaves: StoredLeaf[]; more: number }> {
    const { q, table } = this.sql();
    const size = `COALESCE((SELECT MAX(c.${q('tree_size')}) FROM ${table('audit_checkpoints')} c
      WHERE c.${q('tree_size')} >= 1 AND c.${q('tree_size')} <= ${this.leafEnd()}), 0)`;
    const strays = `${table('audit_leaves')} WHERE ${q('leaf_index')} < 0 OR ${q('leaf_index')} >= ${size}`;
    // By one statement each, so that what is sealed meanwhile is either in both tables or in none.
    const rows = await ask(
      this.database,
      `SELECT ${LEAF_COLUMNS.map(q).join(', ')} FROM ${strays} ORDER BY ${q('leaf_index')} LIMIT ${limit}`,
    );
    const leaves = rows.map((row) => toLeaf(row));
    if (leaves.length < limit) return { leaves, more: 0 };
    return { leaves, more: Math.max(0, (await countRows(this.database, strays)) - limit) };
  }

  /** What makes the tables show or keep something else than was inserted, see `strangeTables`. */
  strangeTables(): Promise<string[]> {
    return strangeTables(this.database);
  }

  /** Tiles that a log of this size does not have. */
  async strayTiles(size: number, limit: number): Promise<TilePlace[]> {
    const { q, table, next } = this.sql();
    const widths = Array.from({ length: TILE_LEVELS }, (_, level) => TILE_WIDTH ** (level + 1));
    const beyond = widths.map((_, level) => `(${q('level')} = ${level} AND ${q('tile_index')} >= ${next()})`);
    const rows = await ask(
      this.database,
      `SELECT ${q('level')}, ${q('tile_index')} FROM ${table('audit_tiles')}
        WHERE ${q('tile_index')} < 0 OR ${q('level')} < 0 OR ${q('level')} >= ${TILE_LEVELS} OR ${beyond.join(' OR ')}
        ORDER BY ${q('level')}, ${q('tile_index')} LIMIT ${limit}`,
      widths.map((width) => Math.floor(size / width)),
    );
    return rows.map((row) => ({ level: toInteger(row['level']), tileIndex: toInteger(row['tile_index']) }));
  }

  /** The event's leaf in the log of this size. */
  async leafOf(eventId: string, size: number): Promise<StoredLeaf | undefined> {
    const { q, table, next, id } = this.sql();
    const columns = LEAF_COLUMNS.map(q).join(', ');
    const [row] = await ask(
      this.database,
      `SELECT ${columns} FROM ${table('audit_leaves')}
        WHERE ${q('event_id')} = ${next()} AND ${q('leaf_index')} >= 0 AND ${q('leaf_index')} < ${next()}`,
      [id(eventId), size],
    );
    return row && toLeaf(row);
  }

  /** The leaves of some ranges, which are in order and apart; both ends of each included. Some may be missing. */
  async leavesOf(ranges: readonly LeafRange[]): Promise<StoredLeaf[]> {
    const leaves: StoredLeaf[] = [];
    for (let from = 0; from < ranges.length; from += RANGES) {
      const { q, table, next } = this.sql();
      const part = ranges.slice(from, from + RANGES);
      const index = q('leaf_index');
      const within = part.map(() => `(${index} >= ${next()} AND ${index} <= ${next()})`).join(' OR ');
      const rows = await ask(
        this.database,
        `SELECT ${LEAF_COLUMNS.map(q).join(', ')} FROM ${table('audit_leaves')} WHERE ${within} ORDER BY ${index}`,
        part.flat(),
      );
      for (const row of rows) leaves.push(toLeaf(row));
    }
    return leaves;
  }

  /** The leaves from `from` on to before `to`, in order, each with its event. */
  async leaves(from: number, to: number): Promise<LeafWithEvent[]> {
    const { q, table, next } = this.sql();
    const leafColumns = LEAF_COLUMNS.map((column) => `l.${q(column)} AS ${q(`leaf_${column}`)}`);
    const eventColumns = ROW_COLUMNS.map((column) => `e.${q(column)} AS ${q(column)}`);
    const rows = await ask(
      this.database,
      `SELECT ${[...leafColumns, ...eventColumns].join(', ')}
        FROM ${table('audit_leaves')} l LEFT JOIN ${table('audit_events')} e ON e.${q('id')} = l.${q('event_id')}
        WHERE l.${q('leaf_index')} >= ${next()} AND l.${q('leaf_index')} < ${next()}
        ORDER BY l.${q('leaf_index')}`,
      [from, to],
    );
    return rows.map((row) => ({
      ...toLeaf(row, 'leaf_'),
      ...(row['id'] !== null && { event: row as NumberedRow }),
    }));
  }

  /** The index of the first leaf from there on; `undefined` where there is none. */
  nextLeaf(from: number): Promise<number | undefined> {
    return this.nextIndex('audit_leaves', 'leaf_index', from);
  }

  /** The index of the first full tile of the level from there on; `undefined` where there is none. */
  nextTile(level: number, from: number): Promise<number | undefined> {
    return this.nextIndex('audit_tiles', 'tile_index', from, level);
  }

  /** The leaves' hashes from `from` on to before `to`, in order. Some may be missing. */
  async leafHashes(from: number, to: number): Promise<{ index: number; hash: string }[]> {
    return this.hashes('audit_leaves', 'leaf_index', 'leaf_hash', from, to);
  }

  /** The roots of the full tiles of the level, from `from` on to before `to`, in order. Some may be missing. */
  async tileRoots(level: number, from: number, to: number): Promise<{ index: number; hash: string }[]> {
    return this.hashes('audit_tiles', 'tile_index', 'root', from, to, level);
  }

  /** The full tiles of the level, from `from` on to before `to`, in order. Some may be missing. */
  async tiles(level: number, from: number, to: number): Promise<StoredTile[]> {
    const { dialect, q, table, next } = this.sql();
    const hashes = boundedText(dialect, q('hashes'), MAX_TILE);
    const rows = await ask(
      this.database,
      `SELECT ${q('tile_index')}, ${q('root')}, ${hashes} AS ${q('hashes')} FROM ${table('audit_tiles')}
        WHERE ${q('level')} = ${next()} AND ${q('tile_index')} >= ${next()} AND ${q('tile_index')} < ${next()}
        ORDER BY ${q('tile_index')}`,
      [level, from, to],
    );
    return rows.map((row) => ({
      tileIndex: toInteger(row['tile_index']),
      root: toText(row['root']),
      hashes: toText(row['hashes']),
    }));
  }

  /** The hashes of a full tile. @throws LedgerFormatError */
  async tile(level: number, index: number): Promise<Buffer[] | undefined> {
    const [tile] = await this.tiles(level, index, index + 1);
    return tile && decodeHashes(tile.hashes);
  }

  private sql(): Sql {
    return sqlOf(this.database);
  }

  /** SQL of the index behind the last leaf. */
  private leafEnd(): string {
    const { q, table } = this.sql();
    return `(SELECT COALESCE(MAX(l.${q('leaf_index')}), -1) + 1 FROM ${table('audit_leaves')} l WHERE l.${q('leaf_index')} < ${MOST_LEAVES})`;
  }

  private async checkpointRows(where: string, values: number[]): Promise<StoredCheckpoint[]> {
    const { dialect, q, table } = this.sql();
    const columns = ['tree_size', 'previous_size', 'root_hash'].map(q).join(', ');
    const note = boundedText(dialect, q('note'), MAX_CHECKPOINT_NOTE);
    const rows = await ask(
      this.database,
      `SELECT ${columns}, ${note} AS ${q('note')} FROM ${table('audit_checkpoints')} ${where}`,
      values,
    );
    return rows.map((row) => ({
      treeSize: toInteger(row['tree_size']),
      previousSize: toInteger(row['previous_size']),
      rootHash: toText(row['root_hash']),
      note: toText(row['note']),
    }));
  }

  private async nextIndex(
    name: AuditTable,
    index: string,
    from: number,
    level?: number,
  ): Promise<number | undefined> {
    const { q, table, next } = this.sql();
    const ofLevel = level === undefined ? '' : `${q('level')} = ${next()} AND`;
    const [row] = await ask(
      this.database,
      `SELECT MIN(${q(index)}) AS ${q(index)} FROM ${table(name)} WHERE ${ofLevel} ${q(index)} >= ${next()}`,
      level === undefined ? [from] : [level, from],
    );
    const found = row?.[index] ?? null;
    return found === null ? undefined : Number(found);
  }

  private async hashes(
    name: AuditTable,
    index: string,
    hash: string,
    from: number,
    to: number,
    level?: number,
  ): Promise<{ index: number; hash: string }[]> {
    const { q, table, next } = this.sql();
    const ofLevel = level === undefined ? '' : `${q('level')} = ${next()} AND`;
    const rows = await ask(
      this.database,
      `SELECT ${q(index)}, ${q(hash)} FROM ${table(name)}
        WHERE ${ofLevel} ${q(index)} >= ${next()} AND ${q(index)} < ${next()} ORDER BY ${q(index)}`,
      level === undefined ? [from, to] : [level, from, to],
    );
    return rows.map((row) => ({ index: toInteger(row[index]), hash: toText(row[hash]) }));
  }
}

function toLeaf(row: Row, prefix = ''): StoredLeaf {
  const of = (name: string) => row[prefix + name] ?? null;
  const number = (name: string) => (of(name) === null ? null : toInteger(of(name)));
  return {
    leafIndex: toInteger(of('leaf_index')),
    eventId: toText(of('event_id')),
    source: of('source') === null ? null : toText(of('source')),
    sequence: number('sequence'),
    through: number('through'),
    leafHash: toText(of('leaf_hash')),
  };
}
