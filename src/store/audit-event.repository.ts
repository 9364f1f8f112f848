import type { EntityManager, SelectQueryBuilder } from 'typeorm';
import { AuditError } from '../event/audit-error.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { answer, unavailable } from './answer.js';
import { AuditDatabase } from './audit-database.js';
import type { EventFilter } from './event-filter.js';
import { codeOf, isCodeColumn, readCode } from './codes.js';
import { EVENT_COLUMNS, ROW_COLUMNS, toRow } from './event-row.js';
import type { EventColumn, EventRow } from './event-row.js';
import { applyFilter } from './filter-sql.js';
import { sizeOf } from './event-size.js';
import { insertRows } from './insert-rows.js';
import { runStatement } from './run-statement.js';
import { ask, askBuilt, isId, sqlOf } from './sql.js';
import { storedId, storedIdAfter } from './stored-id.js';
import { classifyStoreError } from './store-error.js';
import { dialectOf, tableName } from './table-name.js';

/** Which way a listing runs: ids sort by time. */
export type EventOrder = 'newest' | 'oldest';

/** Rows in one INSERT: 500 rows of 19 values stay below every database's limit of parameters. */
const INSERT_ROWS = 500;
/** UTF-16 code units of facts in one INSERT: far below the smallest packet that a server takes by default (4 MiB). */
const INSERT_SIZE = 512 * 1024;

/** The events of a filter, counted by the distinct values of a column. */
export type EventCounts = { readonly value: string; readonly count: number }[];

/**
 * The audit's table: append and read, nothing else. A user with INSERT and SELECT is enough. Every event that a read
 * answers is complete and equal, byte by byte, to the one appended.
 */
export class AuditEventRepository {
  constructor(private readonly database: AuditDatabase) {}

  /** How many rows this process has read that can't be read as events or dead letters. */
  get unreadable(): number {
    return this.database.reader.unreadable;
  }

  /** Why the database can't be used at all, before any statement is tried; `undefined` where it can. */
  get whyNotReady(): string | undefined {
    return this.database.whyNotReady;
  }

  /**
   * Stores the events; those whose id is stored already are passed over. When it returns, all are committed (with
   * `manager`: are part of its transaction).
   *
   * @param signal ends it, where there is no `manager`: the connection that does not answer is broken
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`, or the driver's error, see `classifyStoreError`; then none, or
   *   whole batches from the front, are stored
   */
  async append(
    events: readonly AuditLogEvent[],
    manager?: EntityManager,
    signal?: AbortSignal,
  ): Promise<void> {
    const executor = manager ?? this.database.ready().manager;
    for (const batch of statementsOf(events)) {
      signal?.throwIfAborted();
      try {
        await this.insert(executor, batch, signal);
      } catch (error) {
        if (manager) throw unavailable(error);
        if (classifyStoreError(error) !== 'duplicate') throw error;
        // A plain INSERT needs no right to update, as an upsert would, and hides no other error, as INSERT IGNORE
        // does. Only after a lost acknowledgement is it worth asking which ids are there.
        const missing = await this.withoutStored(batch);
        if (missing.length > 0) await this.insert(executor, missing, signal);
      }
    }
  }

  async findById(id: string, filter: EventFilter): Promise<AuditLogEvent | undefined> {
    const [row] = await this.answers<EventRow>(this.rows({ ...filter, id: [id] }).limit(1));
    return row && this.database.reader.read(row);
  }

  /**
   * One page, in the order of ids.
   *
   * @param page `limit`: most events to answer; `after`: the id that the page begins behind
   */
  async find(
    filter: EventFilter,
    page: { readonly limit: number; readonly order: EventOrder; readonly after?: string },
  ): Promise<AuditLogEvent[]> {
    const query = this.rows(filter)
      .orderBy('e.id', page.order === 'newest' ? 'DESC' : 'ASC')
      .limit(page.limit);
    if (page.after !== undefined) {
      const dialect = dialectOf(this.database.ready());
      if (page.order === 'newest') query.andWhere('e.id < :after', { after: storedId(dialect, page.after) });
      else query.andWhere('e.id >= :after', { after: storedIdAfter(dialect, page.after) });
    }
    return (await this.answers<EventRow>(query)).map(this.database.reader.read);
  }

  /**
   * How many events each value of a column has, most first.
   *
   * @param values only these
   */
  async countBy(
    filter: EventFilter,
    column: Extract<EventColumn, 'category' | 'severity' | 'outcome' | 'action' | 'user_id'>,
    limit: number,
    values?: readonly string[],
  ): Promise<EventCounts> {
    const query = this.select(filter);
    const counted = values?.map((value) => (isCodeColumn(column) ? codeOf(column, value) : value));
    if (counted) query.andWhere(`e.${column} IN (:...counted)`, { counted });
    const rows = await this.answers<{ value: string | number; count: number | string }>(
      query
        .select(`e.${column}`, 'value')
        .addSelect('COUNT(*)', 'count')
        .andWhere(`e.${column} IS NOT NULL`)
        .groupBy(`e.${column}`)
        .orderBy('COUNT(*)', 'DESC')
        .addOrderBy(`e.${column}`, 'ASC')
        .limit(limit),
    );
    const textOf = (value: unknown) => String(isCodeColumn(column) ? readCode(column, value) : value);
    return rows.map((row) => ({ value: textOf(row.value), count: Number(row.count) }));
  }

  /** Totals of the filter's events; `highRiskFrom` is the lowest score that counts as high. */
  async totals(
    filter: EventFilter,
    highRiskFrom: number,
  ): Promise<{
    total: number;
    meanRisk: number;
    highRisk: number;
    violations: number;
    first?: number;
    last?: number;
  }> {
    const [row] = await this.answers<Record<string, string | number | null>>(
      this.select(filter)
        .select('COUNT(*)', 'total')
        .addSelect('SUM(e.risk_score)', 'risk')
        .addSelect('SUM(CASE WHEN e.risk_score >= :highRiskFrom THEN 1 ELSE 0 END)', 'highRisk')
        .addSelect(`SUM(CASE WHEN e.compliance_flags <> '[]' THEN 1 ELSE 0 END)`, 'violations')
        .addSelect('MIN(e.timestamp)', 'first')
        .addSelect('MAX(e.timestamp)', 'last')
        .setParameter('highRiskFrom', highRiskFrom),
    );
    const total = Number(row?.['total'] ?? 0);
    return {
      total,
      meanRisk: total === 0 ? 0 : Number(row?.['risk'] ?? 0) / total,
      highRisk: Number(row?.['highRisk'] ?? 0),
      violations: Number(row?.['violations'] ?? 0),
      ...(total > 0 && { first: Number(row?.['first']), last: Number(row?.['last']) }),
    };
  }

  /** Events per interval of `bucketMs`, by the interval's first millisecond: the newest that are not empty, oldest first. */
  async histogram(
    filter: EventFilter,
    bucketMs: number,
    limit: number,
  ): Promise<{ timestamp: number; count: number }[]> {
    const bucket = Math.trunc(bucketMs);
    const start = `(e.timestamp - (e.timestamp % ${bucket}))`;
    const rows = await this.answers<{ bucket: number | string; count: number | string }>(
      this.select(filter)
        .select(start, 'bucket')
        .addSelect('COUNT(*)', 'count')
        .groupBy(start)
        .orderBy(start, 'DESC')
        .limit(limit),
    );
    return rows.map((row) => ({ timestamp: Number(row.bucket), count: Number(row.count) })).reverse();
  }

  /** A value that all processes of the installation share, written by the migration. */
  async setting(name: 'cursor_key' | 'ledger_id'): Promise<string> {
    const { q, table, next } = sqlOf(this.database);
    const [row] = await ask(
      this.database,
      `SELECT ${q('value')} FROM ${table('audit_settings')} WHERE ${q('name')} = ${next()}`,
      [name],
    );
    if (row) return String(row['value']);
    throw new AuditError(
      'AUDIT_STORE_UNAVAILABLE',
      `The table audit_settings has no row "${name}". Run the library's migrations again.`,
    );
  }

  /**
   * Asks the database for nothing, to know whether it answers.
   *
   * @param signal ends it: the connection that does not answer is broken
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`
   */
  async ping(signal?: AbortSignal): Promise<void> {
    await answer(runStatement(this.database.ready(), 'SELECT 1', [], { signal }));
  }

  private select(filter: EventFilter): SelectQueryBuilder<Record<string, unknown>> {
    const source = this.database.ready();
    const dialect = dialectOf(source);
    const query = source
      .createQueryBuilder()
      .select([])
      .from<Record<string, unknown>>(tableName(source, 'audit_events'), 'e')
      // On SQLite somebody may have written an id that is none: no page could go on from it.
      .where(`1 = 1${isId(dialect, 'e.id')}`);
    return applyFilter(query, filter, dialect);
  }

  private answers<T>(query: SelectQueryBuilder<Record<string, unknown>>): Promise<T[]> {
    return askBuilt<T>(this.database, query);
  }

  private rows(filter: EventFilter): SelectQueryBuilder<Record<string, unknown>> {
    const query = this.select(filter);
    for (const column of EVENT_COLUMNS) query.addSelect(`e.${column}`, column);
    return query;
  }

  private insert(
    executor: EntityManager,
    events: readonly AuditLogEvent[],
    signal?: AbortSignal,
  ): Promise<void> {
    return insertRows(executor, 'audit_events', ROW_COLUMNS, events.map(toRow), signal);
  }

  private async withoutStored(events: readonly AuditLogEvent[]): Promise<AuditLogEvent[]> {
    const rows = await this.answers<{ id: string }>(
      this.select({ id: events.map((event) => event.id) }).select('e.id', 'id'),
    );
    const stored = new Set(rows.map((row) => row.id));
    return events.filter((event) => !stored.has(event.id));
  }
}

/** The events in portions that one INSERT takes. */
function* statementsOf(events: readonly AuditLogEvent[]): Generator<readonly AuditLogEvent[]> {
  let batch: AuditLogEvent[] = [];
  let size = 0;
  for (const event of events) {
    const own = sizeOf(event);
    if (batch.length > 0 && (batch.length >= INSERT_ROWS || size + own > INSERT_SIZE)) {
      yield batch;
      batch = [];
      size = 0;
    }
    batch.push(event);
    size += own;
  }
  if (batch.length > 0) yield batch;
}
