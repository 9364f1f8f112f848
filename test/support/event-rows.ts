// Rows of audit_events as somebody writes them who may INSERT: the row of an event, with any column changed.
import type { DataSource } from 'typeorm';
import type { AuditDatabaseOptions, AuditLogEvent } from 'nest-audit-trail';
import { CATEGORIES, OUTCOMES, SEVERITIES } from 'nest-audit-trail';
import { ROW_COLUMNS, toRow } from '../../src/store/event-row.js';
import type { TestDatabase } from './harness/databases.js';
import { toStored } from './stored-rows.js';

export type RawRow = Readonly<Record<string, unknown>>;

export function rowOf(event: AuditLogEvent, change: RawRow = {}): RawRow {
  const values = toRow(event);
  return { ...Object.fromEntries(ROW_COLUMNS.map((column, index) => [column, values[index]])), ...change };
}

/** Values in one statement: PostgreSQL and SQLite take somewhat more. */
const MOST_VALUES = 20_000;

/** Inserts rows of the same columns by plain SQL. Ids and codes are texts, or whatever somebody writes there. */
export async function insertRows(
  connection: DataSource,
  table: string,
  rows: readonly RawRow[],
): Promise<void> {
  const columns = Object.keys(rows[0]!);
  const names = columns.map((column) => connection.driver.escape(column));
  const atOnce = Math.floor(MOST_VALUES / columns.length);
  for (let from = 0; from < rows.length; from += atOnce) {
    const part = rows.slice(from, from + atOnce);
    let count = 0;
    const place = () => (connection.options.type === 'postgres' ? `$${++count}` : '?');
    const places = part.map(() => `(${columns.map(place).join(', ')})`);
    await connection.query(
      `INSERT INTO ${table} (${names.join(', ')}) VALUES ${places.join(', ')}`,
      part.flatMap((row) => {
        const stored = toStored(connection, table, row);
        return columns.map((column) => stored[column]);
      }),
    );
  }
}

export function insertRow(connection: DataSource, table: string, row: RawRow): Promise<void> {
  return insertRows(connection, table, [row]);
}

/** What the command line takes as `--database-url`. */
export function urlOf({ options }: Pick<TestDatabase, 'options'>): string {
  if (options.type === 'better-sqlite3') return `sqlite:${options.database}`;
  const { username, password, host, port, database } = options as unknown as Record<
    string,
    string | number | undefined
  >;
  const user = password ? `${username}:${password}` : username;
  return `${options.type === 'postgres' ? 'postgres' : 'mysql'}://${user}@${host}:${port}/${database}`;
}

const isText = (value: unknown) => typeof value === 'string';
const isWhole = (value: unknown, most: number) =>
  Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= most;
const isFacts = (value: unknown) =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  Object.values(value).every((fact) => {
    const all: unknown[] = Array.isArray(fact) ? fact : [fact];
    const kind = typeof all[0];
    return Array.isArray(fact)
      ? all.every((item) => (kind === 'string' || kind === 'number') && typeof item === kind)
      : ['string', 'number', 'boolean'].includes(kind);
  });

/** What of the event is not as the public type has it; nothing of a true `AuditLogEvent`. */
export function wrongOf(event: AuditLogEvent): string[] {
  const optional = ['userId', 'resourceId', 'ipAddress', 'userAgent', 'sessionId'] as const;
  const checks: Record<keyof AuditLogEvent, boolean> = {
    id: isText(event.id),
    timestamp: isWhole(event.timestamp, 2 ** 48 - 1),
    tenantId: isText(event.tenantId),
    action: isText(event.action),
    resource: isText(event.resource),
    details: isFacts(event.details),
    severity: SEVERITIES.includes(event.severity),
    category: CATEGORIES.includes(event.category),
    outcome: OUTCOMES.includes(event.outcome),
    riskScore: isWhole(event.riskScore, 100),
    complianceFlags: Array.isArray(event.complianceFlags) && event.complianceFlags.every(isText),
    metadata: isFacts(event.metadata),
    ...(Object.fromEntries(
      optional.map((name) => [name, !Object.hasOwn(event, name) || isText(event[name])]),
    ) as Record<(typeof optional)[number], boolean>),
  };
  const unknown = Object.keys(event).filter((name) => !Object.hasOwn(checks, name));
  return [...unknown, ...Object.entries(checks).flatMap(([name, isRight]) => (isRight ? [] : [name]))];
}

/** The options of a user of the database, as a database of its own. */
export function as(database: TestDatabase, options: AuditDatabaseOptions, journal = ''): TestDatabase {
  return { ...database, options, journal: `${database.journal}${journal}` };
}
