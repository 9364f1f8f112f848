import { AuditError } from '../event/audit-error.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { encodeHashes } from '../ledger/tile.js';
import { answer } from './answer.js';
import type { AuditDatabase } from './audit-database.js';
import { toInteger, toText } from './column-value.js';
import { EVENT_COLUMNS, ROW_COLUMNS, toRow } from './event-row.js';
import type { NumberedRow } from './event-row.js';
import { insertTogether } from './insert-rows.js';
import type { StoredCheckpoint, StoredLeaf } from './ledger.repository.js';
import { distinctValues } from './distinct-values.js';
import { runStatement } from './run-statement.js';
import { ask, sqlOf } from './sql.js';

/** How far a source's events are stored, and how far they are in the log. */
export interface SourceProgress {
  readonly source: string;
  /** The highest sequence of its events; 0 where there is none. */
  readonly stored: number;
  /** The highest sequence that the log accounts for; 0 where there is none. */
  readonly sealed: number;
}

/** Numbers that the log has recorded as lost, both ends included. */
export interface StoredGap {
  readonly source: string;
  readonly from: number;
  readonly to: number;
  /** The event that tells of it. */
  readonly eventId: string;
  readonly leafIndex: number;
}

/** Behind which event of a source to go on. */
export interface SourcePlace {
  readonly sequence: number;
  readonly id: string;
}

/** A full tile that a batch has completed. */
export interface NewTile {
  readonly level: number;
  readonly tileIndex: number;
  readonly root: Buffer;
  readonly hashes: readonly Buffer[];
}

/** What one step adds to the log. */
export interface SealedBatch {
  /** Events of the audit's own that tell of gaps, stored together with their leaves. */
  readonly gapEvents: readonly AuditLogEvent[];
  readonly leaves: readonly StoredLeaf[];
  readonly tiles: readonly NewTile[];
  readonly checkpoint: StoredCheckpoint;
}

/** Who seals. */
export interface Lease {
  /** Counts each time that somebody takes or keeps it. */
  readonly term: number;
  /** Empty where nobody has it. */
  readonly holder: string;
}

/** Sources that one statement looks up. */
const SOURCES_AT_ONCE = 100;
const SEALER = "'sealer'";

/** What the event of a gap is known by, beside having no number of its own. */
export const GAP_ACTION = 'audit.gap';
const GAP_TENANT = 'default';

/**
 * What the sealer reads and writes. INSERT and SELECT are enough, but for the lease, which needs UPDATE.
 *
 * Each question takes the size of the log: leaves outside of it are nobody's, and say nothing of what is sealed. Whoever
 * can insert a row could hide an event behind one.
 */
export class SealingRepository {
  constructor(private readonly database: AuditDatabase) {}

  /**
   * Every source that has events, by index seeks alone: some microseconds of the database for each source, however many
   * events there are.
   *
   * @param size leaves of the log
   */
  async progress(size: number): Promise<SourceProgress[]> {
    const found: SourceProgress[] = [];
    for await (const sources of distinctValues(this.database, 'audit_events', 'source')) {
      for (let index = 0; index < sources.length; index += SOURCES_AT_ONCE) {
        found.push(...(await this.progressOf(sources.slice(index, index + SOURCES_AT_ONCE), size)));
      }
    }
    return found;
  }

  private async progressOf(sources: readonly string[], size: number): Promise<SourceProgress[]> {
    const { q, table, next } = sqlOf(this.database);
    // One seek for each figure: grouped, some databases read all of a source's events.
    const each = sources.map(
      (_, place) => `SELECT ${place} AS ${q('place')},
        (SELECT MAX(e.${q('sequence')}) FROM ${table('audit_events')} e WHERE e.${q('source')} = ${next()}) AS ${q('stored')},
        (SELECT l.${q('through')} FROM ${table('audit_leaves')} l
          WHERE l.${q('source')} = ${next()} AND l.${q('through')} IS NOT NULL AND ${this.sealed('l', next)}
          ORDER BY l.${q('through')} DESC LIMIT 1) AS ${q('sealed')}`,
    );
    const values = sources.flatMap((source) => [source, source, size]);
    return (await ask(this.database, each.join(' UNION ALL '), values)).map((row) => ({
      source: sources[Number(row['place'])]!,
      stored: Number(row['stored'] ?? 0),
      sealed: Number(row['sealed'] ?? 0),
    }));
  }

  /** The highest sequence of a source that the log accounts for; 0 where there is none. */
  async sealedOf(source: string, size: number): Promise<number> {
    const { q, table, next } = sqlOf(this.database);
    const [row] = await ask(
      this.database,
      `SELECT MAX(l.${q('through')}) AS ${q('sealed')} FROM ${table('audit_leaves')} l
        WHERE l.${q('source')} = ${next()} AND ${this.sealed('l', next)}`,
      [source, size],
    );
    return Number(row?.['sealed'] ?? 0);
  }

  /** The source's events from a place on, which is not among them, in order; of equal numbers, the lower id first. */
  eventsAfter(source: string, { sequence, id }: SourcePlace, limit: number): Promise<NumberedRow[]> {
    const { q, next } = sqlOf(this.database);
    return this.events(
      `WHERE e.${q('source')} = ${next()} AND e.${q('sequence')} >= ${next()}
          AND (e.${q('sequence')} > ${next()} OR e.${q('id')} > ${next()})
        ORDER BY e.${q('sequence')}, e.${q('id')} LIMIT ${limit}`,
      [source, sequence, sequence, id],
    );
  }

  /** The events that came after the log had recorded a gap in their place, and are not in the log, behind an id, in the order of ids. */
  lateEvents(afterId: string, limit: number, size: number): Promise<NumberedRow[]> {
    const { q, table, next } = sqlOf(this.database);
    return this.events(
      `INNER JOIN ${table('audit_leaves')} g ON g.${q('source')} = e.${q('source')}
          AND g.${q('sequence')} <= e.${q('sequence')} AND g.${q('through')} >= e.${q('sequence')}
          AND ${this.sealed('g', next)}
        INNER JOIN ${table('audit_events')} ge ON ge.${q('id')} = g.${q('event_id')}
        ${this.joinLeaf(next)}
        WHERE ge.${q('tenant_id')} = ${next()} AND ge.${q('action')} = ${next()} AND ge.${q('source')} IS NULL
          AND l.${q('event_id')} IS NULL AND e.${q('id')} > ${next()}
        ORDER BY e.${q('id')} LIMIT ${limit}`,
      [size, size, GAP_TENANT, GAP_ACTION, afterId],
    );
  }

  /** The gaps that the log had recorded before a leaf, whether their numbers came later or not. */
  async gapsBefore(leafIndex: number): Promise<StoredGap[]> {
    const { q, table, next } = sqlOf(this.database);
    const rows = await ask(
      this.database,
      `SELECT g.${q('source')} AS ${q('source')}, g.${q('sequence')} AS ${q('sequence')}, g.${q('through')} AS ${q('through')},
          g.${q('event_id')} AS ${q('event_id')}, g.${q('leaf_index')} AS ${q('leaf_index')}
        FROM ${table('audit_events')} ge
        INNER JOIN ${table('audit_leaves')} g ON g.${q('event_id')} = ge.${q('id')} AND ${this.sealed('g', next)}
        WHERE ge.${q('tenant_id')} = ${next()} AND ge.${q('action')} = ${next()} AND ge.${q('source')} IS NULL
          AND g.${q('source')} IS NOT NULL`,
      [leafIndex, GAP_TENANT, GAP_ACTION],
    );
    return rows.map((row) => ({
      source: toText(row['source']),
      from: toInteger(row['sequence']),
      to: toInteger(row['through']),
      eventId: toText(row['event_id']),
      leafIndex: toInteger(row['leaf_index']),
    }));
  }

  /** The events without a number that are not in the log, behind an id, in the order of ids. */
  unnumberedEvents(afterId: string, limit: number, size: number): Promise<NumberedRow[]> {
    const { q, next } = sqlOf(this.database);
    return this.events(
      `${this.joinLeaf(next)}
        WHERE e.${q('source')} IS NULL AND e.${q('sequence')} IS NULL AND e.${q('id')} > ${next()}
          AND l.${q('event_id')} IS NULL
        ORDER BY e.${q('id')} LIMIT ${limit}`,
      [size, afterId],
    );
  }

  /**
   * The events that are not in the log, of the next `count` ids behind an id.
   *
   * @returns `last`: the last id that was looked at; absent at the end
   */
  async unsealedEvents(
    afterId: string,
    count: number,
    size: number,
  ): Promise<{ events: NumberedRow[]; last?: string }> {
    const { q, table, next } = sqlOf(this.database);
    const [end] = await ask(
      this.database,
      `SELECT MAX(c.${q('id')}) AS ${q('last')} FROM (
        SELECT ${q('id')} FROM ${table('audit_events')} WHERE ${q('id')} > ${next()} ORDER BY ${q('id')} LIMIT ${count}) c`,
      [afterId],
    );
    const last = end?.['last'];
    if (last === null || last === undefined) return { events: [] };
    const values = sqlOf(this.database);
    if (typeof last !== 'string') {
      // On SQLite somebody has written an id that is no text; these come last, and no text is behind them.
      const rest = await this.events(
        `${this.joinLeaf(values.next)}
          WHERE e.${q('id')} > ${values.next()} AND l.${q('event_id')} IS NULL ORDER BY e.${q('id')} LIMIT ${2 * count}`,
        [size, afterId],
      );
      return { events: rest };
    }
    const events = await this.events(
      `${this.joinLeaf(values.next)}
        WHERE e.${q('id')} > ${values.next()} AND e.${q('id')} <= ${values.next()} AND l.${q('event_id')} IS NULL
        ORDER BY e.${q('id')}`,
      [size, afterId, last],
    );
    return { events, last };
  }

  /** How many events there are. */
  async countEvents(): Promise<number> {
    const { q, table } = sqlOf(this.database);
    const [row] = await ask(this.database, `SELECT COUNT(*) AS ${q('count')} FROM ${table('audit_events')}`);
    return Number(row?.['count'] ?? 0);
  }

  /** Of how many of these numbers of a source there is an event. */
  async countStored(source: string, from: number, to: number): Promise<number> {
    const { q, table, next } = sqlOf(this.database);
    const [row] = await ask(
      this.database,
      `SELECT COUNT(DISTINCT ${q('sequence')}) AS ${q('count')} FROM ${table('audit_events')}
        WHERE ${q('source')} = ${next()} AND ${q('sequence')} >= ${next()} AND ${q('sequence')} <= ${next()}`,
      [source, from, to],
    );
    return Number(row?.['count'] ?? 0);
  }

  /**
   * Adds the batch to the log, all of it or nothing.
   *
   * @throws the driver's error, a duplicate where somebody else has extended the same checkpoint first
   */
  async seal({ gapEvents, leaves, tiles, checkpoint }: SealedBatch): Promise<void> {
    await insertTogether(this.database.ready(), [
      // First what only one can insert.
      {
        table: 'audit_checkpoints',
        columns: ['tree_size', 'previous_size', 'root_hash', 'note'],
        rows: [[checkpoint.treeSize, checkpoint.previousSize, checkpoint.rootHash, checkpoint.note]],
      },
      { table: 'audit_events', columns: ROW_COLUMNS, rows: gapEvents.map(toRow) },
      {
        table: 'audit_leaves',
        columns: ['leaf_index', 'event_id', 'source', 'sequence', 'through', 'leaf_hash'],
        rows: leaves.map((leaf) => [
          leaf.leafIndex,
          leaf.eventId,
          leaf.source,
          leaf.sequence,
          leaf.through,
          leaf.leafHash,
        ]),
      },
      {
        table: 'audit_tiles',
        columns: ['level', 'tile_index', 'root', 'hashes'],
        rows: tiles.map(({ level, tileIndex, root, hashes }) => [
          level,
          tileIndex,
          root.toString('base64'),
          encodeHashes(hashes),
        ]),
      },
    ]);
  }

  /** @throws AuditError `AUDIT_LEDGER_BROKEN` where its row is gone; `AUDIT_STORE_UNAVAILABLE` */
  async lease(): Promise<Lease> {
    const { q, table } = sqlOf(this.database);
    const [row] = await ask(
      this.database,
      `SELECT ${q('term')}, ${q('holder')} FROM ${table('audit_leases')} WHERE ${q('name')} = ${SEALER}`,
    );
    if (row) return { term: Number(row['term']), holder: String(row['holder']) };
    throw new AuditError(
      'AUDIT_LEDGER_BROKEN',
      `The row of the sealer is gone from ${table('audit_leases')}, so nobody seals: write INSERT INTO ${table('audit_leases')} VALUES ('sealer', 0, '').`,
    );
  }

  /**
   * Takes the lease, keeps it, or (with an empty holder) gives it up, unless somebody has since.
   *
   * @returns whether the holder has it now
   */
  async takeLease(term: number, holder: string): Promise<boolean> {
    const { q, table, next } = sqlOf(this.database);
    await answer(
      runStatement(
        this.database.ready(),
        `UPDATE ${table('audit_leases')} SET ${q('term')} = ${q('term')} + 1, ${q('holder')} = ${next()}
          WHERE ${q('name')} = ${SEALER} AND ${q('term')} = ${next()}`,
        [holder, term],
      ),
    );
    const now = await this.lease();
    return now.holder === holder && now.term === term + 1;
  }

  /** SQL: the leaf is one of the log. Takes its size. */
  private sealed(leaf: string, next: () => string): string {
    const { q } = sqlOf(this.database);
    return `${leaf}.${q('leaf_index')} >= 0 AND ${leaf}.${q('leaf_index')} < ${next()}`;
  }

  /** SQL: the event's leaf in the log, as `l`. Takes the log's size. */
  private joinLeaf(next: () => string): string {
    const { q, table } = sqlOf(this.database);
    return `LEFT JOIN ${table('audit_leaves')} l ON l.${q('event_id')} = e.${q('id')} AND ${this.sealed('l', next)}`;
  }

  private events(where: string, values: readonly (string | number)[]): Promise<NumberedRow[]> {
    const { q, table } = sqlOf(this.database);
    const columns = [...EVENT_COLUMNS, 'source', 'sequence'].map(
      (column) => `e.${q(column)} AS ${q(column)}`,
    );
    return ask<NumberedRow>(
      this.database,
      `SELECT ${columns.join(', ')} FROM ${table('audit_events')} e ${where}`,
      values,
    );
  }
}
