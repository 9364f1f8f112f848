import { setImmediate as turn } from 'node:timers/promises';
import { AuditError } from '../event/audit-error.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import type { NumberRange } from '../event/sequence-set.js';
import type { AuditDatabase } from './audit-database.js';
import { CHECKPOINT, EVENT_ROW, LEAF, TILE } from './audit.entities.js';
import type { StoredCheckpoint, StoredLeaf, StoredTile } from './audit.entities.js';
import { bigint, id as idColumn } from './columns.js';
import { distinctIds } from './distinct-values.js';
import { toRow } from './event-row.js';
import type { NumberedRow, RowNumber } from './event-row.js';
import { insertOf, runTogether } from './insert-rows.js';
import type { Step } from './insert-rows.js';
import { isSealed } from './ledger.repository.js';
import { read, rowsOf } from './records.js';
import { rowByRow } from './row-by-row.js';
import { runStatement } from './run-statement.js';
import {
  any,
  ask,
  columnsOf,
  countRows,
  id,
  idAfter,
  isId,
  isNumber,
  limit,
  list,
  number,
  raw,
  sql,
  statementOf,
} from './sql.js';
import type { Sql, SqlPart } from './sql.js';
import { answer } from './store-error.js';
import { dialectOf } from './table-name.js';

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

/** After which event of a source to go on. */
export interface SourcePlace {
  readonly sequence: number;
  readonly id: string;
}

/** What one step adds to the log. */
export interface SealedBatch {
  /** Events of the audit's own that tell of gaps, stored together with their leaves. */
  readonly gapEvents: readonly AuditLogEvent[];
  readonly leaves: readonly StoredLeaf[];
  /** Those that it has completed. */
  readonly tiles: readonly StoredTile[];
  readonly checkpoint: StoredCheckpoint;
}

/** Who seals. */
export interface Lease {
  /** Counts each time that it is acquired, renewed or released. */
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

/** What the event of a gap is known by, beside having no number of its own. */
export const GAP_ACTION = 'audit.gap';
const IS_GAP = sql`ge.tenant_id = ${'default'} AND ge.action = ${GAP_ACTION} AND ge.source IS NULL`;

/** Events that have a number that a process can have given them. */
const IS_NUMBERED = sql`${isNumber('e.sequence')} AND ${isId('e.id')}`;

/** The event's id where its number is sought: SQLite would rather read all events in the order of their ids. */
const UNSOUGHT_ID: SqlPart = (dialect) => raw(dialect === 'sqlite' ? '+e.id' : 'e.id');

/**
 * What the sealer reads and writes. INSERT and SELECT are enough, except for the lease, which needs UPDATE.
 *
 * Each question takes the size of the log: leaves outside of it are nobody's, and say nothing of what is sealed. Whoever
 * can insert a row could hide an event behind one.
 */
export class SealingRepository {
  constructor(private readonly database: AuditDatabase) {}

  /** The next sources that have events, in their order, after this one: 500 at most. */
  async sourcesAfter(after: string, count: number): Promise<string[]> {
    for await (const sources of distinctIds(this.database, 'audit_events', 'source', after)) {
      return sources.slice(0, count);
    }
    return [];
  }

  /** The sources of the events with the highest ids, which are mostly those that live. */
  async newestSources(events: number): Promise<string[]> {
    const rows = await ask(
      this.database,
      sql`SELECT DISTINCT e.source AS source FROM (SELECT source FROM audit_events ORDER BY id DESC ${limit(events)}) e`,
    );
    return rows.map((row): unknown => row['source']).filter((source) => typeof source === 'string');
  }

  /** The highest id of an event that is lower than this one; `undefined` where there is none. */
  async newestEvent(before: string): Promise<string | undefined> {
    const [row] = await ask(
      this.database,
      sql`SELECT id FROM audit_events WHERE id < ${id(before)} ORDER BY id DESC LIMIT 1`,
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
    // One seek for each figure: grouped, some databases read all of a source's events.
    const rows = await ask(
      this.database,
      rowByRow(
        sources.map((source) => ({ source: id(source) })),
        ({ source }) => sql`
          (SELECT MAX(e.sequence) FROM audit_events e
            WHERE e.source = ${source} AND ${isNumber('e.sequence')}) AS last_stored,
          (SELECT l.through FROM audit_leaves l
            WHERE l.source = ${source} AND l.through IS NOT NULL AND ${isSealed('l', size)}
            ORDER BY l.through DESC LIMIT 1) AS last_sealed`,
      ),
    );
    const found = rows.map((row) => ({
      source: sources[Number(row['place'])]!,
      stored: Number(row['last_stored'] ?? 0),
      sealed: Number(row['last_sealed'] ?? 0),
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
    const rows = await ask(
      this.database,
      rowByRow(
        sources.map(({ source, sealed }) => ({ source: id(source), sealed })),
        ({ source, sealed }) => sql`
          (SELECT MIN(e.sequence) FROM audit_events e
            WHERE e.source = ${source} AND e.sequence > ${sealed} AND ${isNumber('e.sequence')}) AS first_unsealed,
          CASE WHEN EXISTS (SELECT 1 FROM audit_sources n WHERE n.source = ${source}) THEN 1 ELSE 0 END AS noted`,
      ),
    );
    return new Map(
      rows.map((row) => [
        sources[Number(row['place'])]!.source,
        { next: Number(row['first_unsealed']), isNoted: Number(row['noted']) === 1 },
      ]),
    );
  }

  /** The source's events from a place on, which is not among them, in order; of equal numbers, the lower id first. */
  eventsAfter(source: string, place: SourcePlace, count: number): Promise<NumberedRow[]> {
    return this.events(ofSource(source, place, count));
  }

  /** As {@link eventsAfter}, by an index alone: nothing of them but their numbers. */
  numbersAfter(source: string, place: SourcePlace, count: number): Promise<RowNumber[]> {
    const where = ofSource(source, place, count);
    return ask(
      this.database,
      sql`SELECT e.id AS id, e.source AS source, e.sequence AS sequence FROM audit_events e ${where}`,
    );
  }

  /**
   * The events of these numbers that are not in the log, after an id, in the order of ids.
   *
   * @param ranges few enough for one statement, and at least one
   */
  lateEvents(
    ranges: readonly NumberRange[],
    afterId: string,
    count: number,
    size: number,
  ): Promise<NumberedRow[]> {
    // With their bounds as values: MySQL would look through all of a source's events for those of a row.
    const lies = ranges.map(
      ({ source, from, to }) =>
        sql`(e.source = ${id(source)} AND e.sequence >= ${from} AND e.sequence <= ${to})`,
    );
    return this.events(
      sql`${joinLeaf(size)}
        WHERE ${any(lies)} AND l.event_id IS NULL AND ${UNSOUGHT_ID} >= ${idAfter(afterId)} AND ${IS_NUMBERED}
        ORDER BY ${UNSOUGHT_ID} ${limit(count)}`,
    );
  }

  /** The gaps that the log had recorded before a leaf, whether their numbers came later or not. */
  async gapsBefore(leafIndex: number): Promise<StoredGap[]> {
    const rows = await read(
      this.database,
      { source: idColumn, sequence: bigint, through: bigint, eventId: idColumn, leafIndex: bigint },
      sql`FROM audit_events ge INNER JOIN audit_leaves t ON t.event_id = ge.id AND ${isSealed('t', leafIndex)}
        WHERE ${IS_GAP} AND t.source IS NOT NULL ORDER BY t.leaf_index`,
    );
    return rows.map(({ sequence, through, ...gap }) => ({ ...gap, from: sequence, to: through }));
  }

  /** The events without a number that are not in the log, after an id, in the order of ids. */
  unnumberedEvents(afterId: string, count: number, size: number): Promise<NumberedRow[]> {
    return this.events(
      sql`${joinLeaf(size)}
        WHERE e.source IS NULL AND e.sequence IS NULL AND e.id >= ${idAfter(afterId)} AND ${isId('e.id')}
          AND l.event_id IS NULL
        ORDER BY e.id ${limit(count)}`,
    );
  }

  /**
   * The events that are not in the log, of the next `count` ids after an id.
   *
   * @returns `last`: the last id that was looked at; absent at the end
   */
  async unsealedEvents(
    afterId: string,
    count: number,
    size: number,
  ): Promise<{ events: NumberedRow[]; last?: string }> {
    const page = sql`e.id >= ${idAfter(afterId)} AND ${isId('e.id')}`;
    const [end] = await ask(
      this.database,
      sql`SELECT e.id AS id FROM audit_events e WHERE ${page} ORDER BY e.id LIMIT 1 OFFSET ${number(count - 1)}`,
    );
    const events = await this.events(
      sql`${joinLeaf(size)}
        WHERE ${page} AND ${end ? sql`e.id <= ${id(String(end['id']))}` : sql`1 = 1`} AND l.event_id IS NULL
        ORDER BY e.id ${limit(UNSEALED_AT_ONCE)}`,
    );
    if (events.length === UNSEALED_AT_ONCE) return { events, last: String(events.at(-1)!.id) };
    if (end) return { events, last: String(end['id']) };
    return { events: [...events, ...(await this.oddEvents(2 * count))] };
  }

  /** The events whose ids are none, as SQLite has them in a table without its checks. No leaf is one of theirs. */
  private async oddEvents(count: number): Promise<NumberedRow[]> {
    if (dialectOf(this.database.ready()) !== 'sqlite') return [];
    return this.events(sql`WHERE NOT (${isId('e.id')}) ORDER BY e.id ${limit(count)}`);
  }

  /** The leaves of the source's numbers after one, in order. */
  async leavesAfter(
    source: string,
    sequence: number,
    count: number,
    size: number,
  ): Promise<{ eventId: string; leafIndex: number; sequence: number }[]> {
    const rows = await read(
      this.database,
      { eventId: idColumn, leafIndex: bigint, through: bigint },
      sql`FROM audit_leaves t WHERE t.source = ${id(source)} AND t.through > ${sequence} AND ${isSealed('t', size)}
        ORDER BY t.through ${limit(count)}`,
    );
    return rows.map(({ through, ...leaf }) => ({ ...leaf, sequence: through }));
  }

  /** How many events of these ids there are. */
  async countIds(ids: readonly string[]): Promise<number> {
    let count = 0;
    for (let from = 0; from < ids.length; from += IDS_AT_ONCE) {
      const some = list(ids.slice(from, from + IDS_AT_ONCE).map(id));
      count += await countRows(this.database, sql`audit_events WHERE id IN (${some})`);
    }
    return count;
  }

  /** How many events there are. */
  countEvents(): Promise<number> {
    return countRows(this.database, sql`audit_events`);
  }

  /** Of how many numbers of each range there is no event. */
  async countMissing(ranges: readonly NumberRange[]): Promise<number[]> {
    const counts = ranges.map(({ from, to }) => to - from + 1);
    for (let start = 0; start < ranges.length; start += SOURCES_AT_ONCE) {
      // A leaf may hold anything: then there are no such numbers.
      const some = ranges.slice(start, start + SOURCES_AT_ONCE).map(({ source, from, to }) => {
        const isRange = Number.isSafeInteger(from) && Number.isSafeInteger(to);
        return { source: id(source), first: isRange ? from : 1, last: isRange ? to : 0 };
      });
      const count = rowByRow(
        some,
        ({ source, first, last }) => sql`(SELECT COUNT(DISTINCT n.sequence) FROM audit_events n
          WHERE n.source = ${source} AND n.sequence >= ${first} AND n.sequence <= ${last} AND ${isNumber('n.sequence')}) AS total`,
      );
      for (const row of await ask(this.database, count)) {
        counts[start + Number(row['place'])]! -= Number(row['total']);
      }
      await turn();
    }
    return counts;
  }

  /**
   * Adds the batch to the log, all of it or nothing.
   *
   * @throws the driver's error, a duplicate where somebody else has extended the same checkpoint first; `NotAsExpectedError` where on SQLite
   *   an event is not there any more
   */
  async seal({ gapEvents, leaves, tiles, checkpoint }: SealedBatch): Promise<void> {
    const dataSource = this.database.ready();
    const inserts = [
      // First what only one can insert.
      rowsOf('audit_checkpoints', CHECKPOINT, [checkpoint]),
      { table: 'audit_events', columns: EVENT_ROW, rows: gapEvents.map(toRow) } as const,
      rowsOf('audit_leaves', LEAF, leaves),
      rowsOf('audit_tiles', TILE, tiles),
    ].filter(({ rows }) => rows.length > 0);
    const steps: Step[] = inserts.map((insert) => insertOf(dataSource, insert));
    if (dialectOf(dataSource) === 'sqlite') {
      // On its one connection also what the application had not committed was read: by now that may be rolled back.
      const ids = list(leaves.map(({ eventId }) => id(eventId)));
      const events = sql`SELECT COUNT(*) AS total FROM audit_events WHERE id IN (${ids})`;
      steps.push({ ...statementOf(dataSource.manager, events), count: leaves.length });
    }
    await runTogether(dataSource, steps);
  }

  /** @throws AuditError `AUDIT_LEDGER_BROKEN` where its row is gone; `AUDIT_STORE_UNAVAILABLE` */
  async lease(): Promise<Lease> {
    const [row] = await ask(this.database, sql`SELECT term, holder FROM audit_leases WHERE name = 'sealer'`);
    if (row) return { term: Number(row['term']), holder: String(row['holder']) };
    const { text: table } = statementOf(this.database.ready().manager, sql`audit_leases`);
    throw new AuditError(
      'AUDIT_LEDGER_BROKEN',
      `The row of the sealer is gone from ${table}, so nobody seals: write INSERT INTO ${table} VALUES ('sealer', 0, '').`,
    );
  }

  /**
   * Acquires the lease, renews it, or (with an empty holder) releases it, unless somebody else has done one of these since that term.
   *
   * @returns whether the holder has it now
   */
  async changeLease(term: number, holder: string): Promise<boolean> {
    const { manager } = this.database.ready();
    const change = sql`UPDATE audit_leases SET term = term + 1, holder = ${holder} WHERE name = 'sealer' AND term = ${term}`;
    const done = await answer(runStatement<unknown>(manager, statementOf(manager, change)));
    // Not by a question, which a replica may answer that is behind. MySQL's driver tells by a property, PostgreSQL's after the rows.
    const { affectedRows, 1: rowCount } = Object(done) as { affectedRows?: number; 1?: number };
    const changed = affectedRows ?? rowCount;
    if (changed !== undefined) return changed === 1;
    const now = await this.lease();
    return now.holder === holder && now.term === term + 1;
  }

  private events(where: Sql): Promise<NumberedRow[]> {
    return ask<NumberedRow>(
      this.database,
      sql`SELECT ${columnsOf('e', EVENT_ROW)} FROM audit_events e ${where}`,
    );
  }
}

function ofSource(source: string, { sequence, id: after }: SourcePlace, count: number): Sql {
  return sql`WHERE e.source = ${id(source)} AND e.sequence >= ${sequence}
      AND (e.sequence > ${sequence} OR e.id >= ${idAfter(after)}) AND ${IS_NUMBERED}
    ORDER BY e.sequence, e.id ${limit(count)}`;
}

/** The event's leaf in the log, as `l`. */
function joinLeaf(size: number): Sql {
  return sql`LEFT JOIN audit_leaves l ON l.event_id = e.id AND ${isSealed('l', size)}`;
}
