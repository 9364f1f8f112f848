import type { AuditDatabase } from './audit-database.js';
import { ask, list, sql } from './sql.js';
import type { Row, Sql } from './sql.js';
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
 */
export async function strangeTables(database: AuditDatabase): Promise<string[]> {
  const dataSource = database.ready();
  const names = TABLES.map((name) => tableName(dataSource, name));
  // As a statement names it: PostgreSQL looks for it in the schemas of the search path, temporary ones first.
  const regclass = names.map((name) => sql`to_regclass(CAST(${quoted(dataSource, name)} AS text))`);
  const questions = {
    postgres: [onPostgres(list(regclass))],
    mysql: onMysql(list(names)),
    sqlite: [onSqlite(list(names))],
  }[dialectOf(dataSource)];
  const sentences: string[] = [];
  for (const question of questions) {
    const rows = await ask(database, question);
    sentences.push(...rows.filter(isStrange).map(sentence));
  }
  return sentences;
}

function onPostgres(tables: Sql): Sql {
  return sql`SELECT CAST(c.relname AS text) AS name, CASE
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
    ORDER BY 1, 2`;
}

function onMysql(names: Sql): Sql[] {
  return [
    sql`SELECT TABLE_NAME AS name, 'is no table, but perhaps a view' AS why FROM information_schema.TABLES
      WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (${names}) AND TABLE_TYPE <> 'BASE TABLE' ORDER BY TABLE_NAME`,
    sql`SELECT EVENT_OBJECT_TABLE AS name, CONCAT('has the trigger ', TRIGGER_NAME, ' before INSERT') AS why
      FROM information_schema.TRIGGERS
      WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE IN (${names})
        AND EVENT_MANIPULATION = 'INSERT' AND ACTION_TIMING = 'BEFORE' ORDER BY EVENT_OBJECT_TABLE`,
  ];
}

function onSqlite(names: Sql): Sql {
  return sql`SELECT m.tbl_name AS name, CASE m.type WHEN 'trigger' THEN m.sql END AS does,
        CASE m.type WHEN 'trigger' THEN 'has the trigger ' || m.name || ' at INSERT'
          ELSE 'is a view, or a temporary table' END AS why
      FROM (SELECT *, 0 AS temp FROM sqlite_master UNION ALL SELECT *, 1 FROM sqlite_temp_master) m
      WHERE (m.type = 'trigger' AND m.tbl_name IN (${names}))
        OR (m.name IN (${names}) AND (m.type <> 'table' OR m.temp = 1)) ORDER BY m.name`;
}

/** @param row of SQLite: `does` is the SQL of a trigger */
function isStrange({ does = null }: Row): boolean {
  return does === null || (/\bINSERT\s+ON\b/i.test(String(does)) && !LIBRARY_TRIGGER.test(String(does)));
}

function sentence({ name, why }: Row): string {
  return `The table ${printable(name)} ${printable(why)}: it may show or keep something else than was inserted.`;
}

/** Somebody else has chosen the names. */
function printable(name: unknown): string {
  return String(name).replace(/[^ -~]/g, '?');
}
