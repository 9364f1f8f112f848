import { createEventId } from '../event/event-id.js';
import { present } from '../event/present.js';
import { answer } from './answer.js';
import { toAscii } from './ascii.js';
import type { AuditDatabase } from './audit-database.js';
import { REMOVAL_ACTION } from './retention.repository.js';
import { distinctValues } from './distinct-values.js';
import { insertRows } from './insert-rows.js';
import type { AuditSequenceGap, AuditSource, SourceNoteKind } from './source-summary.js';
import { ask, sqlOf } from './sql.js';
import type { Row } from './sql.js';
import type { AuditTable } from './table-name.js';

const COLUMNS = ['id', 'source', 'kind', 'sequence', 'timestamp', 'process'] as const;

/** Most gaps that are listed of one source. */
const MAX_GAPS = 1_000;

/**
 * The processes that number their events: what is noted of each, and which of its events are missing. A user with
 * INSERT and SELECT is enough.
 */
export class SourceRepository {
  constructor(private readonly database: AuditDatabase) {}

  /**
   * Notes something of a source. When it returns, it is committed.
   *
   * @param record `sequence`: the last that was given away, 0 where there is none; `process`: JSON, at most 1,024
   *   characters once it is written in ASCII
   * @param signal ends it, see `runStatement`
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`
   */
  async note(
    record: {
      readonly source: string;
      readonly kind: SourceNoteKind;
      readonly sequence: number;
      readonly process: string;
    },
    signal?: AbortSignal,
  ): Promise<void> {
    const timestamp = Date.now();
    const { source, kind, sequence, process } = record;
    const row = [createEventId(timestamp), source, kind, sequence, timestamp, toAscii(process)];
    await answer(insertRows(this.database.ready().manager, 'audit_sources', COLUMNS, [row], signal));
  }

  /**
   * One for each source that has events, dead letters or notes, newest first. Reads the whole index of sources and
   * sequences.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`
   */
  async summaries(): Promise<AuditSource[]> {
    // In this order: what was delivered before a note was written, is found by those who read after it.
    const notes = await this.notes();
    const events = await this.stored();
    const letters = await this.waiting();
    const hasRemovals = await this.hasRemovals();
    const sources = [...new Set([...notes.keys(), ...events.keys(), ...letters.keys()])].sort().reverse();
    const summaries: AuditSource[] = [];
    for (const source of sources) {
      summaries.push(
        await this.summary(source, notes.get(source), events.get(source), letters.get(source), hasRemovals),
      );
    }
    return summaries;
  }

  private async summary(
    source: string,
    note: Row | undefined,
    event: Row | undefined,
    letter: Row | undefined,
    hasRemovals: boolean,
  ): Promise<AuditSource> {
    const last = highest(event?.['last'], letter?.['last']);
    const known = highest(last, note?.['sequence']) ?? 0;
    const whole = Number(event?.['first'] ?? 1) === 1 && Number(event?.['sequences'] ?? 0) === known;
    const gaps = whole ? [] : await this.gaps(source, known, hasRemovals);
    return {
      source,
      state: stateOf(note?.['kind']),
      ...present('firstSequence', lowest(event?.['first'], letter?.['first'])),
      ...present('lastSequence', last),
      events: Number(event?.['events'] ?? 0),
      ...present('deadLetters', letter && Number(letter['letters'])),
      gaps: gaps.slice(0, MAX_GAPS),
      ...(gaps.length > MAX_GAPS && { moreGaps: true }),
      ...present('lastSeen', highest(event?.['seen'], note?.['seen'])),
      ...present('process', note && String(note['process'])),
    };
  }

  /**
   * The newest note of each source, with the highest sequence and time of all: columns `source`, `kind`, `process`,
   * `sequence`, `seen`.
   */
  notes(): Promise<Map<string, Row>> {
    const { table, q } = sqlOf(this.database);
    return this.bySource(
      `SELECT n.${q('source')} AS ${q('source')}, n.${q('kind')} AS ${q('kind')}, n.${q('process')} AS ${q('process')},
          newest.${q('sequence')} AS ${q('sequence')}, newest.${q('seen')} AS ${q('seen')}
        FROM ${table('audit_sources')} n
        INNER JOIN (SELECT MAX(${q('id')}) AS ${q('id')}, MAX(${q('sequence')}) AS ${q('sequence')},
            MAX(${q('timestamp')}) AS ${q('seen')}
          FROM ${table('audit_sources')} GROUP BY ${q('source')}) newest ON newest.${q('id')} = n.${q('id')}`,
    );
  }

  /** How many events of each source are stored, under how many and which sequences, and when the last one began. */
  private stored(): Promise<Map<string, Row>> {
    const { table, q } = sqlOf(this.database);
    // The time is looked up and no MAX of all, so that the index alone is read.
    return this.bySource(
      `SELECT s.*, (SELECT MAX(e.${q('timestamp')}) FROM ${table('audit_events')} e
          WHERE e.${q('source')} = s.${q('source')} AND e.${q('sequence')} = s.${q('last')}) AS ${q('seen')}
        FROM (SELECT ${q('source')}, COUNT(*) AS ${q('events')}, COUNT(DISTINCT ${q('sequence')}) AS ${q('sequences')},
            MIN(${q('sequence')}) AS ${q('first')}, MAX(${q('sequence')}) AS ${q('last')}
          FROM ${table('audit_events')} WHERE ${q('source')} IS NOT NULL GROUP BY ${q('source')}) s`,
    );
  }

  /** The dead letters of each source that are not replayed. */
  private waiting(): Promise<Map<string, Row>> {
    const { table, q } = sqlOf(this.database);
    return this.bySource(
      `SELECT d.${q('source')} AS ${q('source')}, COUNT(*) AS ${q('letters')},
          MIN(d.${q('sequence')}) AS ${q('first')}, MAX(d.${q('sequence')}) AS ${q('last')}
        FROM ${table('audit_dead_letters')} d
        WHERE d.${q('source')} IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM ${table('audit_events')} e WHERE e.${q('id')} = d.${q('id')})
        GROUP BY d.${q('source')}`,
    );
  }

  /**
   * Which numbers up to `known` are missing, one more gap than are listed at most. What retention has removed is not: once it has
   * removed anything, the numbers that the log accounts for are taken for there, but for those that it has recorded as lost.
   */
  private async gaps(source: string, known: number, hasRemovals: boolean): Promise<AuditSequenceGap[]> {
    if (!hasRemovals) return this.gapsWithin(source, 1, known);
    const { table, q, next } = sqlOf(this.database);
    const [row] = await ask(
      this.database,
      `SELECT MAX(${q('through')}) AS ${q('sealed')} FROM ${table('audit_leaves')} WHERE ${q('source')} = ${next()}`,
      [source],
    );
    const sealed = Number(row?.['sealed'] ?? 0);
    const sql = sqlOf(this.database);
    const lost = await ask(
      this.database,
      `SELECT g.${q('sequence')} AS ${q('from')}, g.${q('through')} AS ${q('to')} FROM ${table('audit_leaves')} g
        INNER JOIN ${table('audit_events')} e ON e.${q('id')} = g.${q('event_id')} AND e.${q('source')} IS NULL
        WHERE g.${q('source')} = ${sql.next()} ORDER BY g.${q('sequence')} LIMIT ${MAX_GAPS + 1}`,
      [source],
    );
    const gaps: AuditSequenceGap[] = [];
    for (const range of lost) {
      gaps.push(...(await this.gapsWithin(source, Number(range['from']), Number(range['to']))));
    }
    return [...gaps, ...(await this.gapsWithin(source, sealed + 1, known))];
  }

  /** Whether retention has removed anything. */
  private async hasRemovals(): Promise<boolean> {
    for await (const tenants of distinctValues(this.database, 'audit_events', 'tenant_id')) {
      const { table, q, next } = sqlOf(this.database);
      const rows = await ask(
        this.database,
        `SELECT ${q('id')} FROM ${table('audit_events')}
          WHERE ${q('tenant_id')} IN (${tenants.map(next).join(', ')}) AND ${q('action')} = ${next()} AND ${q('source')} IS NULL LIMIT 1`,
        [...tenants, REMOVAL_ACTION],
      );
      if (rows.length > 0) return true;
    }
    return false;
  }

  /** What is in neither table of these numbers, both ends included. */
  private async gapsWithin(source: string, from: number, to: number): Promise<AuditSequenceGap[]> {
    if (from > to) return [];
    const { table, q, next } = sqlOf(this.database);
    const numbers = (name: AuditTable) =>
      `SELECT ${q('sequence')} FROM ${table(name)}
        WHERE ${q('source')} = ${next()} AND ${q('sequence')} >= ${from} AND ${q('sequence')} <= ${to}`;
    // The end counts as a number, so that what is missing before it is a step like others.
    const rows = await ask(
      this.database,
      `SELECT ${q('before')} + 1 AS ${q('first')}, ${q('sequence')} - 1 AS ${q('last')}
        FROM (SELECT ${q('sequence')}, COALESCE(LAG(${q('sequence')}) OVER (ORDER BY ${q('sequence')}), ${from - 1}) AS ${q('before')}
          FROM (${numbers('audit_events')} UNION ALL ${numbers('audit_dead_letters')} UNION ALL SELECT ${to + 1} AS ${q('sequence')}) numbers) steps
        WHERE ${q('sequence')} > ${q('before')} + 1
        ORDER BY ${q('sequence')} LIMIT ${MAX_GAPS + 1}`,
      [source, source],
    );
    return rows.map((row) => ({ from: Number(row['first']), to: Number(row['last']) }));
  }

  private async bySource(statement: string): Promise<Map<string, Row>> {
    return new Map((await ask(this.database, statement)).map((row) => [String(row['source']), row]));
  }
}

function stateOf(kind: string | number | null | undefined): AuditSource['state'] {
  if (kind === 'closed') return 'closed';
  return kind === 'abandoned' ? 'unclean' : 'open';
}

type Figure = string | number | null | undefined;

function highest(...figures: Figure[]): number | undefined {
  const numbers = numbersOf(figures);
  return numbers.length > 0 ? Math.max(...numbers) : undefined;
}

function lowest(...figures: Figure[]): number | undefined {
  const numbers = numbersOf(figures);
  return numbers.length > 0 ? Math.min(...numbers) : undefined;
}

function numbersOf(figures: readonly Figure[]): number[] {
  return figures.filter((figure) => figure !== undefined && figure !== null).map(Number);
}
