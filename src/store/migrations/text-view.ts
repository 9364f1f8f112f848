import type { QueryRunner } from 'typeorm';
import { CODES, isCodeColumn } from '../codes.js';
import { ROW_COLUMNS } from '../event-row.js';
import { dialectOf, quoted, quotedTable } from '../table-name.js';
import type { SqlDialect } from '../table-name.js';
import { createIfAllowed } from './tables.js';

/**
 * Creates the view `audit_events_text`: the columns of `audit_events` with ids, severity, category and outcome as texts, for
 * people and for tools. The library itself never reads it. A user of the migration who may not create views goes without.
 */
export async function createTextView(runner: QueryRunner): Promise<void> {
  const { connection } = runner;
  const dialect = dialectOf(connection);
  const columns = ROW_COLUMNS.map((name) => {
    const column = quoted(connection, name);
    return `${shown(dialect, name, `e.${column}`)} AS ${column}`;
  });
  const create = {
    // With the rights of who asks: the view gives nobody a right to the table.
    mysql: 'CREATE SQL SECURITY INVOKER VIEW',
    postgres: 'CREATE OR REPLACE VIEW',
    sqlite: 'CREATE VIEW IF NOT EXISTS',
  }[dialect];
  await createIfAllowed(
    runner,
    [
      `${create} ${quotedTable(connection, 'audit_events_text')} AS
      SELECT ${columns.join(', ')} FROM ${quotedTable(connection, 'audit_events')} e`,
    ],
    'AUDIT_NO_TEXT_VIEW',
    (refusal) =>
      `The view audit_events_text is not there, since the user of the migration may not create views (${refusal}). The library works without it; docs/read/querying.md of nest-audit-trail says what it is for.`,
  );
}

export async function dropTextView(runner: QueryRunner): Promise<void> {
  await runner.query(`DROP VIEW IF EXISTS ${quotedTable(runner.connection, 'audit_events_text')}`);
}

/** SQL: the column as people read it. An unknown code is shown as its number. */
function shown(dialect: SqlDialect, name: string, column: string): string {
  if (name === 'id' || name === 'source') return idText(dialect, column);
  if (!isCodeColumn(name)) return column;
  const texts = Object.entries(CODES[name]).map(([text, code]) => `WHEN ${code} THEN '${text}'`);
  const all = `CASE ${column} ${texts.join(' ')} ELSE CAST(${column} AS ${dialect === 'mysql' ? 'char' : 'text'}) END`;
  return dialect === 'mysql' ? comparable(all) : all;
}

/** MySQL: in a collation of its own. Else it has that of the session that makes the view, which others can't compare with. */
function comparable(text: string): string {
  return `CONVERT(${text} USING utf8mb4) COLLATE utf8mb4_general_ci`;
}

/** 8-4-4-4-12 digits in lower case; NULL where there is none. */
function idText(dialect: SqlDialect, column: string): string {
  if (dialect === 'postgres') return `CAST(${column} AS text)`;
  const parts = ['1, 8', '9, 4', '13, 4', '17, 4', '21, 12'].map((part) => `SUBSTR(HEX(${column}), ${part})`);
  // Of NULL, HEX of MySQL is NULL, and that of SQLite an empty text.
  if (dialect === 'mysql') return comparable(`LOWER(CONCAT(${parts.join(", '-', ")}))`);
  return `CASE WHEN ${column} IS NOT NULL THEN LOWER(${parts.join(" || '-' || ")}) END`;
}
