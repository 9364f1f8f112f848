import type { AuditDatabase } from './audit-database.js';
import { ask, list, sql } from './sql.js';
import type { Row } from './sql.js';
import { dialectOf, quoted, tableName } from './table-name.js';
import type { AuditTable } from './table-name.js';

/** What evidence is read from. */
const TABLES: readonly AuditTable[] = [
  'audit_events',
  'audit_leaves',
  'audit_tiles',
  'audit_checkpoints',
  'audit_dead_letters',
  'audit_sources',
];

/** SQLite: the library's own trigger on INSERT does nothing but refuse. */
const LIBRARY_TRIGGER = /\bBEFORE INSERT ON\b[^;]*\bBEGIN\s+SELECT RAISE\(ABORT,[^;]*; END$/;

/**
 * What may make a table show one user something else than another, or keep something else than was inserted, in sentences:
 * a view in its place, row-level security, a rule, a trigger that changes what is inserted. Only who owns the tables can do
 * that. On MySQL and MariaDB only a user with the right TRIGGER sees triggers.
 *
 * @throws AuditError `AUDIT_STORE_UNAVAILABLE`
 */
export async function strangeTables(database: AuditDatabase): Promise<string[]> {
  const dataSource = database.ready();
  const dialect = dialectOf(dataSource);
  const names = TABLES.map((name) => tableName(dataSource, name));
  // As a statement names it: PostgreSQL looks for it in the schemas of the search path, temporary ones first.
  if (dialect === 'postgres')
    return strangeOnPostgres(
      database,
      names.map((name) => quoted(dataSource, name)),
    );
  return dialect === 'mysql' ? strangeOnMysql(database, names) : strangeOnSqlite(database, names);
}

async function strangeOnPostgres(database: AuditDatabase, names: readonly string[]): Promise<string[]> {
  const tables = list(names.map((name) => sql`to_regclass(CAST(${name} AS text))`));
  const rows = await ask(
    database,
    sql`SELECT CAST(c.relname AS text) AS name, CASE
        WHEN c.relkind NOT IN ('r', 'p') THEN 'is no table, but perhaps a view'
        WHEN c.relpersistence = 't' THEN 'is a temporary one'
        WHEN c.relrowsecurity THEN 'has row-level security'
        ELSE 'has a rule' END AS why
      FROM pg_class c WHERE c.oid IN (${tables})
        AND (c.relkind NOT IN ('r', 'p') OR c.relpersistence = 't' OR c.relrowsecurity OR c.relhasrules)
    UNION ALL SELECT CAST(c.relname AS text), 'has the trigger ' || CAST(t.tgname AS text) || ' before INSERT'
      FROM pg_trigger t INNER JOIN pg_class c ON c.oid = t.tgrelid
      WHERE t.tgrelid IN (${tables}) AND NOT t.tgisinternal
        AND (t.tgtype & 4) <> 0 AND (t.tgtype & 66) <> 0
    ORDER BY 1, 2`,
  );
  return rows.map(sentence);
}

async function strangeOnMysql(database: AuditDatabase, names: readonly string[]): Promise<string[]> {
  const views = await ask(
    database,
    sql`SELECT TABLE_NAME AS name, 'is no table, but perhaps a view' AS why FROM information_schema.TABLES
      WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (${list(names)}) AND TABLE_TYPE <> 'BASE TABLE' ORDER BY TABLE_NAME`,
  );
  const triggers = await ask(
    database,
    sql`SELECT EVENT_OBJECT_TABLE AS name, CONCAT('has the trigger ', TRIGGER_NAME, ' before INSERT') AS why
      FROM information_schema.TRIGGERS
      WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE IN (${list(names)})
        AND EVENT_MANIPULATION = 'INSERT' AND ACTION_TIMING = 'BEFORE' ORDER BY EVENT_OBJECT_TABLE`,
  );
  return [...views, ...triggers].map(sentence);
}

async function strangeOnSqlite(database: AuditDatabase, names: readonly string[]): Promise<string[]> {
  const rows = await ask(
    database,
    sql`SELECT m.name AS name, m.tbl_name AS owner, m.type AS type, m.sql AS sql, m.temp AS temp
      FROM (SELECT *, 0 AS temp FROM sqlite_master UNION ALL SELECT *, 1 FROM sqlite_temp_master) m
      WHERE m.name IN (${list(names)}) OR (m.type = 'trigger' AND m.tbl_name IN (${list(names)})) ORDER BY m.name`,
  );
  return rows
    .filter(({ type, sql: text, temp }) => {
      if (type === 'trigger')
        return /\bINSERT\s+ON\b/i.test(String(text)) && !LIBRARY_TRIGGER.test(String(text));
      return type !== 'table' || temp === 1;
    })
    .map(({ name, owner, type }) =>
      type === 'trigger'
        ? sentence({ name: owner ?? null, why: `has the trigger ${String(name)} at INSERT` })
        : sentence({ name: name ?? null, why: 'is a view, or a temporary table' }),
    );
}

function sentence({ name, why }: Row): string {
  return `The table ${printable(name)} ${printable(why)}: it may show or keep something else than was inserted.`;
}

/** Somebody else has chosen the names. */
function printable(name: unknown): string {
  return String(name).replace(/[^ -~]/g, '?');
}
