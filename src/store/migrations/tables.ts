import type { QueryRunner } from 'typeorm';
import { codeType } from '../codes.js';
import { describeStoreError, driverFieldsOf } from '../store-error.js';
import { idType } from '../stored-id.js';
import { bytesOf, dialectOf, quoted, quotedTable, tableName } from '../table-name.js';
import type { AuditTable } from '../table-name.js';

/** A table: the same for every database, except the SQL of its types and checks. */
export interface Table {
  /** SQL of type and NULL or NOT NULL, by column. */
  readonly columns: Readonly<Record<string, string>>;
  readonly key: readonly string[];
  /** A column that is unique too. */
  readonly unique?: string;
  readonly indexes?: Readonly<Record<string, readonly string[]>>;
  /** SQL that must be true of each row. */
  readonly checks?: readonly string[];
}

/** Creates the table with its indexes, where it is not there yet. */
export async function createTable(
  runner: QueryRunner,
  name: AuditTable,
  { columns, key, unique, indexes = {}, checks = [] }: Table,
): Promise<void> {
  const { connection } = runner;
  const dialect = dialectOf(connection);
  const table = tableName(connection, name);
  const q = (dottedName: string) => quoted(connection, dottedName);
  const listed = Object.entries(indexes).map(
    ([index, of]) => [q(`${table.split('.').at(-1)}_${index}`), of.map(q).join(', ')] as const,
  );
  const parts = [
    ...Object.entries(columns).map(
      ([column, type]) => `${q(column)} ${type}${column === unique ? ' UNIQUE' : ''}`,
    ),
    `PRIMARY KEY (${key.map(q).join(', ')})`,
    ...[...checks, ...(dialect === 'sqlite' ? typeChecks(columns, q) : [])].map(
      (check) => `CHECK (${check})`,
    ),
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
function typeChecks(columns: Readonly<Record<string, string>>, q: (name: string) => string): string[] {
  return Object.entries(columns).map(([column, definition]) => {
    const name = q(column);
    const isTyped = (type: string) =>
      `typeof(${name}) IN ('${type}'${definition.includes('NOT NULL') ? '' : ", 'null'"})`;
    if (/^(big|small|tiny)int\b/.test(definition)) return isTyped('integer');
    // Of NULL there is no length: the check lets it pass.
    if (definition.startsWith(idType('sqlite'))) return `${isTyped('blob')} AND length(${name}) = 16`;
    const [, width] = /^varchar\((\d+)\)/.exec(definition) ?? [];
    return width === undefined ? isTyped('text') : `${isTyped('text')} AND length(${name}) <= ${width}`;
  });
}

/**
 * SQL: the column holds JSON of the kind that begins so, of a size that an event can have. It stops whoever may only insert
 * from writing rows that are none; nothing relies on it.
 */
export function jsonChecks(runner: QueryRunner, column: string, begin: '{' | '['): string[] {
  const name = quoted(runner.connection, column);
  const begins = `${name} LIKE '${begin}%'`;
  switch (dialectOf(runner.connection)) {
    case 'sqlite':
      return [begins, `json_valid(${name})`, `length(${name}) <= ${MAX_JSON}`];
    case 'mysql':
      // A column of the type text has no more.
      return [begins, `JSON_VALID(${name})`];
    case 'postgres':
      // Not jsonb, which refuses the escape of NUL.
      return [begins, `octet_length(${name}) <= ${MAX_JSON}`, `(${name}::json) IS NOT NULL`];
  }
}

/** SQL: the text takes at most so many bytes, or there is none. */
export function lengthCheck(runner: QueryRunner, column: string, bytes: number): string {
  return `${bytesOf(dialectOf(runner.connection), quoted(runner.connection, column))} <= ${bytes}`;
}

/** Bytes of a text column of MySQL, which has the smallest. */
const MAX_JSON = 65_535;

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

/**
 * Runs statements that create views or triggers, each of which may be there already. Where the user may not create one, a
 * warning says so, and the rest is left out.
 *
 * @param warning by what the database says
 */
export async function createIfAllowed(
  runner: QueryRunner,
  statements: readonly string[],
  code: string,
  warning: (refusal: string) => string,
): Promise<void> {
  for (const statement of statements) {
    try {
      await runner.query(statement);
    } catch (error) {
      const { errno = 0 } = driverFieldsOf(error);
      if (EXISTS_ALREADY.includes(errno)) continue;
      if (!MAY_NOT.includes(errno)) throw error;
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

/** The types of columns. Texts compare byte by byte: two tenants that differ in case or in a trailing space are two. */
export async function columnTypes(runner: QueryRunner) {
  const dialect = dialectOf(runner.connection);
  const collation = {
    sqlite: '',
    postgres: ' COLLATE "C"',
    mysql: ` CHARACTER SET utf8mb4 COLLATE ${dialect === 'mysql' ? await mysqlCollation(runner) : ''}`,
  }[dialect];
  return {
    id: idType(dialect),
    code: codeType(dialect),
    text: (length: number) => `varchar(${length})${collation}`,
    longText: (type: 'text' | 'longtext') => `${dialect === 'mysql' ? type : 'text'}${collation}`,
  };
}

/** The byte-wise collation without space padding of MySQL 8 or MariaDB; `utf8mb4_bin` where a server has neither. */
async function mysqlCollation(runner: QueryRunner): Promise<string> {
  const preferred = ['utf8mb4_0900_bin', 'utf8mb4_nopad_bin'];
  const rows = (await runner.query(
    `SELECT COLLATION_NAME AS name FROM information_schema.COLLATIONS WHERE COLLATION_NAME IN ('${preferred.join("', '")}')`,
  )) as { name: string }[];
  return preferred.find((name) => rows.some((row) => row.name === name)) ?? 'utf8mb4_bin';
}
