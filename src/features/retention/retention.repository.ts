import type { AuditFacts, AuditLogEvent } from '../../event/audit-log-event.js';
import { firstIdOf } from '../../event/event-id.js';
import { isObject } from '../../event/option-schema.js';
import { pages } from '../../event/pages.js';
import { parsedJson } from '../../event/read-event.js';
import { HOLD_ACTION, REMOVAL_ACTION } from '../../event/retention-actions.js';
import { EVENT, EVENT_ROW, LEAF } from '../../store/audit.entities.js';
import type { AuditDatabase } from '../../store/audit-database.js';
import { codeOf } from '../../store/codes.js';
import { distinctValues } from '../../store/distinct-values.js';
import { toRow } from '../../store/event-row.js';
import type { EventRow } from '../../store/event-row.js';
import { insertOf, NotAsExpectedError, runTogether } from '../../store/insert-rows.js';
import type { Step } from '../../store/insert-rows.js';
import { isSealed } from '../../store/ledger.repository.js';
import { rowReader } from '../../store/records.js';
import {
  any,
  ask,
  columnsOf,
  id,
  idAfter,
  isId,
  limit,
  list,
  number,
  raw,
  sql,
  statementOf,
} from '../../store/sql.js';
import type { Row, Sql } from '../../store/sql.js';
import { answer, isRolledBack } from '../../store/store-error.js';
import { dialectOf } from '../../store/table-name.js';
import { RELEASE } from './raised-events.js';

const SEALED_AS = { leafIndex: LEAF.leafIndex, leafHash: LEAF.leafHash };
const leafOf = rowReader(SEALED_AS);

/** What tells of other events, and is never removed. */
const KEPT_ACTIONS = [
  'audit.gap',
  'audit.log-replaced',
  'audit.erase',
  REMOVAL_ACTION,
  HOLD_ACTION,
  RELEASE.action,
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

/** Events of statements that are read at a time. */
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
    return dialectOf(this.database.ready()) === 'sqlite';
  }

  /** All tenants that have events, some hundred at a time. */
  tenants(): AsyncGenerator<string[]> {
    return distinctValues(this.database, 'audit_events', 'tenant_id');
  }

  /**
   * Those of a tenant's categories that have events of before their time: by one statement, since there may be any number of tenants.
   *
   * @param which of one tenant; categories of the library's own alone
   */
  async aged<Which extends ExpiredEvents>(which: readonly Which[]): Promise<readonly Which[]> {
    if (which.length === 0) return which;
    const parts = which.map(({ tenantId, category, before }) => {
      const code = raw(String(codeOf('category', category)));
      return sql`SELECT ${code} AS code ${(dialect) => raw(dialect === 'mysql' ? 'FROM DUAL' : '')}
        WHERE EXISTS (SELECT 1 FROM audit_events e
          WHERE e.tenant_id = ${tenantId} AND e.category = ${code} AND e.id < ${id(firstIdOf(before))})`;
    });
    const rows = await ask(this.database, list(parts, ' UNION ALL '));
    // A number in the text is a bigint on MySQL, and so a string in its answer.
    const aged = new Set(rows.map((row) => Number(row['code'])));
    return which.filter(({ category }) => aged.has(codeOf('category', category) ?? NaN));
  }

  /**
   * The expired events after an id, in the order of ids; sealed, and not held.
   *
   * @param size leaves of the log
   */
  async expired(
    which: ExpiredEvents,
    held: readonly HeldEvents[],
    page: { readonly after: string; readonly limit: number; readonly size: number },
  ): Promise<ExpiredRow[]> {
    const rows = await ask<Row & EventRow>(
      this.database,
      sql`SELECT ${columnsOf('e', EVENT)}, ${columnsOf('l', SEALED_AS)}
        FROM ${expired(which, page.size)} AND e.id >= ${idAfter(page.after)} AND NOT ${isHeld(held)}
        ORDER BY e.id ${limit(page.limit)}`,
    );
    return rows.map((row) => ({ row, ...leafOf(row) }));
  }

  /** Of the expired and sealed events, those that are held or those that are not. */
  async span(
    which: ExpiredEvents,
    held: readonly HeldEvents[],
    ofHeld: boolean,
    size: number,
  ): Promise<EventSpan> {
    if (ofHeld && held.length === 0) return { events: 0 };
    const [row] = await ask(
      this.database,
      sql`SELECT COUNT(*) AS events, MIN(e.timestamp) AS oldest, MAX(e.timestamp) AS newest
        FROM ${expired(which, size)} AND ${raw(ofHeld ? '' : 'NOT')} ${isHeld(held)}`,
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
    const dataSource = this.database.ready();
    const step = (text: Sql) => statementOf(dataSource.manager, text);
    const removed = list(ids.map(id));
    const steps: Step[] = [
      // A second run that removes the same waits here.
      step(sql`INSERT INTO audit_removals (event_id) VALUES ${list(ids.map((one) => sql`(${id(one)})`))}`),
      {
        ...step(sql`SELECT COUNT(*) AS total FROM audit_events WHERE id IN (${removed})`),
        count: ids.length,
      },
      ...(holds ? [{ ...step(holdsOf(holds.tenants)), count: holds.count }] : []),
      step(sql`DELETE FROM audit_events WHERE id IN (${removed})`),
      step(sql`DELETE FROM audit_removals WHERE event_id IN (${removed})`),
      insertOf(dataSource, { table: 'audit_events', columns: EVENT_ROW, rows: [toRow(event)] }),
    ];
    try {
      await answer(runTogether(dataSource, steps));
      return true;
    } catch (error) {
      const { cause } = error as { cause?: unknown };
      if (cause instanceof NotAsExpectedError || isRolledBack(cause)) return false;
      throw error;
    }
  }

  /**
   * The audit's own events of these actions that have no number: those of one tenant and action after another, each in the order
   * of their ids.
   *
   * @param tenants whose; absent for everybody's
   */
  async *statements(actions: readonly string[], tenants?: readonly string[]): AsyncGenerator<StatementEvent> {
    for await (const some of tenants ? [tenants] : this.tenants()) {
      const groups = await ask(
        this.database,
        sql`SELECT DISTINCT tenant_id, action FROM audit_events
          WHERE tenant_id IN (${list(some)}) AND action IN (${list(actions)})`,
      );
      for (const group of groups)
        yield* this.statementsOf(String(group['tenant_id']), String(group['action']));
    }
  }

  /** By the index of tenants and actions: there may be many more events without a number. */
  private async *statementsOf(tenantId: string, action: string): AsyncGenerator<StatementEvent> {
    const found = pages<StatementEvent>(STATEMENTS_PAGE, async (last) => {
      const rows = await ask(
        this.database,
        sql`SELECT e.id AS id, e.timestamp AS timestamp, SUBSTR(e.details, 1, ${number(LONGEST_DETAILS)}) AS details
          FROM audit_events e
          WHERE e.tenant_id = ${tenantId} AND e.action = ${action} AND e.id >= ${idAfter(last?.id ?? '')}
            AND e.source IS NULL AND ${isId('e.id')}
          ORDER BY e.id ${limit(STATEMENTS_PAGE)}`,
      );
      return rows.map((row) => {
        const details = parsedJson(String(row['details']));
        return {
          id: String(row['id']),
          timestamp: Number(row['timestamp']),
          tenantId,
          action,
          ...(isObject(details) && { details: details as AuditFacts }),
        };
      });
    });
    for await (const events of found) yield* events;
  }
}

/** How many events of holds these tenants have. Pages find each, since its id is one. */
function holdsOf(tenants: readonly string[]): Sql {
  return sql`SELECT COUNT(*) AS total FROM audit_events e WHERE e.tenant_id IN (${list(tenants)})
    AND e.action = ${HOLD_ACTION} AND e.source IS NULL AND ${isId('e.id')}`;
}

/** The table and the conditions of the expired events, without those of holds. Pages find each, since its id is one. */
function expired({ tenantId, category, before }: ExpiredEvents, size: number): Sql {
  return sql`audit_events e
    INNER JOIN audit_leaves l ON l.event_id = e.id AND ${isSealed('l', size)}
    WHERE e.tenant_id = ${tenantId} AND e.category = ${codeOf('category', category)}
      AND e.id < ${id(firstIdOf(before))} AND e.action NOT IN (${list(KEPT_ACTIONS)}) AND ${isId('e.id')}`;
}

function isHeld(held: readonly HeldEvents[]): Sql {
  return any([sql`1 = 0`, ...held.map(isHeldBy)]);
}

function isHeldBy({ tenantId, userId, resource, resourceId, from, to }: HeldEvents): Sql {
  const all = [sql`1 = 1`];
  const columns = { tenant_id: tenantId, user_id: userId, resource, resource_id: resourceId };
  for (const [name, value] of Object.entries(columns)) {
    const column = raw(`e.${name}`);
    // Of a comparison with NULL nothing is true, not even that it is not so.
    if (value !== undefined) all.push(sql`${column} IS NOT NULL AND ${column} = ${value}`);
  }
  if (from !== undefined) all.push(sql`e.id >= ${id(firstIdOf(from))}`);
  if (to !== undefined) all.push(sql`e.id < ${id(firstIdOf(to))}`);
  return sql`(${list(all, ' AND ')})`;
}
