import type { QueryRunner } from 'typeorm';
import { columnOf } from '../columns.js';
import type { Column, Shape } from '../columns.js';
import { describeStoreError, driverFieldsOf } from '../store-error.js';
import { bytesOf, dialectOf, quoted, quotedTable, tableName } from '../table-name.js';
import type { AuditTable, SqlDialect } from '../table-name.js';

/** A table: the same for every database, except the names in its checks. */
export interface Table {
  readonly columns: Shape;
  /** The columns of each, as the database names them. */
  readonly indexes?: Readonly<Record<string, readonly string[]>>;
  /** SQL that must be true of each row. */
  readonly checks?: (q: Quote) => readonly string[];
}

export type Tables = Readonly<Record<AuditTable, Table>>;

/** Quotes a name. */
type Quote = (dottedName: string) => string;

/** Creates the tables with their indexes, where they are not there yet. */
export async function createTables(runner: QueryRunner, tables: Tables): Promise<void> {
  const collation = await collationOf(runner);
  for (const [name, table] of Object.entries(tables)) {
    await createTable(runner, name as AuditTable, table, collation);
  }
}

async function createTable(
  runner: QueryRunner,
  name: AuditTable,
  { columns: shape, indexes = {}, checks = () => [] }: Table,
  collation: string,
): Promise<void> {
  const { connection } = runner;
  const dialect = dialectOf(connection);
  const table = tableName(connection, name);
  const q: Quote = (dottedName) => quoted(connection, dottedName);
  const columns = Object.entries(shape).map(([property, column]) => ({
    ...column,
    name: q(columnOf(property)),
  }));
  const listed = Object.entries(indexes).map(
    ([index, of]) => [q(`${table.split('.').at(-1)}_${index}`), of.map(q).join(', ')] as const,
  );
  const key = columns.filter(({ entity }) => entity.primary).map((column) => column.name);
  const json = columns.flatMap(({ name, json }) => (json ? jsonChecks(dialect, name, json) : []));
  // What is null takes no bytes: the check lets it pass.
  const long = columns.filter(({ most, entity }) => most !== undefined && entity.type === 'text');
  const ofLength = long.map(({ name, most }) => `${bytesOf(dialect, name)} <= ${most}`);
  const ofType = dialect === 'sqlite' ? columns.map(typeCheck) : [];
  const parts = [
    ...columns.map(({ name, ...column }) => {
      const { nullable, unique } = column.entity;
      const type = typeOf(dialect, column, collation);
      return `${name} ${type} ${nullable ? 'NULL' : 'NOT NULL'}${unique ? ' UNIQUE' : ''}`;
    }),
    `PRIMARY KEY (${key.join(', ')})`,
    ...[...json, ...checks(q), ...ofLength, ...ofType].map((check) => `CHECK (${check})`),
    // MySQL has no CREATE INDEX IF NOT EXISTS: there the indexes are part of the table.
    ...(dialect === 'mysql' ? listed.map(([index, of]) => `INDEX ${index} (${of})`) : []),
  ];
  await runner.query(`CREATE TABLE IF NOT EXISTS ${q(table)} (\n  ${parts.join(',\n  ')}\n)`);
  if (dialect === 'mysql') return;
  for (const [index, of] of listed) {
    await runner.query(`CREATE INDEX IF NOT EXISTS ${index} ON ${q(table)} (${of})`);
  }
}

/**
 * SQLite takes any type and any length in any column, and what is of another type is found by no query: see that nothing
 * gets in that the others refuse.
 */
function typeCheck({ name, entity: { type, length, nullable } }: Column & { readonly name: string }): string {
  const isTyped = (stored: string) => `typeof(${name}) IN ('${stored}'${nullable ? ", 'null'" : ''})`;
  if (type === 'bigint' || type === 'smallint') return isTyped('integer');
  // Of NULL there is no length: the check lets it pass.
  if (type === 'uuid') return `${isTyped('blob')} AND length(${name}) = 16`;
  return length === undefined ? isTyped('text') : `${isTyped('text')} AND length(${name}) <= ${length}`;
}

/** Bytes of a text column of MySQL, which has the smallest. */
const MAX_TEXT = 65_535;

/**
 * SQL: the column holds JSON of the kind that begins so, of a size that an event can have. It stops whoever may only insert
 * from writing rows that are none; nothing relies on it.
 */
function jsonChecks(dialect: SqlDialect, name: string, begin: '{' | '['): string[] {
  const begins = `${name} LIKE '${begin}%'`;
  switch (dialect) {
    case 'sqlite':
      return [begins, `json_valid(${name})`, `length(${name}) <= ${MAX_TEXT}`];
    case 'mysql':
      // A column of the type text has no more.
      return [begins, `JSON_VALID(${name})`];
    case 'postgres':
      // Not jsonb, which refuses the escape of NUL.
      return [begins, `octet_length(${name}) <= ${MAX_TEXT}`, `(${name}::json) IS NOT NULL`];
  }
}

/**
 * Inserts the row unless there is one of its name, by one statement: of several processes that start at once, one
 * writes it and the others keep it.
 *
 * @param row SQL, by column
 */
export async function insertOnce(
  runner: QueryRunner,
  name: AuditTable,
  row: { readonly name: string } & Readonly<Record<string, string>>,
): Promise<void> {
  const { connection } = runner;
  const table = quotedTable(connection, name);
  const columns = Object.keys(row).map((column) => quoted(connection, column));
  await runner.query(
    `INSERT INTO ${table} (${columns.join(', ')})
     SELECT ${Object.values(row).join(', ')} ${dialectOf(connection) === 'mysql' ? 'FROM DUAL' : ''}
     WHERE NOT EXISTS (SELECT 1 FROM ${table} WHERE ${quoted(connection, 'name')} = ${row.name})`,
  );
}

/** MySQL's errors where a view or a trigger is there already. */
const EXISTS_ALREADY = [1050, 1359];
/** MySQL's errors where the user may not create it, the last while the server writes a binary log. */
const MAY_NOT = [1142, 1227, 1419];

export function mayNot(errno: number): boolean {
  return MAY_NOT.includes(errno);
}

/**
 * Runs statements that create views or triggers, each of which may be there already. Where the user may not create one, a
 * warning says so, and the rest is left out.
 *
 * @param warning by what the database says
 * @param isRefusal whether one of MySQL's errors is no fault of the statement
 */
export async function createIfAllowed(
  runner: QueryRunner,
  statements: readonly string[],
  code: string,
  warning: (refusal: string) => string,
  isRefusal: (errno: number) => boolean | Promise<boolean> = mayNot,
): Promise<void> {
  for (const statement of statements) {
    try {
      await runner.query(statement);
    } catch (error) {
      const { errno = 0 } = driverFieldsOf(error);
      if (EXISTS_ALREADY.includes(errno)) continue;
      if (!(await isRefusal(errno))) throw error;
      process.emitWarning(warning(describeStoreError(error)), { code });
      return;
    }
  }
}

/** Drops the tables, with their indexes and triggers. */
export async function dropTables(runner: QueryRunner, tables: readonly AuditTable[]): Promise<void> {
  for (const table of tables) {
    await runner.query(`DROP TABLE IF EXISTS ${quotedTable(runner.connection, table)}`);
  }
}

/** The type of a column. Ids of all databases compare byte by byte, so they sort by time. */
function typeOf(dialect: SqlDialect, { entity, most = 0, store }: Column, collation: string): string {
  switch (entity.type) {
    case 'uuid':
      return { mysql: 'binary(16)', postgres: 'uuid', sqlite: 'blob' }[dialect];
    case 'varchar':
      return `varchar(${entity.length})${collation}`;
    case 'text':
      return `${dialect === 'mysql' && most > MAX_TEXT ? 'longtext' : 'text'}${collation}`;
    case 'smallint':
      // Of a code, the smallest integer that the database has.
      return store
        ? { mysql: 'tinyint unsigned', postgres: 'smallint', sqlite: 'tinyint' }[dialect]
        : 'smallint';
    default:
      return 'bigint';
  }
}

/** Texts compare byte by byte: two tenants that differ in case or in a trailing space are two. */
async function collationOf(runner: QueryRunner): Promise<string> {
  const dialect = dialectOf(runner.connection);
  if (dialect === 'mysql') return ` CHARACTER SET utf8mb4 COLLATE ${await mysqlCollation(runner)}`;
  return dialect === 'postgres' ? ' COLLATE "C"' : '';
}

/** The byte-wise collation without space padding of MySQL 8 or MariaDB; `utf8mb4_bin` where a server has neither. */
async function mysqlCollation(runner: QueryRunner): Promise<string> {
  const preferred = ['utf8mb4_0900_bin', 'utf8mb4_nopad_bin'];
  const rows = (await runner.query(
    `SELECT COLLATION_NAME AS name FROM information_schema.COLLATIONS WHERE COLLATION_NAME IN ('${preferred.join("', '")}')`,
  )) as { name: string }[];
  return preferred.find((name) => rows.some((row) => row.name === name)) ?? 'utf8mb4_bin';
}
