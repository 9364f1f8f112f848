import { firstIdOf } from '../../event/event-id.js';
import type { AuditLogEvent } from '../../event/audit-log-event.js';
import { parsedJson, readFacts } from '../../event/read-event.js';
import type { AuditDatabase } from '../../store/audit-database.js';
import { codeOf } from '../../store/codes.js';
import { distinctValues } from '../../store/distinct-values.js';
import { applyFilter } from '../../store/filter-sql.js';
import { ask, askBuilt, sqlOf } from '../../store/sql.js';
import type { Row, Sql } from '../../store/sql.js';
import type { StoredValue } from '../../store/stored-row.js';
import { dialectOf, tableName } from '../../store/table-name.js';

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

/** What a detection reads of an event. */
export type DetectedEvent = Pick<
  AuditLogEvent,
  | 'id'
  | 'timestamp'
  | 'tenantId'
  | 'userId'
  | 'action'
  | 'resource'
  | 'resourceId'
  | 'ipAddress'
  | 'category'
  | 'outcome'
  | 'details'
> &
  Partial<Pick<AuditLogEvent, 'metadata'>>;

const COLUMNS = [
  'id',
  'timestamp',
  'tenant_id',
  'user_id',
  'action',
  'resource',
  'resource_id',
  'ip_address',
  'category',
  'outcome',
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
    const sql = sqlOf(this.database);
    const { q } = sql;
    const { where, values } = whereOf(sql, query);
    const key = q(query.keys?.column ?? 'user_id');
    const things = [key, q('resource'), q('resource_id')].join(', ');
    const events = `${sql.table('audit_events')} e ${where}`;
    const from = distinct ? `(SELECT DISTINCT ${things} FROM ${events}) e` : events;
    const rows = await ask(
      this.database,
      `SELECT ${key} AS ${q('value')} FROM ${from} GROUP BY ${key}
        HAVING COUNT(*) >= ${Math.trunc(least)} ORDER BY COUNT(*) DESC, ${key} LIMIT 100`,
      values,
    );
    return rows.map((row) => String(row['value']));
  }

  /**
   * The events of the query behind an id, in the order of ids.
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
    const sql = sqlOf(this.database);
    const { q } = sql;
    const { where, values } = whereOf(sql, query);
    const columns = [...COLUMNS, ...page.facts];
    const rows = await ask(
      this.database,
      `SELECT ${columns.map(q).join(', ')} FROM ${sql.table('audit_events')} e ${where}
        AND e.${q('id')} >= ${sql.next()} ORDER BY e.${q('id')} LIMIT ${Math.trunc(page.limit)}`,
      [...values, sql.idAfter(page.after)],
    );
    return rows.map(fromRow);
  }

  /** When the findings of a detection about one key were made (Unix epoch, milliseconds), from a time on. */
  async findingTimes(finding: {
    readonly tenantId: string;
    readonly detection: string;
    readonly by: string;
    readonly key: string;
    readonly from: number;
  }): Promise<number[]> {
    const source = this.database.ready();
    const { tenantId, detection, by, key, from } = finding;
    const query = source
      .createQueryBuilder()
      .select('e.timestamp', 'timestamp')
      .from<Record<string, unknown>>(tableName(source, 'audit_events'), 'e')
      .where('1 = 1')
      .orderBy('e.id', 'DESC')
      .limit(MAX_FINDINGS);
    const filter = {
      tenantId,
      action: [`detection.${detection}`],
      resource: ['detection'],
      details: { by, key },
      from,
    };
    const rows = await askBuilt<{ timestamp: number | string }>(
      this.database,
      applyFilter(query, filter, dialectOf(source)),
    );
    return rows.map((row) => Number(row.timestamp));
  }

  /** Whether the user has events in the tenant before a time (Unix epoch, milliseconds). */
  async hasEventsBefore(tenantId: string, userId: string, before: number): Promise<boolean> {
    const { q, table, next, id } = sqlOf(this.database);
    const rows = await ask(
      this.database,
      `SELECT ${q('id')} FROM ${table('audit_events')}
        WHERE ${q('tenant_id')} = ${next()} AND ${q('user_id')} = ${next()} AND ${q('id')} < ${next()} LIMIT 1`,
      [tenantId, userId, id(firstIdOf(before))],
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
      const { q, table, next, id } = sqlOf(this.database);
      const some = tenants.slice(index, index + TENANTS_AT_ONCE);
      const rows = await ask(
        this.database,
        `SELECT DISTINCT ${q('tenant_id')} FROM ${table('audit_events')}
          WHERE ${q('tenant_id')} IN (${some.map(next).join(', ')}) AND ${q('user_id')} = ${next()} AND ${q('id')} >= ${next()}
          ORDER BY ${q('tenant_id')}`,
        [...some, userId, id(firstIdOf(from))],
      );
      found.push(...rows.map((row) => String(row['tenant_id'])));
    }
    return found;
  }
}

/** The query's conditions on the alias `e`; all placeholders before them must be taken already. */
function whereOf(
  { dialect, q, next, id }: Sql,
  query: DetectionQuery,
): { readonly where: string; readonly values: StoredValue[] } {
  const values: StoredValue[] = [];
  const value = (stored: StoredValue) => {
    values.push(stored);
    return next();
  };
  const list = (stored: readonly StoredValue[]) => `(${stored.map(value).join(', ')})`;
  const contains = (haystack: string, needle: string) =>
    `${dialect === 'postgres' ? 'strpos' : 'instr'}(${haystack}, ${value(needle)}) > 0`;
  const all = [`e.${q('tenant_id')} IN ${list(query.tenantIds)}`];
  if (query.keys) {
    const { column, values: keys, ranges = [] } = query.keys;
    const key = `e.${q(column)}`;
    const either = keys.length > 0 ? [`${key} IN ${list(keys)}`] : [];
    for (const { from, to } of ranges) either.push(`(${key} >= ${value(from)} AND ${key} < ${value(to)})`);
    all.push(`(${either.join(' OR ')})`);
  }
  all.push(`e.${q('id')} >= ${value(id(firstIdOf(query.from)))}`);
  if (query.to !== undefined) all.push(`e.${q('id')} < ${value(id(firstIdOf(query.to)))}`);
  // What the audit says of itself is nobody's doing, see `tellsOfAudit`.
  for (const [resource, category] of [
    ['detection', 'security'],
    ['audit', 'system'],
  ] as const) {
    all.push(
      `NOT (e.${q('resource')} = ${value(resource)} AND e.${q('category')} = ${value(codeOf('category', category))})`,
    );
  }
  const any = query.any.map((condition) => {
    const parts: string[] = [];
    const { category, outcomes, anonymous, actionEnd, actionParts, detailsKeys } = condition;
    if (category) parts.push(`e.${q('category')} = ${value(codeOf('category', category))}`);
    if (outcomes) {
      const codes = outcomes.map((outcome) => codeOf('outcome', outcome));
      parts.push(`e.${q('outcome')} IN ${list(codes)}`);
    }
    if (anonymous) parts.push(`e.${q('user_id')} IS NULL`);
    if (actionEnd) parts.push(`e.${q('action')} LIKE ${value(`%${actionEnd}`)}`);
    if (actionParts) {
      parts.push(`(${actionParts.map((part) => contains(`lower(e.${q('action')})`, part)).join(' OR ')})`);
    }
    if (detailsKeys) {
      const members = detailsKeys.map((key) => contains(`e.${q('details')}`, `${JSON.stringify(key)}:`));
      parts.push(`(${members.join(' OR ')})`);
    }
    return parts.length > 0 ? `(${parts.join(' AND ')})` : '1 = 1';
  });
  all.push(`(${any.join(' OR ')})`);
  return { where: `WHERE ${all.join(' AND ')}`, values };
}

function fromRow(row: Row): DetectedEvent {
  return {
    id: String(row['id']),
    timestamp: Number(row['timestamp']),
    tenantId: String(row['tenant_id']),
    ...(row['user_id'] !== null && { userId: String(row['user_id']) }),
    action: String(row['action']),
    resource: String(row['resource']),
    ...(row['resource_id'] !== null && { resourceId: String(row['resource_id']) }),
    ...(row['ip_address'] !== null && { ipAddress: String(row['ip_address']) }),
    category: row['category'] as DetectedEvent['category'],
    outcome: row['outcome'] as DetectedEvent['outcome'],
    details: readFacts(parsedJson(row['details'])),
    ...(row['metadata'] !== undefined && { metadata: readFacts(parsedJson(row['metadata'])) }),
  };
}
