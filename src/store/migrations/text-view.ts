import type { QueryRunner } from 'typeorm';
import { CODES, isCodeColumn } from '../codes.js';
import type { CodeColumn } from '../codes.js';
import { ROW_COLUMNS } from '../event-row.js';
import { dialectOf, quoted, tableName } from '../table-name.js';
import type { SqlDialect } from '../table-name.js';
import { createIfAllowed } from './tables.js';

/**
 * Creates the view `audit_events_text`: the columns of `audit_events` with ids, severity, category and outcome as texts, for
 * people and for tools. The library itself never reads it. A user of the migration who may not create views goes without.
 */
export async function createTextView(runner: QueryRunner): Promise<void> {
  const { connection } = runner;
  const dialect = dialectOf(connection);
  const q = (dottedName: string) => quoted(connection, dottedName);
  const columns = ROW_COLUMNS.map((name) => `${shown(dialect, name, `e.${q(name)}`)} AS ${q(name)}`);
  const create = {
    // With the rights of who asks: the view gives nobody a right to the table.
    mysql: 'CREATE SQL SECURITY INVOKER VIEW',
    postgres: 'CREATE OR REPLACE VIEW',
    sqlite: 'CREATE VIEW IF NOT EXISTS',
  }[dialect];
  const refusal = await createIfAllowed(
    runner,
    `${create} ${q(tableName(connection, 'audit_events_text'))} AS
      SELECT ${columns.join(', ')} FROM ${q(tableName(connection, 'audit_events'))} e`,
  );
  if (refusal === undefined) return;
  process.emitWarning(
    `The view audit_events_text is not there, since the user of the migration may not create views (${refusal}). The library works without it; docs/read/querying.md of nest-audit-trail says what it is for.`,
    { code: 'AUDIT_NO_TEXT_VIEW' },
  );
}

export async function dropTextView(runner: QueryRunner): Promise<void> {
  const { connection } = runner;
  await runner.query(`DROP VIEW IF EXISTS ${quoted(connection, tableName(connection, 'audit_events_text'))}`);
}

/** SQL: the column as people read it. */
function shown(dialect: SqlDialect, name: string, column: string): string {
  if (isCodeColumn(name)) return codeText(dialect, name, column);
  return name === 'id' || name === 'source' ? idText(dialect, column) : column;
}

/** An unknown code is shown as its number. */
function codeText(dialect: SqlDialect, name: CodeColumn, column: string): string {
  const texts = Object.entries(CODES[name]).map(([text, code]) => `WHEN ${code} THEN '${text}'`);
  const type = dialect === 'mysql' ? 'char' : 'text';
  return `CASE ${column} ${texts.join(' ')} ELSE CAST(${column} AS ${type}) END`;
}

/** 8-4-4-4-12 digits in lower case; NULL where there is none. */
function idText(dialect: SqlDialect, column: string): string {
  if (dialect === 'postgres') return `CAST(${column} AS text)`;
  const parts = [
    [1, 8],
    [9, 4],
    [13, 4],
    [17, 4],
    [21, 12],
  ].map(([from, length]) => `SUBSTR(HEX(${column}), ${from}, ${length})`);
  // Of NULL, HEX of MySQL is NULL, and that of SQLite an empty text.
  if (dialect === 'mysql') return `LOWER(CONCAT(${parts.join(", '-', ")}))`;
  return `CASE WHEN ${column} IS NOT NULL THEN LOWER(${parts.join(" || '-' || ")}) END`;
}
