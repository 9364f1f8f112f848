import type { EntityManager } from 'typeorm';
import { AuditError } from '../event/audit-error.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { RateLimitedLog } from '../event/audit-logger.js';
import { isEventId } from '../event/event-id.js';
import { AuditDatabase } from './audit-database.js';
import { EVENT, EVENT_ROW } from './audit.entities.js';
import { CODES, isCodeColumn, readCode } from './codes.js';
import type { EventFilter } from './event-filter.js';
import { readRow, toRow } from './event-row.js';
import type { EventColumn, EventRow, RowValues } from './event-row.js';
import { matching } from './filter-sql.js';
import { insertRows } from './insert-rows.js';
import { ask, columnsOf, id, idAfter, limit as most, list, raw, sql } from './sql.js';
import type { Row, Sql } from './sql.js';
import { classifyStoreError, unavailable } from './store-error.js';

/** Which way a listing runs: ids sort by time. */
export type EventOrder = 'newest' | 'oldest';

/** Rows in one INSERT: 500 rows of 19 values stay below every database's limit of parameters. */
const INSERT_ROWS = 500;
/** Bytes of values in one INSERT: far below the smallest packet that a server takes by default (1 MiB). */
const INSERT_BYTES = 512 * 1024;

/** The events of a filter, counted by the distinct values of a column. */
export type EventCounts = { readonly value: string; readonly count: number }[];

/**
 * The audit's table: append and read, nothing else. A user with INSERT and SELECT is enough. Every event that a read
 * answers is complete and equal, byte by byte, to the one appended.
 */
export class AuditEventRepository {
  /** How many rows were read that can't be read as events or dead letters, each as often as it was read. */
  unreadable = 0;
  private readonly warnings: RateLimitedLog;

  constructor(private readonly database: AuditDatabase) {
    this.warnings = new RateLimitedLog(database.logger);
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
   * @returns the rows that it has inserted
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`, or the driver's error, see `classifyStoreError`; then none, or
   *   whole batches from the front, are stored
   */
  async append(
    events: readonly AuditLogEvent[],
    manager?: EntityManager,
    signal?: AbortSignal,
  ): Promise<RowValues[]> {
    const executor = this.database.writer(manager);
    const inserted: RowValues[] = [];
    const insert = async (rows: RowValues[]) => {
      await insertRows(executor, { table: 'audit_events', columns: EVENT_ROW, rows }, signal);
      inserted.push(...rows);
    };
    for (const batch of statementsOf(events)) {
      signal?.throwIfAborted();
      try {
        await insert(batch);
      } catch (error) {
        if (manager) throw unavailable(error);
        if (classifyStoreError(error) !== 'duplicate') throw error;
        // A plain INSERT needs no right to update, as an upsert would, and hides no other error, as INSERT IGNORE
        // does. Only after a lost acknowledgement is it worth asking which ids are there.
        const missing = await this.withoutStored(batch);
        if (missing.length > 0) await insert(missing);
      }
    }
    return inserted;
  }

  async findById(eventId: string, filter: EventFilter): Promise<AuditLogEvent | undefined> {
    const [event] = await this.events(matching({ ...filter, id: [eventId] }), sql`LIMIT 1`);
    return event;
  }

  /**
   * One page, in the order of ids.
   *
   * @param page `limit`: most events to answer; `after`: the id after which the page begins
   */
  find(
    filter: EventFilter,
    { limit, order, after }: { readonly limit: number; readonly order: EventOrder; readonly after?: string },
  ): Promise<AuditLogEvent[]> {
    const isNewest = order === 'newest';
    const page = isNewest ? sql`e.id < ${id(after ?? '')}` : sql`e.id >= ${idAfter(after ?? '')}`;
    return this.events(
      after === undefined ? matching(filter) : sql`${matching(filter)} AND ${page}`,
      sql`ORDER BY e.id ${raw(isNewest ? 'DESC' : 'ASC')} ${most(limit)}`,
    );
  }

  private async events(where: Sql, page: Sql): Promise<AuditLogEvent[]> {
    const rows = await this.select<EventRow>(columnsOf('e', EVENT), where, page);
    return rows.map((row) => {
      const { event, unreadable } = readRow(row);
      if (unreadable.length > 0) this.noteUnreadable('event', event.id);
      return event;
    });
  }

  /** Counts a row that can't be read, and says so in the log now and then. */
  noteUnreadable(what: 'event' | 'dead letter', rowId: unknown): void {
    this.unreadable += 1;
    this.warnings.warn(
      what,
      `The stored ${what} ${isEventId(rowId) ? rowId : 'without a valid id'} can't be read: this library did not write it like this: somebody else has written or changed the row. nest-audit verify names each such row.`,
    );
  }

  /** How many events each value of a column has, most first; of codes, only those that stand for a text. */
  async countBy(
    filter: EventFilter,
    column: Extract<EventColumn, 'category' | 'severity' | 'outcome' | 'action' | 'user_id'>,
    limit: number,
  ): Promise<EventCounts> {
    const name = raw(`e.${column}`);
    const codes = isCodeColumn(column) ? Object.values<number>(CODES[column]) : undefined;
    const rows = await this.select(
      sql`${name} AS value, COUNT(*) AS total`,
      sql`${matching(filter)} AND ${name} ${codes ? sql`IN (${list(codes)})` : sql`IS NOT NULL`}`,
      sql`GROUP BY ${name} ORDER BY COUNT(*) DESC, ${name} ASC ${most(limit)}`,
    );
    return rows.map(({ value = null, total }) => ({
      value: String(isCodeColumn(column) ? readCode(column, value) : value),
      count: Number(total),
    }));
  }

  /** Totals of the filter's events; `highRiskFrom` is the lowest score that counts as high. */
  async totals(filter: EventFilter, highRiskFrom: number) {
    const [row] = await this.select(
      sql`COUNT(*) AS total, SUM(e.risk_score) AS risk,
        SUM(CASE WHEN e.risk_score >= ${highRiskFrom} THEN 1 ELSE 0 END) AS high,
        SUM(CASE WHEN e.compliance_flags <> '[]' THEN 1 ELSE 0 END) AS violations,
        MIN(e.timestamp) AS first, MAX(e.timestamp) AS last`,
      matching(filter),
    );
    const total = Number(row?.['total'] ?? 0);
    return {
      total,
      meanRisk: total === 0 ? 0 : Number(row?.['risk'] ?? 0) / total,
      highRisk: Number(row?.['high'] ?? 0),
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
    const start = raw(`(e.timestamp - (e.timestamp % ${Math.trunc(bucketMs)}))`);
    const rows = await this.select(
      sql`${start} AS bucket, COUNT(*) AS total`,
      matching(filter),
      sql`GROUP BY ${start} ORDER BY ${start} DESC ${most(limit)}`,
    );
    return rows.map(({ bucket, total }) => ({ timestamp: Number(bucket), count: Number(total) })).reverse();
  }

  /** A value that all processes of the installation share, written by the migration. */
  async setting(name: 'cursor_key' | 'ledger_id'): Promise<string> {
    const [row] = await ask(this.database, sql`SELECT value FROM audit_settings WHERE name = ${name}`);
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
   */
  async ping(signal?: AbortSignal): Promise<void> {
    await ask(this.database, sql`SELECT 1`, { signal });
  }

  /** What is asked of events, which a replica may answer. */
  private select<T extends object = Row>(columns: Sql, where: Sql, rest = sql``): Promise<T[]> {
    return ask<T>(this.database, sql`SELECT ${columns} FROM audit_events e WHERE ${where} ${rest}`, {
      fromReplica: true,
    });
  }

  private async withoutStored(rows: readonly RowValues[]): Promise<RowValues[]> {
    const isOne = matching({ id: rows.map(([eventId]) => String(eventId)) });
    const found = await ask(this.database, sql`SELECT e.id AS id FROM audit_events e WHERE ${isOne}`);
    const stored = new Set(found.map((row) => row['id']));
    return rows.filter(([eventId]) => !stored.has(String(eventId)));
  }
}

/** The rows of the events, in portions that one INSERT takes. */
function* statementsOf(events: readonly AuditLogEvent[]): Generator<RowValues[]> {
  let batch: RowValues[] = [];
  let size = 0;
  for (const event of events) {
    const row = toRow(event);
    const added = bytesOf(row);
    if (batch.length > 0 && (batch.length >= INSERT_ROWS || size + added > INSERT_BYTES)) {
      yield batch;
      batch = [];
      size = 0;
    }
    batch.push(row);
    size += added;
  }
  if (batch.length > 0) yield batch;
}

/** About what a row takes in a statement. */
function bytesOf(row: RowValues): number {
  let bytes = 0;
  for (const value of row) bytes += typeof value === 'string' ? Buffer.byteLength(value) + 4 : 8;
  return bytes;
}
