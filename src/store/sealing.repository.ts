import type { AuditLogEvent } from '../event/audit-log-event.js';
import { encodeHashes } from '../ledger/tile.js';
import { answer } from './answer.js';
import type { AuditDatabase } from './audit-database.js';
import { EVENT_COLUMNS, ROW_COLUMNS, toRow } from './event-row.js';
import { insertTogether } from './insert-rows.js';
import type { NumberedRow, StoredCheckpoint, StoredLeaf } from './ledger.repository.js';
import { ask, sqlOf } from './sql.js';

/** How far a source's events are stored, and how far they are in the log. */
export interface SourceProgress {
  readonly source: string;
  /** The highest sequence of its events; 0 where there is none. */
  readonly stored: number;
  /** The highest sequence that the log accounts for; 0 where there is none. */
  readonly sealed: number;
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

/** Sources that one statement looks up: below MySQL's limit of recursion, 1,000. */
const SOURCES_AT_ONCE = 500;
const SEALER = "'sealer'";

/** What the event of a gap is known by, beside having no number of its own. */
export const GAP_ACTION = 'audit.gap';
const GAP_TENANT = 'default';

/** What the sealer reads and writes. INSERT and SELECT are enough, but for the lease, which needs UPDATE. */
export class SealingRepository {
  constructor(private readonly database: AuditDatabase) {}

  /**
   * Every source that has events, by index seeks alone: some microseconds of the database for each source, however many
   * events there are.
   */
  async progress(): Promise<SourceProgress[]> {
    const { q, table } = sqlOf(this.database);
    const [events, leaves, source] = [table('audit_events'), table('audit_leaves'), q('source')];
    const found: SourceProgress[] = [];
    for (let after = ''; ;) {
      const { next } = sqlOf(this.database);
      const rows = await ask(
        this.database,
        `WITH RECURSIVE s AS (
          SELECT MIN(e.${source}) AS ${source}, 1 AS ${q('depth')} FROM ${events} e WHERE e.${source} > ${next()}
          UNION ALL
          SELECT (SELECT MIN(e.${source}) FROM ${events} e WHERE e.${source} > s.${source}), s.${q('depth')} + 1
            FROM s WHERE s.${source} IS NOT NULL AND s.${q('depth')} < ${SOURCES_AT_ONCE})
        SELECT s.${source} AS ${source},
          (SELECT MAX(e.${q('sequence')}) FROM ${events} e WHERE e.${source} = s.${source}) AS ${q('stored')},
          (SELECT MAX(l.${q('through')}) FROM ${leaves} l WHERE l.${source} = s.${source}) AS ${q('sealed')}
        FROM s WHERE s.${source} IS NOT NULL ORDER BY s.${source}`,
        [after],
      );
      for (const row of rows) {
        found.push({
          source: String(row['source']),
          stored: Number(row['stored'] ?? 0),
          sealed: Number(row['sealed'] ?? 0),
        });
      }
      if (rows.length < SOURCES_AT_ONCE) return found;
      after = found.at(-1)!.source;
    }
  }

  /** The source's events behind a sequence, in order; of equal numbers, the lower id first. */
  eventsAfter(source: string, sequence: number, limit: number): Promise<NumberedRow[]> {
    const { q, next } = sqlOf(this.database);
    return this.events(
      `WHERE e.${q('source')} = ${next()} AND e.${q('sequence')} > ${next()}
        ORDER BY e.${q('sequence')}, e.${q('id')} LIMIT ${limit}`,
      [source, sequence],
    );
  }

  /** The events that came after the log had recorded a gap in their place, and are not in the log. */
  lateEvents(limit: number): Promise<NumberedRow[]> {
    const { q, table, next } = sqlOf(this.database);
    return this.events(
      `INNER JOIN ${table('audit_leaves')} g ON g.${q('source')} = e.${q('source')}
          AND g.${q('sequence')} <= e.${q('sequence')} AND g.${q('through')} >= e.${q('sequence')}
        INNER JOIN ${table('audit_events')} ge ON ge.${q('id')} = g.${q('event_id')}
        LEFT JOIN ${table('audit_leaves')} l ON l.${q('event_id')} = e.${q('id')}
        WHERE ge.${q('tenant_id')} = ${next()} AND ge.${q('action')} = ${next()} AND ge.${q('source')} IS NULL
          AND l.${q('event_id')} IS NULL
        ORDER BY e.${q('source')}, e.${q('sequence')}, e.${q('id')} LIMIT ${limit}`,
      [GAP_TENANT, GAP_ACTION],
    );
  }

  /** The events without a number that are not in the log, behind an id, in the order of ids. */
  unnumberedEvents(afterId: string, limit: number): Promise<NumberedRow[]> {
    const { q, table, next } = sqlOf(this.database);
    return this.events(
      `LEFT JOIN ${table('audit_leaves')} l ON l.${q('event_id')} = e.${q('id')}
        WHERE e.${q('source')} IS NULL AND e.${q('sequence')} IS NULL AND e.${q('id')} > ${next()}
          AND l.${q('event_id')} IS NULL
        ORDER BY e.${q('id')} LIMIT ${limit}`,
      [afterId],
    );
  }

  /**
   * The events that are not in the log, of the next `count` ids behind an id.
   *
   * @returns `last`: the last id that was looked at; absent at the end
   */
  async unsealedEvents(afterId: string, count: number): Promise<{ events: NumberedRow[]; last?: string }> {
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
    const events = await this.events(
      `LEFT JOIN ${table('audit_leaves')} l ON l.${q('event_id')} = e.${q('id')}
        WHERE e.${q('id')} > ${values.next()} AND e.${q('id')} <= ${values.next()} AND l.${q('event_id')} IS NULL
        ORDER BY e.${q('id')}`,
      [afterId, String(last)],
    );
    return { events, last: String(last) };
  }

  /** How many events there are. */
  async countEvents(): Promise<number> {
    const { q, table } = sqlOf(this.database);
    const [row] = await ask(this.database, `SELECT COUNT(*) AS ${q('count')} FROM ${table('audit_events')}`);
    return Number(row?.['count'] ?? 0);
  }

  /** The source's dead letters of these sequences, those included that were replayed. */
  async deadLetterSequences(source: string, from: number, to: number): Promise<Set<number>> {
    const { q, table, next } = sqlOf(this.database);
    const rows = await ask(
      this.database,
      `SELECT ${q('sequence')} FROM ${table('audit_dead_letters')}
        WHERE ${q('source')} = ${next()} AND ${q('sequence')} >= ${next()} AND ${q('sequence')} <= ${next()}`,
      [source, from, to],
    );
    return new Set(rows.map((row) => Number(row['sequence'])));
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

  /** @throws AuditError `AUDIT_STORE_UNAVAILABLE` */
  async lease(): Promise<Lease> {
    const { q, table } = sqlOf(this.database);
    const [row] = await ask(
      this.database,
      `SELECT ${q('term')}, ${q('holder')} FROM ${table('audit_leases')} WHERE ${q('name')} = ${SEALER}`,
    );
    return { term: Number(row?.['term'] ?? 0), holder: String(row?.['holder'] ?? '') };
  }

  /**
   * Takes the lease, keeps it, or (with an empty holder) gives it up, unless somebody has since.
   *
   * @returns whether the holder has it now
   */
  async takeLease(term: number, holder: string): Promise<boolean> {
    const { q, table, next } = sqlOf(this.database);
    await answer(
      this.database.ready().query(
        `UPDATE ${table('audit_leases')} SET ${q('term')} = ${q('term')} + 1, ${q('holder')} = ${next()}
          WHERE ${q('name')} = ${SEALER} AND ${q('term')} = ${next()}`,
        [holder, term],
      ),
    );
    const now = await this.lease();
    return now.holder === holder && now.term === term + 1;
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
