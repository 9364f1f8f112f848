import type { AuditFacts, AuditLogEvent } from '../../event/audit-log-event.js';
import { firstIdOf } from '../../event/event-id.js';
import { present } from '../../event/present.js';
import { HOLD_ACTION, REMOVAL_ACTION } from '../../event/retention-actions.js';
import { answer } from '../../store/answer.js';
import type { AuditDatabase } from '../../store/audit-database.js';
import { codeOf } from '../../store/codes.js';
import { toInteger, toText } from '../../store/column-value.js';
import { distinctValues } from '../../store/distinct-values.js';
import { EVENT_COLUMNS, ROW_COLUMNS, toRow } from '../../store/event-row.js';
import type { EventRow } from '../../store/event-row.js';
import { insertOf, NotAsExpectedError, runTogether } from '../../store/insert-rows.js';
import type { Step } from '../../store/insert-rows.js';
import { ask, isId, sqlOf } from '../../store/sql.js';
import type { Row, Sql } from '../../store/sql.js';
import type { StoredValue } from '../../store/stored-row.js';
import { isRolledBack } from '../../store/store-error.js';

/** The action of the event of a hold that was lifted. */
export const RELEASE_ACTION = 'audit.release-hold';

/** What tells of other events, and is never removed. */
const KEPT_ACTIONS = [
  'audit.gap',
  'audit.log-replaced',
  'audit.erase',
  REMOVAL_ACTION,
  HOLD_ACTION,
  RELEASE_ACTION,
] as const;

/** Events that are as old as a rule asks. */
export interface ExpiredEvents {
  readonly tenantId: string;
  readonly category: string;
  /** Unix epoch, milliseconds: those that began before. */
  readonly before: number;
}

/** Events that must stay: those to which all of it applies that is said. */
export interface HeldEvents {
  readonly tenantId?: string;
  readonly userId?: string;
  readonly resource?: string;
  readonly resourceId?: string;
  /** Unix epoch, milliseconds, inclusive. */
  readonly from?: number;
  /** Unix epoch, milliseconds, exclusive. */
  readonly to?: number;
}

/** A sealed event, as it is stored, with its leaf. */
export interface ExpiredRow {
  readonly row: EventRow;
  readonly leafIndex: number;
  /** Base64. */
  readonly leafHash: string;
}

/** An event of the audit that may carry a statement. Whoever may insert may have written it. */
export interface StatementEvent {
  readonly id: string;
  /** Unix epoch, milliseconds. */
  readonly timestamp: number;
  readonly tenantId: string;
  readonly action: string;
  /** Absent where they are no JSON of a record, or longer than any that the library writes. */
  readonly details?: AuditFacts;
}

/** Whose holds were considered before a removal, and how many events of holds these tenants had. */
export interface ConsideredHolds {
  readonly tenants: readonly string[];
  readonly count: number;
}

/** Of these events, those that are read at a time. */
const STATEMENTS_PAGE = 200;
/** Characters of details that are read: more than the largest record of a removal has. */
const LONGEST_DETAILS = 100_000;

/** How many events, and the time of the oldest and the newest: Unix epoch, milliseconds. */
export interface EventSpan {
  readonly events: number;
  readonly oldest?: number;
  readonly newest?: number;
}

/** What retention reads and removes. Reading needs SELECT; removing also DELETE and INSERT on `audit_events` and `audit_removals`. */
export class RetentionRepository {
  constructor(private readonly database: AuditDatabase) {}

  /** Whether the database works on the thread that asks it, so that nothing else is done there meanwhile. */
  get isOnThisThread(): boolean {
    return sqlOf(this.database).dialect === 'sqlite';
  }

  /** All tenants that have events, some hundred at a time. */
  tenants(): AsyncGenerator<string[]> {
    return distinctValues(this.database, 'audit_events', 'tenant_id');
  }

  /**
   * Of the tenant's categories with a rule, those that have events of before its time: by one statement, since there may be any
   * number of tenants.
   *
   * @param before Unix epoch, milliseconds, by category; names of the library's own alone
   */
  async aged(tenantId: string, before: ReadonlyMap<string, number>): Promise<Set<string>> {
    if (before.size === 0) return new Set();
    const { dialect, q, table, next, id } = sqlOf(this.database);
    const values: StoredValue[] = [];
    const parts = Array.from(before, ([category, time]) => {
      const code = codeOf('category', category);
      values.push(tenantId, id(firstIdOf(time)));
      return `SELECT ${code} AS ${q('category')} ${dialect === 'mysql' ? 'FROM DUAL' : ''}
        WHERE EXISTS (SELECT 1 FROM ${table('audit_events')} e
          WHERE e.${q('tenant_id')} = ${next()} AND e.${q('category')} = ${code} AND e.${q('id')} < ${next()})`;
    });
    const rows = await ask(this.database, parts.join(' UNION ALL '), values);
    return new Set(rows.map((row) => String(row['category'])));
  }

  /**
   * The expired events behind an id, in the order of ids; sealed, and not held.
   *
   * @param size leaves of the log
   */
  async expired(
    which: ExpiredEvents,
    held: readonly HeldEvents[],
    page: { readonly after: string; readonly limit: number; readonly size: number },
  ): Promise<ExpiredRow[]> {
    const sql = sqlOf(this.database);
    const { q, next } = sql;
    const values: StoredValue[] = [];
    const where = this.where(which, page.size, values, sql);
    values.push(sql.idAfter(page.after));
    const after = `e.${q('id')} >= ${next()}`;
    const free = held.map((hold) => `AND NOT ${this.isHeld(hold, values, sql)}`).join(' ');
    const columns = EVENT_COLUMNS.map((column) => `e.${q(column)} AS ${q(column)}`).join(', ');
    const rows = await ask<Row & EventRow>(
      this.database,
      `SELECT ${columns}, l.${q('leaf_index')} AS ${q('leaf_index')}, l.${q('leaf_hash')} AS ${q('leaf_hash')}
        ${where} AND ${after} ${free} ORDER BY e.${q('id')} LIMIT ${page.limit}`,
      values,
    );
    return rows.map((row) => ({
      row,
      leafIndex: toInteger(row['leaf_index']),
      leafHash: toText(row['leaf_hash']),
    }));
  }

  /** Of the expired and sealed events, those that are held or those that are not. */
  async span(
    which: ExpiredEvents,
    held: readonly HeldEvents[],
    isHeld: boolean,
    size: number,
  ): Promise<EventSpan> {
    if (isHeld && held.length === 0) return { events: 0 };
    const sql = sqlOf(this.database);
    const { q } = sql;
    const values: StoredValue[] = [];
    const where = this.where(which, size, values, sql);
    const any = held.map((hold) => this.isHeld(hold, values, sql)).join(' OR ');
    const condition = any === '' ? '' : `AND ${isHeld ? '' : 'NOT '}(${any})`;
    const [row] = await ask(
      this.database,
      `SELECT COUNT(*) AS ${q('events')}, MIN(e.${q('timestamp')}) AS ${q('oldest')}, MAX(e.${q('timestamp')}) AS ${q('newest')}
        ${where} ${condition}`,
      values,
    );
    const events = Number(row?.['events'] ?? 0);
    return {
      events,
      ...(events > 0 && { oldest: Number(row!['oldest']), newest: Number(row!['newest']) }),
    };
  }

  /**
   * Removes the events and stores the one that tells of it: all of it or nothing.
   *
   * @param holds those that were considered, where it is to be done only if no event of a hold came since
   * @returns whether it was done; if not, another run was faster, or an event of a hold came meanwhile
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`
   */
  async remove(
    ids: readonly string[],
    event: AuditLogEvent,
    holds: ConsideredHolds | undefined,
  ): Promise<boolean> {
    const connection = this.database.ready();
    const { q, table, id } = sqlOf(this.database);
    const values = ids.map(id);
    const [events, removals] = [table('audit_events'), table('audit_removals')];
    const named = (column: string) => `${q(column)} IN (${ids.map(sqlOf(this.database).next).join(', ')})`;
    const steps: Step[] = [
      // A second run that removes the same waits here.
      insertOf(connection, {
        table: 'audit_removals',
        columns: ['event_id'],
        rows: values.map((value) => [value]),
      }),
      {
        text: `SELECT COUNT(*) AS ${q('count')} FROM ${events} WHERE ${named('id')}`,
        values,
        count: ids.length,
      },
      ...(holds ? [this.sameHolds(holds)] : []),
      { text: `DELETE FROM ${events} WHERE ${named('id')}`, values },
      { text: `DELETE FROM ${removals} WHERE ${named('event_id')}`, values },
      insertOf(connection, { table: 'audit_events', columns: ROW_COLUMNS, rows: [toRow(event)] }),
    ];
    try {
      await answer(runTogether(connection, steps));
      return true;
    } catch (error) {
      const { cause } = error as { cause?: unknown };
      if (cause instanceof NotAsExpectedError || isRolledBack(cause)) return false;
      throw error;
    }
  }

  /**
   * The audit's own events of these actions that have no number, some hundred at a time: those of one tenant and action after
   * another, each in the order of their ids.
   *
   * @param tenants whose; absent for everybody's
   */
  async *statements(
    actions: readonly string[],
    tenants?: readonly string[],
  ): AsyncGenerator<StatementEvent[]> {
    for await (const some of tenants ? [tenants] : this.tenants()) {
      const { q, table, next } = sqlOf(this.database);
      const groups = await ask(
        this.database,
        `SELECT DISTINCT ${q('tenant_id')}, ${q('action')} FROM ${table('audit_events')}
          WHERE ${q('tenant_id')} IN (${some.map(next).join(', ')}) AND ${q('action')} IN (${actions.map(next).join(', ')})`,
        [...some, ...actions],
      );
      for (const group of groups)
        yield* this.statementsOf(String(group['tenant_id']), String(group['action']));
    }
  }

  /** By the index of tenants and actions: there may be many more events without a number. */
  private async *statementsOf(tenantId: string, action: string): AsyncGenerator<StatementEvent[]> {
    for (let after = ''; ;) {
      const { q, table, next, idAfter } = sqlOf(this.database);
      const rows = await ask(
        this.database,
        `SELECT e.${q('id')} AS ${q('id')}, e.${q('timestamp')} AS ${q('timestamp')},
            SUBSTR(e.${q('details')}, 1, ${LONGEST_DETAILS}) AS ${q('details')}
          FROM ${table('audit_events')} e
          WHERE e.${q('tenant_id')} = ${next()} AND e.${q('action')} = ${next()} AND e.${q('id')} >= ${next()}
            AND e.${q('source')} IS NULL ${this.plainId()}
          ORDER BY e.${q('id')} LIMIT ${STATEMENTS_PAGE}`,
        [tenantId, action, idAfter(after)],
      );
      const events = rows.map((row) => ({
        id: String(row['id']),
        timestamp: Number(row['timestamp']),
        tenantId,
        action,
        ...present('details', factsOf(row['details'])),
      }));
      if (events.length > 0) yield events;
      if (events.length < STATEMENTS_PAGE) return;
      after = events.at(-1)!.id;
    }
  }

  /** That no event of a hold came since. */
  private sameHolds({ tenants, count }: ConsideredHolds): Step {
    const { q, table, next } = sqlOf(this.database);
    return {
      text: `SELECT COUNT(*) AS ${q('count')} FROM ${table('audit_events')} e
        WHERE e.${q('tenant_id')} IN (${tenants.map(next).join(', ')})
          AND e.${q('action')} = ${next()} AND e.${q('source')} IS NULL ${this.plainId()}`,
      values: [...tenants, HOLD_ACTION],
      count,
    };
  }

  /** SQL, with AND: pages find the event, since its id is one. */
  private plainId(): string {
    const { dialect, q } = sqlOf(this.database);
    return isId(dialect, `e.${q('id')}`);
  }

  /** SQL: FROM and the conditions of the expired events, without those of holds. */
  private where(
    { tenantId, category, before }: ExpiredEvents,
    size: number,
    values: StoredValue[],
    { q, table, next, id }: Sql,
  ): string {
    values.push(size, tenantId, codeOf('category', category), id(firstIdOf(before)), ...KEPT_ACTIONS);
    return `FROM ${table('audit_events')} e
      INNER JOIN ${table('audit_leaves')} l ON l.${q('event_id')} = e.${q('id')} AND l.${q('leaf_index')} >= 0 AND l.${q('leaf_index')} < ${next()}
      WHERE e.${q('tenant_id')} = ${next()} AND e.${q('category')} = ${next()} AND e.${q('id')} < ${next()}
        AND e.${q('action')} NOT IN (${KEPT_ACTIONS.map(next).join(', ')}) ${this.plainId()}`;
  }

  private isHeld(hold: HeldEvents, values: StoredValue[], { q, next, id }: Sql): string {
    const conditions = ['1 = 1'];
    const columns = {
      tenant_id: hold.tenantId,
      user_id: hold.userId,
      resource: hold.resource,
      resource_id: hold.resourceId,
    };
    for (const [column, value] of Object.entries(columns)) {
      if (value === undefined) continue;
      values.push(value);
      // Of a comparison with NULL nothing is true, not even that it is not so.
      conditions.push(`e.${q(column)} IS NOT NULL AND e.${q(column)} = ${next()}`);
    }
    for (const [operator, time] of [['>=', hold.from] as const, ['<', hold.to] as const]) {
      if (time === undefined) continue;
      values.push(id(firstIdOf(time)));
      conditions.push(`e.${q('id')} ${operator} ${next()}`);
    }
    return `(${conditions.join(' AND ')})`;
  }
}

/** The record that a column holds; `undefined` where it holds none. */
function factsOf(text: unknown): AuditFacts | undefined {
  try {
    const facts: unknown = JSON.parse(String(text));
    return typeof facts === 'object' && facts !== null && !Array.isArray(facts)
      ? (facts as AuditFacts)
      : undefined;
  } catch {
    return undefined;
  }
}
