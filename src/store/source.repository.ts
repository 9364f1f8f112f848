import { setImmediate as turn } from 'node:timers/promises';
import { present } from '../event/present.js';
import type { AuditDatabase } from './audit-database.js';
import { NOTE } from './audit.entities.js';
import { isWaiting } from './dead-letter.repository.js';
import { REMOVAL_ACTION } from '../event/retention-actions.js';
import type { NumberRange } from '../event/sequence-set.js';
import { distinctValues } from './distinct-values.js';
import { insertRows } from './insert-rows.js';
import { LedgerRepository } from './ledger.repository.js';
import { rowsOf } from './records.js';
import type { SourceNote } from './source-note.js';
import type { StatementTrust } from './statement-signer.js';
import { SealingRepository } from './sealing.repository.js';
import { SourceStanding } from './source-standing.js';
import type { AuditSequenceGap, AuditSource } from './source-summary.js';
import {
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
} from './sql.js';
import type { Row, Sql } from './sql.js';
import { answer, classifyStoreError } from './store-error.js';
import { dialectOf } from './table-name.js';

/** The note has the ids of one. */
const IS_NAMED = sql`${isId('source')} AND ${isId('id')}`;

/** Most gaps that are listed of one source. */
const MAX_GAPS = 1_000;
/** Notes that are read at a time. */
const NOTES_AT_ONCE = 1_000;
/** Sources, or ranges of their numbers, that one statement looks up: many more take PostgreSQL longer to plan than to answer. */
const AT_ONCE = 25;

/** What whoever asks for summaries knows by themselves. */
export interface SummaryKnowledge extends StatementTrust {
  /** The sources of this process, which goes on whatever notes say of it. */
  readonly local: ReadonlySet<string>;
}

/** Of a source's events and its dead letters that are not replayed: how many, under how many and which numbers, and when the last event began. */
type Figures = Readonly<
  Partial<Record<'events' | 'sequences' | 'letters' | 'first' | 'last' | 'seen', number>>
>;

/** What is known of a source before its gaps are looked for. */
interface Known {
  readonly source: string;
  readonly standing: SourceStanding | undefined;
  readonly figures: Figures;
  /** The last number that is known of, 0 where there is none. */
  readonly last: number;
}

/**
 * The processes that number their events: what is noted of each, and which of its events are missing. A user with
 * INSERT and SELECT is enough. Every method may throw `AUDIT_STORE_UNAVAILABLE`.
 */
export class SourceRepository {
  constructor(private readonly database: AuditDatabase) {}

  /**
   * Writes a note; once, however often it is tried. When it returns, it is committed.
   *
   * @param signal ends it, see `runStatement`
   */
  async insert(note: SourceNote, signal?: AbortSignal): Promise<void> {
    try {
      await insertRows(this.database.ready().manager, rowsOf('audit_sources', NOTE, [note]), signal);
    } catch (error) {
      // It came through before, and only its acknowledgement was lost.
      if (classifyStoreError(error) === 'duplicate') return;
      await answer(Promise.reject(error));
    }
  }

  /**
   * What the notes of each source say, in the order of the sources, in bounded memory however many notes there are.
   */
  async *standings(trust: StatementTrust): AsyncGenerator<SourceStanding> {
    let standing: SourceStanding | undefined;
    let after = { source: '', id: '' };
    for (;;) {
      const rows = await this.notesAfter(after);
      for (const row of rows) {
        const source = String(row['source']);
        if (standing && standing.source !== source) yield standing;
        if (standing?.source !== source) standing = new SourceStanding(source, trust);
        standing.add(row);
        after = { source, id: String(row['id']) };
      }
      if (rows.length === 0) break;
      await turn();
    }
    if (standing) yield standing;
  }

  /** The next notes, by source and id: those of the same source, else those of the sources after it. */
  private async notesAfter(after: { source: string; id: string }): Promise<Row[]> {
    const same = sql`source = ${id(after.source)} AND id >= ${idAfter(after.id)} ORDER BY id`;
    const rest = after.source === '' ? [] : await this.notes(same, NOTES_AT_ONCE);
    if (rest.length > 0) return rest;
    return this.notes(sql`source >= ${idAfter(after.source)} ORDER BY source, id`, NOTES_AT_ONCE);
  }

  /** The next notes of all sources, by id. */
  notesById(after: string, count: number): Promise<Row[]> {
    return this.notes(sql`id >= ${idAfter(after)} ORDER BY id`, count);
  }

  /** The note of a source with the highest id. */
  async newestNote(source: string): Promise<Row | undefined> {
    const [row] = await this.notes(sql`source = ${id(source)} ORDER BY id DESC`, 1);
    return row;
  }

  /** How many rows there are whose source or id is none, which no other query finds. Only SQLite takes such rows. */
  async countNameless(): Promise<number> {
    if (dialectOf(this.database.ready()) !== 'sqlite') return 0;
    return countRows(this.database, sql`audit_sources WHERE NOT (${IS_NAMED})`);
  }

  private notes(where: Sql, count: number): Promise<Row[]> {
    return ask(
      this.database,
      sql`SELECT ${columnsOf('t', NOTE)} FROM audit_sources t WHERE ${IS_NAMED} AND ${where} ${limit(count)}`,
    );
  }

  /**
   * One for each source that has events, dead letters or notes, newest first. Reads the whole index of sources and
   * sequences.
   */
  async summaries(knowledge: SummaryKnowledge = { verifiers: [], local: new Set() }): Promise<AuditSource[]> {
    // In this order: what was delivered before a note was written, is found by those who read after it.
    const notes = new Map<string, SourceStanding>();
    for await (const standing of this.standings(knowledge)) notes.set(standing.source, standing);
    const ledger = new LedgerRepository(this.database);
    const sizeNow = async () => (await ledger.head())?.treeSize ?? 0;
    const stored = await this.figures(await sizeNow());
    // What is removed, the log tells.
    const size = (await this.hasRemovals()) ? await sizeNow() : 0;
    const lost = size > 0 ? await this.lost(size) : new Map<string, NumberRange[]>();
    const sources = [...new Set([...notes.keys(), ...stored.keys()])].sort().reverse();
    const summaries: AuditSource[] = [];
    for (let index = 0; index < sources.length; index += AT_ONCE) {
      const known = sources.slice(index, index + AT_ONCE).map((source) => {
        const standing = notes.get(source);
        const figures = stored.get(source) ?? {};
        // Of a number that anybody may have claimed nothing is missing, where there are keys to tell by.
        const notesToCount = knowledge.verifiers.length > 0 ? standing?.trusted : standing?.claimed;
        const noted = knowledge.local.has(source) ? undefined : notesToCount?.sequence;
        return { source, standing, figures, last: Math.max(figures.last ?? 0, noted ?? 0) };
      });
      // The counts alone tell that no number is missing.
      const holed = known.filter(({ figures, last }) => (figures.sequences ?? 0) !== last);
      const gaps = await this.gaps(holed, size, lost);
      summaries.push(...known.map((one) => summaryOf(one, gaps.get(one.source) ?? [], knowledge)));
      await turn();
    }
    return summaries;
  }

  /** By source. The time is looked up and no MAX of all, so that the index of sources and sequences alone is read. */
  private async figures(size: number): Promise<Map<string, Figures>> {
    const rows = await ask(
      this.database,
      sql`SELECT source, SUM(events) AS events, SUM(sequences) AS sequences, SUM(letters) AS letters,
          MIN(first) AS first, MAX(last) AS last, MAX(seen) AS seen
        FROM (
          SELECT s.*, NULL AS letters, (SELECT MAX(e.timestamp) FROM audit_events e
              WHERE e.source = s.source AND e.sequence = s.last) AS seen
            FROM (SELECT source, COUNT(*) AS events, COUNT(DISTINCT sequence) AS sequences,
                MIN(sequence) AS first, MAX(sequence) AS last
              FROM audit_events WHERE source IS NOT NULL AND ${isNumber('sequence')} AND ${isId('source')}
              GROUP BY source) s
          UNION ALL
          SELECT d.source, NULL, NULL, MIN(d.sequence), MAX(d.sequence), COUNT(*), NULL
            FROM audit_dead_letters d
            WHERE d.source IS NOT NULL AND ${isNumber('d.sequence')} AND ${isId('d.source')}
              AND ${isWaiting(size)}
            GROUP BY d.source) f
        GROUP BY source`,
    );
    return new Map(
      rows.map(({ source = null, ...figures }) => {
        const known = Object.entries(figures).filter(([, figure]) => figure !== null);
        return [String(source), Object.fromEntries(known.map(([name, figure]) => [name, Number(figure)]))];
      }),
    );
  }

  /**
   * Which numbers up to the last known are missing, of each source one more gap than are listed at most. What retention has removed
   * is not: once it has removed anything, the numbers that the log accounts for are taken for there, except those that it has
   * recorded as lost.
   *
   * @param size of the log; 0 where nothing was removed
   * @param lost what it has recorded as lost, of each source
   */
  private async gaps(
    sources: readonly Known[],
    size: number,
    lost: ReadonlyMap<string, NumberRange[]>,
  ): Promise<Map<string, AuditSequenceGap[]>> {
    const names = size > 0 ? sources.map(({ source }) => source) : [];
    const progress = await new SealingRepository(this.database).progressOf(names, size);
    const sealed = new Map(progress.map((one) => [one.source, one.sealed]));
    const ranges: NumberRange[] = [];
    for (const { source, last } of sources) {
      const from = (sealed.get(source) ?? 0) + 1;
      ranges.push(...(lost.get(source) ?? []));
      if (from <= last) ranges.push({ source, from, to: last });
    }
    const missing = new Map<string, AuditSequenceGap[]>();
    for (let start = 0; start < ranges.length; start += AT_ONCE) {
      for (const { source, ...gap } of await this.gapsWithin(ranges.slice(start, start + AT_ONCE))) {
        const gaps = missing.get(source) ?? [];
        if (gaps.length <= MAX_GAPS) gaps.push(gap);
        missing.set(source, gaps);
      }
    }
    return missing;
  }

  /** The numbers that the log has recorded as lost, of each source in order: one range more than gaps are listed at most. */
  private async lost(size: number): Promise<Map<string, NumberRange[]>> {
    const lost = new Map<string, NumberRange[]>();
    // A leaf may hold anything.
    const gaps = (await new SealingRepository(this.database).gapsBefore(size)).filter(
      ({ from, to }) => from >= 1 && from <= to && Number.isSafeInteger(to),
    );
    for (const { source, from, to } of gaps.sort((a, b) => a.from - b.from)) {
      const ranges = lost.get(source) ?? [];
      if (ranges.length <= MAX_GAPS) ranges.push({ source, from, to });
      lost.set(source, ranges);
    }
    return lost;
  }

  /** Whether an event says that retention has removed others. Anybody who may insert can have written it. */
  async hasRemovals(): Promise<boolean> {
    for await (const tenants of distinctValues(this.database, 'audit_events', 'tenant_id')) {
      const rows = await ask(
        this.database,
        sql`SELECT id FROM audit_events
          WHERE tenant_id IN (${list(tenants)}) AND action = ${REMOVAL_ACTION} AND source IS NULL LIMIT 1`,
      );
      if (rows.length > 0) return true;
    }
    return false;
  }

  /** What is in neither table of these numbers. Few enough ranges for one statement. */
  private async gapsWithin(ranges: readonly NumberRange[]): Promise<NumberRange[]> {
    const numbers = ranges.flatMap(({ source, from, to }, index) => {
      const place = number(index);
      return [
        ...[raw('audit_events'), raw('audit_dead_letters')].map(
          (table) => sql`SELECT ${place} AS place, sequence FROM ${table}
            WHERE source = ${id(source)} AND sequence >= ${number(from)} AND sequence <= ${number(to)} AND ${isNumber('sequence')}`,
        ),
        // The numbers beside the range count as stored, so that what is missing at its ends is a step like others.
        ...[from - 1, to + 1].map((beside) => sql`SELECT ${place} AS place, ${number(beside)} AS sequence`),
      ];
    });
    const rows = await ask(
      this.database,
      sql`SELECT place, previous, sequence FROM (
        SELECT place, previous, sequence, ROW_NUMBER() OVER (PARTITION BY place ORDER BY sequence) AS number
          FROM (SELECT place, sequence, LAG(sequence) OVER (PARTITION BY place ORDER BY sequence) AS previous
            FROM (${list(numbers, ' UNION ALL ')}) numbers) steps
          WHERE sequence > previous + 1) gaps
        WHERE number <= ${number(MAX_GAPS + 1)} ORDER BY place, sequence`,
    );
    return rows.map((row) => ({
      source: ranges[Number(row['place'])]!.source,
      from: Number(row['previous']) + 1,
      to: Number(row['sequence']) - 1,
    }));
  }
}

function summaryOf(
  { source, standing, figures }: Known,
  gaps: readonly AuditSequenceGap[],
  { verifiers, local }: SummaryKnowledge,
): AuditSource {
  const note = standing?.best?.newest;
  const { first, last, events = 0, letters, seen = -1 } = figures;
  const lastSeen = Math.max(seen, note?.timestamp ?? -1);
  return {
    source,
    state: local.has(source) ? 'open' : stateOf(note),
    ...(note && verifiers.length > 0 && { signed: standing.trusted !== undefined }),
    ...present('firstSequence', first),
    ...present('lastSequence', last),
    events,
    ...present('deadLetters', letters),
    gaps: gaps.slice(0, MAX_GAPS),
    ...(gaps.length > MAX_GAPS && { moreGaps: true }),
    ...(lastSeen >= 0 && { lastSeen }),
    ...present('process', note?.process),
  };
}

function stateOf(note: SourceNote | undefined): AuditSource['state'] {
  if (note?.kind === 'closed') return 'closed';
  return note?.kind === 'abandoned' ? 'unclean' : 'open';
}
