import { firstIdOf } from '../../event/event-id.js';
import type { AuditLogEvent } from '../../event/audit-log-event.js';
import { parsedJson, readFacts } from '../../event/read-event.js';
import type { AuditDatabase } from '../../store/audit-database.js';
import { codeOf } from '../../store/codes.js';
import { EVENT_FIELDS } from '../../store/event-row.js';
import { distinctValues } from '../../store/distinct-values.js';
import { matching } from '../../store/filter-sql.js';
import { any, ask, contains, id, idAfter, limit, list, number, raw, sql } from '../../store/sql.js';
import type { Sql, SqlPart } from '../../store/sql.js';

/** What an event must meet, all of it. */
export interface EventCondition {
  readonly category?: AuditLogEvent['category'];
  readonly outcomes?: readonly AuditLogEvent['outcome'][];
  /** Has no user. */
  readonly anonymous?: true;
  /** The action ends with this. */
  readonly actionEnd?: string;
  /** The action contains one of these, which are in lower case, whatever its case. */
  readonly actionParts?: readonly string[];
  /** `details` have one of these keys. */
  readonly detailsKeys?: readonly string[];
}

/** The column that the key of a detection is in. */
export type KeyColumn = 'user_id' | 'ip_address';

/** Texts from one on up to before another, byte by byte. */
export interface TextRange {
  readonly from: string;
  readonly to: string;
}

/** Which events a detection asks for. */
export interface DetectionQuery {
  readonly tenantIds: readonly string[];
  /** Any of these is met. */
  readonly any: readonly EventCondition[];
  /** Only the events of these keys. Absent where the key is in no column. */
  readonly keys?: {
    readonly column: KeyColumn;
    readonly values: readonly string[];
    /** Or in one of these. */
    readonly ranges?: readonly TextRange[];
  };
  /** Unix epoch, milliseconds, inclusive. */
  readonly from: number;
  /** Unix epoch, milliseconds, exclusive. */
  readonly to?: number;
}

/** What a detection reads of an event, beside the facts that it asks for. */
const FIELDS = [
  'id',
  'timestamp',
  'tenantId',
  'userId',
  'action',
  'resource',
  'resourceId',
  'ipAddress',
  'category',
  'outcome',
] as const satisfies readonly (keyof AuditLogEvent)[];

export type DetectedEvent = Pick<AuditLogEvent, (typeof FIELDS)[number] | 'details'> &
  Partial<Pick<AuditLogEvent, 'metadata'>>;

/** Resource and category of what the audit says of itself, which is nobody's doing and never feeds a detection. */
export const TOLD_OF_AUDIT = [
  ['detection', 'security'],
  ['audit', 'system'],
] as const;

/** Tenants that one statement looks up. */
const TENANTS_AT_ONCE = 200;
/** More tenants than these are not looked through. */
const MAX_TENANTS = 10_000;
/** Findings of one key that are looked at. */
const MAX_FINDINGS = 1_000;

/**
 * What detections read: the recent events of a key, by the index of its tenant and user, address
 * or category. Reads only. Every call may throw `AUDIT_STORE_UNAVAILABLE`.
 */
export class DetectionRepository {
  constructor(private readonly database: AuditDatabase) {}

  /**
   * The keys that have at least so many of the events, or of the distinct things that they are about; most first.
   *
   * @param query with `keys`, at most 100 of them
   */
  async keysReaching(query: DetectionQuery, least: number, distinct: boolean): Promise<string[]> {
    const key = raw(query.keys?.column ?? 'user_id');
    const events = sql`audit_events e WHERE ${isMeant(query)}`;
    const from = distinct ? sql`(SELECT DISTINCT ${key}, resource, resource_id FROM ${events}) e` : events;
    const rows = await ask(
      this.database,
      sql`SELECT ${key} AS value FROM ${from} GROUP BY ${key}
        HAVING COUNT(*) >= ${number(least)} ORDER BY COUNT(*) DESC, ${key} LIMIT 100`,
    );
    return rows.map((row) => String(row['value']));
  }

  /**
   * The events of the query after an id, in the order of ids.
   *
   * @param page.facts which of the facts are read; the others are empty
   */
  async matching(
    query: DetectionQuery,
    page: {
      readonly after: string;
      readonly limit: number;
      readonly facts: readonly ('details' | 'metadata')[];
    },
  ): Promise<DetectedEvent[]> {
    const names: readonly string[] = [...FIELDS, ...page.facts];
    const fields = EVENT_FIELDS.filter(({ name }) => names.includes(name));
    const rows = await ask(
      this.database,
      sql`SELECT ${raw(fields.map(({ column }) => column).join(', '))} FROM audit_events e
        WHERE ${isMeant(query)} AND e.id >= ${idAfter(page.after)} ORDER BY e.id ${limit(page.limit)}`,
    );
    return rows.map((row) => {
      const values = fields
        .filter(({ column }) => row[column] !== null)
        .map(({ name, column, kind }) => [name, readValue(row[column]!, kind)] as const);
      return { details: {}, ...Object.fromEntries(values) } as DetectedEvent;
    });
  }

  /** When the findings of a detection about one key were made (Unix epoch, milliseconds), from a time on. */
  async findingTimes(
    { tenantId, detection, by, key }: Readonly<Record<'tenantId' | 'detection' | 'by' | 'key', string>>,
    from: number,
  ): Promise<number[]> {
    const filter = {
      tenantId,
      action: [`detection.${detection}`],
      resource: ['detection'],
      details: { by, key },
      from,
    };
    const rows = await ask(
      this.database,
      sql`SELECT e.timestamp AS timestamp FROM audit_events e WHERE ${matching(filter)}
        ORDER BY e.id DESC ${limit(MAX_FINDINGS)}`,
      { fromReplica: true },
    );
    return rows.map((row) => Number(row['timestamp']));
  }

  /** Whether the user has events in the tenant before a time (Unix epoch, milliseconds). */
  async hasEventsBefore(tenantId: string, userId: string, before: number): Promise<boolean> {
    const rows = await ask(
      this.database,
      sql`SELECT id FROM audit_events
        WHERE tenant_id = ${tenantId} AND user_id = ${userId} AND id < ${id(firstIdOf(before))} LIMIT 1`,
    );
    return rows.length > 0;
  }

  /** Every tenant that there is, in order, by one index seek for each; at most 10,000. */
  async tenants(): Promise<string[]> {
    const found: string[] = [];
    for await (const tenants of distinctValues(this.database, 'audit_events', 'tenant_id')) {
      found.push(...tenants);
      if (found.length >= MAX_TENANTS) break;
    }
    return found;
  }

  /** Those of the tenants in which the user has events from a time on. */
  async tenantsOf(userId: string, from: number, tenants: readonly string[]): Promise<string[]> {
    const found: string[] = [];
    for (let index = 0; index < tenants.length; index += TENANTS_AT_ONCE) {
      const some = list(tenants.slice(index, index + TENANTS_AT_ONCE));
      const rows = await ask(
        this.database,
        sql`SELECT DISTINCT tenant_id FROM audit_events
          WHERE tenant_id IN (${some}) AND user_id = ${userId} AND id >= ${id(firstIdOf(from))}
          ORDER BY tenant_id`,
      );
      found.push(...rows.map((row) => String(row['tenant_id'])));
    }
    return found;
  }
}

/** The query's conditions on events that go by the alias `e`. */
function isMeant(query: DetectionQuery): Sql {
  const all = [sql`e.tenant_id IN (${list(query.tenantIds)})`];
  if (query.keys) {
    const { column, values, ranges = [] } = query.keys;
    const key = raw(`e.${column}`);
    const either = values.length > 0 ? [sql`${key} IN (${list(values)})`] : [];
    for (const { from, to } of ranges) either.push(sql`(${key} >= ${from} AND ${key} < ${to})`);
    all.push(any(either));
  }
  all.push(sql`e.id >= ${id(firstIdOf(query.from))}`);
  if (query.to !== undefined) all.push(sql`e.id < ${id(firstIdOf(query.to))}`);
  for (const [resource, category] of TOLD_OF_AUDIT) {
    all.push(sql`NOT (e.resource = ${resource} AND e.category = ${codeOf('category', category)})`);
  }
  all.push(any(query.any.map(isSuch)));
  return list(all, ' AND ');
}

function isSuch(condition: EventCondition): Sql {
  const { category, outcomes, anonymous, actionEnd, actionParts, detailsKeys } = condition;
  const all: SqlPart[] = [raw('1 = 1')];
  if (category) all.push(sql`e.category = ${codeOf('category', category)}`);
  if (outcomes) {
    all.push(sql`e.outcome IN (${list(outcomes.map((outcome) => codeOf('outcome', outcome)))})`);
  }
  if (anonymous) all.push(sql`e.user_id IS NULL`);
  if (actionEnd) all.push(sql`e.action LIKE ${`%${actionEnd}`}`);
  if (actionParts) all.push(any(actionParts.map((part) => contains('lower(e.action)', part))));
  if (detailsKeys) {
    all.push(any(detailsKeys.map((key) => contains('e.details', `${JSON.stringify(key)}:`))));
  }
  return sql`(${list(all, ' AND ')})`;
}

function readValue(value: string | number, kind: (typeof EVENT_FIELDS)[number]['kind']): unknown {
  if (kind === 'json') return readFacts(parsedJson(value));
  return kind === 'integer' ? Number(value) : String(value);
}
