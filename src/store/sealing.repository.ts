import { setImmediate as turn } from 'node:timers/promises';
import { AuditError } from '../event/audit-error.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import type { NumberRange } from '../event/sequence-set.js';
import { encodeHashes } from '../ledger/tile.js';
import { answer } from './answer.js';
import type { AuditDatabase } from './audit-database.js';
import { toInteger, toText } from './column-value.js';
import { ROW_COLUMNS, toRow } from './event-row.js';
import type { NumberedRow } from './event-row.js';
import { insertTogether } from './insert-rows.js';
import type { StoredCheckpoint, StoredLeaf } from './ledger.repository.js';
import { distinctIds } from './distinct-values.js';
import { rowByRow } from './row-by-row.js';
import { runStatement } from './run-statement.js';
import type { StatementValues } from './run-statement.js';
import { ask, countRows, extremeId, isId, isNumber, sqlOf } from './sql.js';

/** How far a source's events are stored, and how far they are in the log. */
export interface SourceProgress {
  readonly source: string;
  /** The highest sequence of its events; 0 where there is none. */
  readonly stored: number;
  /** The highest sequence that the log accounts for; 0 where there is none. */
  readonly sealed: number;
  /** The lowest sequence of its events that is higher than that; absent where there is none. */
  readonly next?: number;
  /** Whether there is any note of it, by whomever. */
  readonly isNoted: boolean;
}

/** Numbers that the log has recorded as lost. */
export interface StoredGap extends NumberRange {
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

/** Events that one statement of {@link SealingRepository.unsealedEvents} reads: each may have some hundred kilobytes. */
const UNSEALED_AT_ONCE = 500;
/** Ids that one statement looks up. */
const IDS_AT_ONCE = 500;
/** Sources that one statement looks up. */
const SOURCES_AT_ONCE = 100;
const SEALER = "'sealer'";

/** What the event of a gap is known by, beside having no number of its own. */
export const GAP_ACTION = 'audit.gap';
const GAP_TENANT = 'default';

/**
 * What the sealer reads and writes. INSERT and SELECT are enough, except for the lease, which needs UPDATE.
 *
 * Each question takes the size of the log: leaves outside of it are nobody's, and say nothing of what is sealed. Whoever
 * can insert a row could hide an event behind one.
 */
export class SealingRepository {
  constructor(private readonly database: AuditDatabase) {}

  /**
   * The next sources that have events, in their order.
   *
   * @param after the source that the first one comes after
   */
  async sourcesAfter(after: string, limit: number): Promise<string[]> {
    const found: string[] = [];
    for await (const sources of distinctIds(this.database, 'audit_events', 'source', after)) {
      found.push(...sources);
      if (found.length >= limit) break;
    }
    return found.slice(0, limit);
  }

  /** The sources of the events with the highest ids, which are mostly those that live. */
  async newestSources(events: number): Promise<string[]> {
    const { q, table } = sqlOf(this.database);
    const rows = await ask(
      this.database,
      `SELECT DISTINCT e.${q('source')} AS ${q('source')} FROM (
        SELECT ${q('source')} FROM ${table('audit_events')} ORDER BY ${q('id')} DESC LIMIT ${events}) e`,
    );
    return rows.map((row): unknown => row['source']).filter((source) => typeof source === 'string');
  }

  /** The id of the newest event; `undefined` where there is none. */
  async newestEvent(): Promise<string | undefined> {
    const { q, table } = sqlOf(this.database);
    const [row] = await ask(
      this.database,
      `SELECT ${q('id')} FROM ${table('audit_events')} ORDER BY ${q('id')} DESC LIMIT 1`,
    );
    return row && String(row['id']);
  }

  /**
   * How far each of these sources is, in their order, by index seeks alone: some microseconds of the database for each, however many
   * events it has.
   *
   * @param sources few enough for one statement
   * @param size leaves of the log
   */
  async progressOf(sources: readonly string[], size: number): Promise<SourceProgress[]> {
    if (sources.length === 0) return [];
    const { q, table, ...sql } = sqlOf(this.database);
    // One seek for each figure: grouped, some databases read all of a source's events.
    const { text, values } = rowByRow(
      { q, table, ...sql },
      sources.map((source) => ({ source: sql.id(source) })),
      (of, bind) => `
        (SELECT MAX(e.${q('sequence')}) FROM ${table('audit_events')} e
          WHERE e.${q('source')} = ${of('source')} AND ${isNumber(this.database, 'e.sequence')}) AS ${q('stored')},
        (SELECT l.${q('through')} FROM ${table('audit_leaves')} l
          WHERE l.${q('source')} = ${of('source')} AND l.${q('through')} IS NOT NULL AND ${this.sealed('l', () => bind(size))}
          ORDER BY l.${q('through')} DESC LIMIT 1) AS ${q('sealed')}`,
    );
    const found = (await ask(this.database, text, values)).map((row) => ({
      source: sources[Number(row['place'])]!,
      stored: Number(row['stored'] ?? 0),
      sealed: Number(row['sealed'] ?? 0),
      isNoted: false,
    }));
    const firsts = await this.nextOf(found.filter(({ stored, sealed }) => stored > sealed));
    return found.map((one) => ({ ...one, ...firsts.get(one.source) }));
  }

  /** Of sources that have something that is not sealed: where it begins, and whether there is a note of them. */
  private async nextOf(
    sources: readonly Pick<SourceProgress, 'source' | 'sealed'>[],
  ): Promise<Map<string, Pick<SourceProgress, 'next' | 'isNoted'>>> {
    if (sources.length === 0) return new Map();
    const { q, table, ...sql } = sqlOf(this.database);
    const { text, values } = rowByRow(
      { q, table, ...sql },
      sources.map(({ source, sealed }) => ({ source: sql.id(source), sealed })),
      (of) => `
        (SELECT MIN(e.${q('sequence')}) FROM ${table('audit_events')} e
          WHERE e.${q('source')} = ${of('source')} AND e.${q('sequence')} > ${of('sealed')} AND ${isNumber(this.database, 'e.sequence')}) AS ${q('next')},
        CASE WHEN EXISTS (SELECT 1 FROM ${table('audit_sources')} n WHERE n.${q('source')} = ${of('source')}) THEN 1 ELSE 0 END AS ${q('noted')}`,
    );
    const rows = await ask(this.database, text, values);
    return new Map(
      rows.map((row) => [
        sources[Number(row['place'])]!.source,
        { next: Number(row['next']), isNoted: Number(row['noted']) === 1 },
      ]),
    );
  }

  /** The source's events from a place on, which is not among them, in order; of equal numbers, the lower id first. */
  eventsAfter(source: string, { sequence, id }: SourcePlace, limit: number): Promise<NumberedRow[]> {
    const { q, next, ...sql } = sqlOf(this.database);
    return this.events(
      `WHERE e.${q('source')} = ${next()} AND e.${q('sequence')} >= ${next()}
          AND (e.${q('sequence')} > ${next()} OR e.${q('id')} >= ${next()}) AND ${this.isNumbered()}
        ORDER BY e.${q('sequence')}, e.${q('id')} LIMIT ${limit}`,
      [sql.id(source), sequence, sequence, sql.idAfter(id)],
    );
  }

  /** The events that came after the log had recorded a gap in their place, and are not in the log, behind an id, in the order of ids. */
  lateEvents(afterId: string, limit: number, size: number): Promise<NumberedRow[]> {
    const { q, table, next, idAfter } = sqlOf(this.database);
    return this.events(
      `INNER JOIN ${table('audit_leaves')} g ON g.${q('source')} = e.${q('source')}
          AND g.${q('sequence')} <= e.${q('sequence')} AND g.${q('through')} >= e.${q('sequence')}
          AND ${this.sealed('g', next)}
        INNER JOIN ${table('audit_events')} ge ON ge.${q('id')} = g.${q('event_id')}
        ${this.joinLeaf(next)}
        WHERE ge.${q('tenant_id')} = ${next()} AND ge.${q('action')} = ${next()} AND ge.${q('source')} IS NULL
          AND l.${q('event_id')} IS NULL AND e.${q('id')} >= ${next()} AND ${this.isNumbered()}
        ORDER BY e.${q('id')} LIMIT ${limit}`,
      [size, size, GAP_TENANT, GAP_ACTION, idAfter(afterId)],
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
    const { q, next, idAfter } = sqlOf(this.database);
    return this.events(
      `${this.joinLeaf(next)}
        WHERE e.${q('source')} IS NULL AND e.${q('sequence')} IS NULL AND e.${q('id')} >= ${next()}${this.isNamed()}
          AND l.${q('event_id')} IS NULL
        ORDER BY e.${q('id')} LIMIT ${limit}`,
      [size, idAfter(afterId)],
    );
  }

  /**
   * The events that are not in the log, of the next `count` ids behind an id.
   *
   * @returns `last`: the last id that was looked at; absent at the end, which an event that comes meanwhile does not move
   */
  async unsealedEvents(
    afterId: string,
    count: number,
    size: number,
  ): Promise<{ events: NumberedRow[]; last?: string }> {
    const { dialect, q, table, next, idAfter } = sqlOf(this.database);
    const [end] = await ask(
      this.database,
      `SELECT ${extremeId(dialect, 'MAX', `e.${q('id')}`)} AS ${q('last_id')}, COUNT(*) AS ${q('count')} FROM (
        SELECT ${q('id')} FROM ${table('audit_events')} e
          WHERE e.${q('id')} >= ${next()}${this.isNamed()} ORDER BY ${q('id')} LIMIT ${count}) e`,
      [idAfter(afterId)],
    );
    const last = end?.['last_id'];
    if (typeof last !== 'string') return { events: await this.oddEvents(2 * count) };
    const sql = sqlOf(this.database);
    const events = await this.events(
      `${this.joinLeaf(sql.next)}
        WHERE e.${q('id')} >= ${sql.next()} AND e.${q('id')} <= ${sql.next()}${this.isNamed()} AND l.${q('event_id')} IS NULL
        ORDER BY e.${q('id')} LIMIT ${UNSEALED_AT_ONCE}`,
      [size, idAfter(afterId), sql.id(last)],
    );
    if (events.length === UNSEALED_AT_ONCE) {
      return { events, last: String(events.at(-1)!.id) };
    }
    if (Number(end?.['count']) === count) return { events, last };
    return { events: [...events, ...(await this.oddEvents(2 * count))] };
  }

  /** The events whose ids are none, as SQLite has them in a table without its checks. No leaf is one of theirs. */
  private async oddEvents(limit: number): Promise<NumberedRow[]> {
    const { dialect, q } = sqlOf(this.database);
    if (dialect !== 'sqlite') return [];
    return this.events(`WHERE NOT (1 = 1${this.isNamed()}) ORDER BY e.${q('id')} LIMIT ${limit}`, []);
  }

  /** The leaves of the source's numbers after one, in order. */
  async leavesAfter(
    source: string,
    sequence: number,
    limit: number,
    size: number,
  ): Promise<{ eventId: string; leafIndex: number; sequence: number }[]> {
    const { q, table, next, id } = sqlOf(this.database);
    const rows = await ask(
      this.database,
      `SELECT l.${q('event_id')} AS ${q('event_id')}, l.${q('leaf_index')} AS ${q('leaf_index')}, l.${q('through')} AS ${q('through')}
        FROM ${table('audit_leaves')} l
        WHERE l.${q('source')} = ${next()} AND l.${q('through')} > ${next()} AND ${this.sealed('l', next)}
        ORDER BY l.${q('through')} LIMIT ${limit}`,
      [id(source), sequence, size],
    );
    return rows.map((row) => ({
      eventId: toText(row['event_id']),
      leafIndex: toInteger(row['leaf_index']),
      sequence: toInteger(row['through']),
    }));
  }

  /** How many events of these ids there are. */
  async countIds(ids: readonly string[]): Promise<number> {
    let count = 0;
    for (let from = 0; from < ids.length; from += IDS_AT_ONCE) {
      const { q, table, next, id } = sqlOf(this.database);
      const some = ids.slice(from, from + IDS_AT_ONCE).map(id);
      const found = `${table('audit_events')} WHERE ${q('id')} IN (${some.map(next).join(', ')})`;
      count += await countRows(this.database, found, some);
    }
    return count;
  }

  /** How many events there are. */
  async countEvents(): Promise<number> {
    return countRows(this.database, sqlOf(this.database).table('audit_events'));
  }

  /** Of how many numbers of each range there is an event. */
  async countStored(ranges: readonly NumberRange[]): Promise<number[]> {
    const counts: number[] = [];
    for (let start = 0; start < ranges.length; start += SOURCES_AT_ONCE) {
      // A leaf may hold anything: then there are no such numbers.
      const part = ranges.slice(start, start + SOURCES_AT_ONCE).map(({ source, from, to }) => {
        const isRange = Number.isSafeInteger(from) && Number.isSafeInteger(to);
        return { source, from: isRange ? from : 1, to: isRange ? to : 0 };
      });
      const { q, table, ...sql } = sqlOf(this.database);
      const asked = part.map(({ source, ...range }) => ({ source: sql.id(source), ...range }));
      const { text, values } = rowByRow({ q, table, ...sql }, asked, (of) => {
        const where = `n.${q('source')} = ${of('source')} AND n.${q('sequence')} >= ${of('from')} AND n.${q('sequence')} <= ${of('to')}`;
        return `(SELECT COUNT(DISTINCT n.${q('sequence')}) FROM ${table('audit_events')} n
          WHERE ${where} AND ${isNumber(this.database, 'n.sequence')}) AS ${q('count')}`;
      });
      for (const row of await ask(this.database, text, values)) {
        counts[start + Number(row['place'])] = Number(row['count']);
      }
      await turn();
    }
    return counts;
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

  /** SQL: the event has a number that a process can have given it. */
  private isNumbered(): string {
    return `${isNumber(this.database, 'e.sequence')}${this.isNamed()}`;
  }

  /** SQL, with AND: the event's id is one. No leaf can be that of another on SQLite, where it may be something else. */
  private isNamed(): string {
    const { dialect, q } = sqlOf(this.database);
    return isId(dialect, `e.${q('id')}`);
  }

  private events(where: string, values: StatementValues): Promise<NumberedRow[]> {
    const { q, table } = sqlOf(this.database);
    const columns = ROW_COLUMNS.map((column) => `e.${q(column)} AS ${q(column)}`);
    return ask<NumberedRow>(
      this.database,
      `SELECT ${columns.join(', ')} FROM ${table('audit_events')} e ${where}`,
      values,
    );
  }
}
