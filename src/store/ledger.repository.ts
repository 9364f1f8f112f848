import { decodeHashes } from '../ledger/tile.js';
import type { AuditDatabase } from './audit-database.js';
import { EVENT_COLUMNS } from './event-row.js';
import type { EventRow } from './event-row.js';
import { ask, sqlOf } from './sql.js';
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

/** A row of `audit_events`, with the columns that repeat its number. */
export type NumberedRow = EventRow & {
  readonly source: string | null;
  readonly sequence: string | number | null;
};

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

const LEAF_COLUMNS = ['leaf_index', 'event_id', 'source', 'sequence', 'through', 'leaf_hash'] as const;

/** What is kept of the Merkle log, as it is: nothing here checks it. */
export class LedgerRepository {
  constructor(private readonly database: AuditDatabase) {}

  /** The newest checkpoint. */
  async head(): Promise<StoredCheckpoint | undefined> {
    const { q } = this.sql();
    const [row] = await this.checkpointRows(`ORDER BY ${q('tree_size')} DESC LIMIT 1`, []);
    return row;
  }

  /** The checkpoints of more leaves than `size`, smallest first. */
  checkpointsAfter(size: number, limit: number): Promise<StoredCheckpoint[]> {
    const { q, next } = this.sql();
    return this.checkpointRows(
      `WHERE ${q('tree_size')} > ${next()} ORDER BY ${q('tree_size')} LIMIT ${limit}`,
      [size],
    );
  }

  async leafOf(eventId: string): Promise<StoredLeaf | undefined> {
    const { q, table, next } = this.sql();
    const columns = LEAF_COLUMNS.map(q).join(', ');
    const [row] = await ask(
      this.database,
      `SELECT ${columns} FROM ${table('audit_leaves')} WHERE ${q('event_id')} = ${next()}`,
      [eventId],
    );
    return row && toLeaf(row);
  }

  /** The leaves from `from` on to before `to`, in order, each with its event. */
  async leaves(from: number, to: number): Promise<LeafWithEvent[]> {
    const { q, table, next } = this.sql();
    const leafColumns = LEAF_COLUMNS.map((column) => `l.${q(column)} AS ${q(`leaf_${column}`)}`);
    const eventColumns = [...EVENT_COLUMNS, 'source', 'sequence'].map(
      (column) => `e.${q(column)} AS ${q(column)}`,
    );
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
  async nextLeaf(from: number): Promise<number | undefined> {
    const { q, table, next } = this.sql();
    const [row] = await ask(
      this.database,
      `SELECT MIN(${q('leaf_index')}) AS ${q('leaf_index')} FROM ${table('audit_leaves')}
        WHERE ${q('leaf_index')} >= ${next()}`,
      [from],
    );
    const index = row?.['leaf_index'] ?? null;
    return index === null ? undefined : Number(index);
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
    const { q, table, next } = this.sql();
    const rows = await ask(
      this.database,
      `SELECT ${q('tile_index')}, ${q('root')}, ${q('hashes')} FROM ${table('audit_tiles')}
        WHERE ${q('level')} = ${next()} AND ${q('tile_index')} >= ${next()} AND ${q('tile_index')} < ${next()}
        ORDER BY ${q('tile_index')}`,
      [level, from, to],
    );
    return rows.map((row) => ({
      tileIndex: Number(row['tile_index']),
      root: String(row['root']),
      hashes: String(row['hashes']),
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

  private async checkpointRows(where: string, values: number[]): Promise<StoredCheckpoint[]> {
    const { q, table } = this.sql();
    const columns = ['tree_size', 'previous_size', 'root_hash', 'note'].map(q).join(', ');
    const rows = await ask(
      this.database,
      `SELECT ${columns} FROM ${table('audit_checkpoints')} ${where}`,
      values,
    );
    return rows.map((row) => ({
      treeSize: Number(row['tree_size']),
      previousSize: Number(row['previous_size']),
      rootHash: String(row['root_hash']),
      note: String(row['note']),
    }));
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
    return rows.map((row) => ({ index: Number(row[index]), hash: String(row[hash]) }));
  }
}

function toLeaf(row: Row, prefix = ''): StoredLeaf {
  const number = (name: string) => (row[prefix + name] === null ? null : Number(row[prefix + name]));
  const source = row[`${prefix}source`];
  return {
    leafIndex: Number(row[`${prefix}leaf_index`]),
    eventId: String(row[`${prefix}event_id`]),
    source: source === null || source === undefined ? null : String(source),
    sequence: number('sequence'),
    through: number('through'),
    leafHash: String(row[`${prefix}leaf_hash`]),
  };
}
