import { setImmediate as turn } from 'node:timers/promises';
import { present } from '../event/present.js';
import { answer } from './answer.js';
import type { AuditDatabase } from './audit-database.js';
import { REMOVAL_ACTION } from '../event/retention-actions.js';
import type { NumberRange } from '../event/sequence-set.js';
import { distinctValues } from './distinct-values.js';
import { insertRows } from './insert-rows.js';
import { MAX_NOTE_STATEMENT, newNote } from './source-note.js';
import type { NoteTrust, SourceNote } from './source-note.js';
import { SourceStanding } from './source-standing.js';
import type { AuditSequenceGap, AuditSource } from './source-summary.js';
import type { StatementValues } from './run-statement.js';
import { ask, boundedText, countRows, isId, isNumber, sqlOf } from './sql.js';
import type { Row } from './sql.js';
import { classifyStoreError } from './store-error.js';

const COLUMNS = ['id', 'source', 'kind', 'sequence', 'timestamp', 'process', 'statement'] as const;

/** Texts that are read only where they are no longer. */
const MOST_BYTES: Partial<Record<(typeof COLUMNS)[number], number>> = {
  process: 1_024,
  statement: MAX_NOTE_STATEMENT,
};

/** Most gaps that are listed of one source. */
const MAX_GAPS = 1_000;
/** Notes that are read at a time. */
const NOTES_AT_ONCE = 1_000;
/** Sources whose gaps one statement looks for: for many more, PostgreSQL takes longer to plan it than to answer. */
const SOURCES_AT_ONCE = 25;

/** What whoever asks for summaries knows by themselves. */
export interface SummaryKnowledge extends NoteTrust {
  /** The sources of this process, which goes on whatever notes say of it. */
  readonly own: ReadonlySet<string>;
}

/** What is known of a source before its gaps are looked for. */
interface Known {
  readonly source: string;
  readonly standing: SourceStanding | undefined;
  readonly event: Row | undefined;
  readonly letter: Row | undefined;
  /** The last number that is known of, 0 where there is none. */
  readonly last: number;
}

/**
 * The processes that number their events: what is noted of each, and which of its events are missing. A user with
 * INSERT and SELECT is enough.
 */
export class SourceRepository {
  constructor(private readonly database: AuditDatabase) {}

  /**
   * Writes a note; once, however often it is tried. When it returns, it is committed.
   *
   * @param signal ends it, see `runStatement`
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`
   */
  async insert(note: SourceNote, signal?: AbortSignal): Promise<void> {
    const row = COLUMNS.map((column) => note[column]);
    try {
      await insertRows(this.database.ready().manager, 'audit_sources', COLUMNS, [row], signal);
    } catch (error) {
      // It came through before, and only its acknowledgement was lost.
      if (classifyStoreError(error) === 'duplicate') return;
      await answer(Promise.reject(error));
    }
  }

  /** Writes a note that nobody signs, as {@link insert}. */
  note(record: Parameters<typeof newNote>[0]): Promise<void> {
    return this.insert(newNote(record));
  }

  /**
   * What the notes of each source say, in the order of the sources, in bounded memory however many notes there are.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`
   */
  async *standings(trust: NoteTrust): AsyncGenerator<SourceStanding> {
    let standing: SourceStanding | undefined;
    let after = { source: '', id: '' };
    for (;;) {
      const rows = await this.notesAfter(after);
      for (const row of rows) {
        const source = String(row['source']);
        if (standing && standing.source !== source) yield standing;
        if (standing?.source !== source) standing = new SourceStanding(source, trust);
        standing.take(row);
        after = { source, id: String(row['id']) };
      }
      if (rows.length === 0) break;
      await turn();
    }
    if (standing) yield standing;
  }

  /** The next notes, by source and id: those of the same source, else those of the sources after it. */
  private async notesAfter({ source, id }: { source: string; id: string }): Promise<Row[]> {
    const same = sqlOf(this.database);
    const rest =
      source === ''
        ? []
        : await this.noteRows(
            `${same.q('source')} = ${same.next()} AND ${same.q('id')} >= ${same.next()} ORDER BY ${same.q('id')}`,
            NOTES_AT_ONCE,
            [same.id(source), same.idAfter(id)],
          );
    if (rest.length > 0) return rest;
    const { q, next, idAfter } = sqlOf(this.database);
    return this.noteRows(`${q('source')} >= ${next()} ORDER BY ${q('source')}, ${q('id')}`, NOTES_AT_ONCE, [
      idAfter(source),
    ]);
  }

  /** The next notes of all sources, by id. */
  notesById(after: string, limit: number): Promise<Row[]> {
    const { q, next, idAfter } = sqlOf(this.database);
    return this.noteRows(`${q('id')} >= ${next()} ORDER BY ${q('id')}`, limit, [idAfter(after)]);
  }

  /** The note of a source with the highest id. */
  async newestNote(source: string): Promise<Row | undefined> {
    const { q, next, id } = sqlOf(this.database);
    const [row] = await this.noteRows(`${q('source')} = ${next()} ORDER BY ${q('id')} DESC`, 1, [id(source)]);
    return row;
  }

  /** How many rows there are whose source or id is none, which no other query finds. Only SQLite takes such rows. */
  async countNameless(): Promise<number> {
    const { dialect, table } = sqlOf(this.database);
    if (dialect !== 'sqlite') return 0;
    return countRows(this.database, `${table('audit_sources')} WHERE NOT (1 = 1${this.isNamed()})`);
  }

  /** SQL, with AND: the note has the ids of one. */
  private isNamed(): string {
    const { dialect, q } = sqlOf(this.database);
    return isId(dialect, q('source')) + isId(dialect, q('id'));
  }

  private noteRows(where: string, limit: number, values: StatementValues): Promise<Row[]> {
    const { dialect, q, table } = sqlOf(this.database);
    const columns = COLUMNS.map((column) => {
      const most = MOST_BYTES[column];
      return most === undefined ? q(column) : `${boundedText(dialect, q(column), most)} AS ${q(column)}`;
    });
    return ask(
      this.database,
      `SELECT ${columns.join(', ')} FROM ${table('audit_sources')} WHERE 1 = 1${this.isNamed()} AND ${where} LIMIT ${limit}`,
      values,
    );
  }

  /**
   * One for each source that has events, dead letters or notes, newest first. Reads the whole index of sources and
   * sequences.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`
   */
  async summaries(knowledge: SummaryKnowledge = { verifiers: [], own: new Set() }): Promise<AuditSource[]> {
    // In this order: what was delivered before a note was written, is found by those who read after it.
    const notes = new Map<string, SourceStanding>();
    for await (const standing of this.standings(knowledge)) notes.set(standing.source, standing);
    const events = await this.stored();
    const letters = await this.waiting();
    const hasRemovals = await this.hasRemovals();
    const sources = [...new Set([...notes.keys(), ...events.keys(), ...letters.keys()])].sort().reverse();
    const summaries: AuditSource[] = [];
    for (let index = 0; index < sources.length; index += SOURCES_AT_ONCE) {
      const known = sources.slice(index, index + SOURCES_AT_ONCE).map((source) => {
        const [standing, event, letter] = [notes.get(source), events.get(source), letters.get(source)];
        // Of a number that anybody may have claimed nothing is missing, where there are keys to tell by.
        const notesToCount = knowledge.verifiers.length > 0 ? standing?.trusted : standing?.claimed;
        const noted = knowledge.own.has(source) ? undefined : notesToCount?.sequence;
        return {
          source,
          standing,
          event,
          letter,
          last: highest(event?.['last'], letter?.['last'], noted) ?? 0,
        };
      });
      const gaps = await this.gaps(
        known.filter((one) => !isWhole(one)),
        hasRemovals,
      );
      summaries.push(...known.map((one) => summaryOf(one, gaps.get(one.source) ?? [], knowledge)));
      await turn();
    }
    return summaries;
  }

  /** How many events of each source are stored, under how many and which sequences, and when the last one began. */
  private stored(): Promise<Map<string, Row>> {
    const { dialect, table, q } = sqlOf(this.database);
    // The time is looked up and no MAX of all, so that the index alone is read.
    return this.bySource(
      `SELECT s.*, (SELECT MAX(e.${q('timestamp')}) FROM ${table('audit_events')} e
          WHERE e.${q('source')} = s.${q('source')} AND e.${q('sequence')} = s.${q('last')}) AS ${q('seen')}
        FROM (SELECT ${q('source')}, COUNT(*) AS ${q('events')}, COUNT(DISTINCT ${q('sequence')}) AS ${q('sequences')},
            MIN(${q('sequence')}) AS ${q('first')}, MAX(${q('sequence')}) AS ${q('last')}
          FROM ${table('audit_events')} WHERE ${q('source')} IS NOT NULL AND ${isNumber(this.database, 'sequence')}${isId(dialect, q('source'))}
          GROUP BY ${q('source')}) s`,
    );
  }

  /** The dead letters of each source that are not replayed. */
  private waiting(): Promise<Map<string, Row>> {
    const { dialect, table, q } = sqlOf(this.database);
    return this.bySource(
      `SELECT d.${q('source')} AS ${q('source')}, COUNT(*) AS ${q('letters')},
          MIN(d.${q('sequence')}) AS ${q('first')}, MAX(d.${q('sequence')}) AS ${q('last')}
        FROM ${table('audit_dead_letters')} d
        WHERE d.${q('source')} IS NOT NULL AND ${isNumber(this.database, 'd.sequence')}${isId(dialect, `d.${q('source')}`)}
          AND NOT EXISTS (SELECT 1 FROM ${table('audit_events')} e WHERE e.${q('id')} = d.${q('id')})
        GROUP BY d.${q('source')}`,
    );
  }

  /**
   * Which numbers up to the last known are missing, of each source one more gap than are listed at most. What retention has removed
   * is not: once it has removed anything, the numbers that the log accounts for are taken for there, except those that it has
   * recorded as lost.
   */
  private async gaps(
    sources: readonly Known[],
    hasRemovals: boolean,
  ): Promise<Map<string, AuditSequenceGap[]>> {
    const missing = new Map<string, AuditSequenceGap[]>();
    if (sources.length === 0) return missing;
    const sealed = hasRemovals ? await this.sealed(sources) : new Map<string, number>();
    const add = (found: ReadonlyMap<string, AuditSequenceGap[]>) => {
      for (const [source, gaps] of found) missing.set(source, [...(missing.get(source) ?? []), ...gaps]);
    };
    for (const source of sealed.keys()) {
      for (const lost of await this.lost(source)) add(await this.gapsWithin([{ source, ...lost }]));
    }
    const rest = sources.map(({ source, last }) => ({
      source,
      from: (sealed.get(source) ?? 0) + 1,
      to: last,
    }));
    add(await this.gapsWithin(rest.filter(({ from, to }) => from <= to)));
    return missing;
  }

  /** Up to which number the log accounts for each of these sources. */
  private async sealed(sources: readonly Known[]): Promise<Map<string, number>> {
    const { table, q, next, id } = sqlOf(this.database);
    const rows = await ask(
      this.database,
      `SELECT ${q('source')}, MAX(${q('through')}) AS ${q('sealed')} FROM ${table('audit_leaves')}
        WHERE ${q('source')} IN (${sources.map(next).join(', ')}) GROUP BY ${q('source')}`,
      sources.map(({ source }) => id(source)),
    );
    return new Map(rows.map((row) => [String(row['source']), Number(row['sealed'] ?? 0)]));
  }

  /** The numbers of a source that the log has recorded as lost. */
  private async lost(source: string): Promise<AuditSequenceGap[]> {
    const { table, q, next, id } = sqlOf(this.database);
    const rows = await ask(
      this.database,
      `SELECT g.${q('sequence')} AS ${q('from')}, g.${q('through')} AS ${q('to')} FROM ${table('audit_leaves')} g
        INNER JOIN ${table('audit_events')} e ON e.${q('id')} = g.${q('event_id')} AND e.${q('source')} IS NULL
        WHERE g.${q('source')} = ${next()} ORDER BY g.${q('sequence')} LIMIT ${MAX_GAPS + 1}`,
      [id(source)],
    );
    return rows.map((row) => ({ from: Number(row['from']), to: Number(row['to']) }));
  }

  /** Whether an event says that retention has removed others. Anybody who may insert can have written it. */
  async hasRemovals(): Promise<boolean> {
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

  /** What is in neither table of these numbers, by source. Few enough ranges for one statement. */
  private async gapsWithin(ranges: readonly NumberRange[]): Promise<Map<string, AuditSequenceGap[]>> {
    const found = new Map<string, AuditSequenceGap[]>();
    if (ranges.length === 0) return found;
    const { table, q, next, id } = sqlOf(this.database);
    const [place, before, number] = [q('place'), q('before'), q('sequence')];
    const numbers = ranges.flatMap(({ from, to }, index) => [
      ...(['audit_events', 'audit_dead_letters'] as const).map(
        (name) => `SELECT ${index} AS ${place}, ${number} FROM ${table(name)}
          WHERE ${q('source')} = ${next()} AND ${number} >= ${from} AND ${number} <= ${to} AND ${isNumber(this.database, 'sequence')}`,
      ),
      // The end counts as a number, so that what is missing before it is a step like others.
      `SELECT ${index} AS ${place}, ${to + 1} AS ${number}`,
    ]);
    const rows = await ask(
      this.database,
      `SELECT ${place}, ${before}, ${number} FROM (
        SELECT ${place}, ${before}, ${number}, ROW_NUMBER() OVER (PARTITION BY ${place} ORDER BY ${number}) AS ${q('rank')}
          FROM (SELECT ${place}, ${number}, LAG(${number}) OVER (PARTITION BY ${place} ORDER BY ${number}) AS ${before}
            FROM (${numbers.join(' UNION ALL ')}) numbers) steps
          WHERE ${before} IS NULL OR ${number} > ${before} + 1) gaps
        WHERE ${q('rank')} <= ${MAX_GAPS + 2} ORDER BY ${place}, ${number}`,
      ranges.flatMap(({ source }) => [id(source), id(source)]),
    );
    for (const row of rows) {
      const { source, from } = ranges[Number(row['place'])]!;
      const gap = {
        from: row['before'] === null ? from : Number(row['before']) + 1,
        to: Number(row['sequence']) - 1,
      };
      // The first number may be there.
      if (gap.from > gap.to) continue;
      const gaps = found.get(source) ?? [];
      if (gaps.length <= MAX_GAPS) gaps.push(gap);
      found.set(source, gaps);
    }
    return found;
  }

  private async bySource(statement: string): Promise<Map<string, Row>> {
    return new Map((await ask(this.database, statement)).map((row) => [String(row['source']), row]));
  }
}

/** Whether no number up to the last is missing, which the counts alone tell. */
function isWhole({ event, last }: Known): boolean {
  return Number(event?.['first'] ?? 1) === 1 && Number(event?.['sequences'] ?? 0) === last;
}

function summaryOf(
  { source, standing, event, letter }: Known,
  gaps: readonly AuditSequenceGap[],
  { verifiers, own }: SummaryKnowledge,
): AuditSource {
  const note = standing?.best?.newest;
  return {
    source,
    state: own.has(source) ? 'open' : stateOf(note),
    ...(note && verifiers.length > 0 && { signed: standing.trusted !== undefined }),
    ...present('firstSequence', lowest(event?.['first'], letter?.['first'])),
    ...present('lastSequence', highest(event?.['last'], letter?.['last'])),
    events: Number(event?.['events'] ?? 0),
    ...present('deadLetters', letter && Number(letter['letters'])),
    gaps: gaps.slice(0, MAX_GAPS),
    ...(gaps.length > MAX_GAPS && { moreGaps: true }),
    ...present('lastSeen', highest(event?.['seen'], note?.timestamp)),
    ...present('process', note?.process),
  };
}

function stateOf(note: SourceNote | undefined): AuditSource['state'] {
  if (note?.kind === 'closed') return 'closed';
  return note?.kind === 'abandoned' ? 'unclean' : 'open';
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
