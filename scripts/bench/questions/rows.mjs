// Measures what compact rows save, for docs/decisions/020-compact-rows.md: `npm run bench -- --only rows [mysql|postgres|sqlite] [rows]`. Inserts the same
// events and leaves by turns into the tables as the migrations make them, and into tables whose ids, severities, categories and
// outcomes are texts; each event's row has the same indexes. Prints the times of both, MariaDB's processor time, and the bytes of a row.
// Needs a build, which the command makes, and a server as the tests do.
import 'reflect-metadata';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { AUDIT_MIGRATIONS } from 'nest-audit-trail/typeorm';
import { createEventId } from '../../../dist/esm/event/event-id.js';
import { ROW_COLUMNS, toRow } from '../../../dist/esm/store/event-row.js';
import { insertOf } from '../../../dist/esm/store/insert-rows.js';
import { runStatement } from '../../../dist/esm/store/run-statement.js';
import { storedValues } from '../../../dist/esm/store/stored-row.js';
import { dialectOf } from '../../../dist/esm/store/table-name.js';
import { endRun } from '../../../test/support/harness/end-of-run.mjs';
import { BenchServer } from '../servers.mjs';
import { figureOf, show } from '../statistics.mjs';
import { events as EVENTS } from '../mixed-events.mjs';

const [KIND = 'mysql', ROWS = '140000'] = process.argv.slice(2);
const BATCH = 500;
/** Rows of a round: short ones, so that what else the machine does meets both forms alike. */
const ROUND = 5_000;
const ROUNDS = Math.max(1, Math.round(Number(ROWS) / ROUND));
const PROCESSES = 4;
const LEAF_COLUMNS = ['leaf_index', 'event_id', 'source', 'sequence', 'through', 'leaf_hash'];
const FORMS = ['text', 'compact'];

/** The columns that were texts, with their widths. */
const TEXTS = {
  audit_events: { id: 36, source: 36, severity: 16, category: 32, outcome: 16 },
  audit_leaves: { event_id: 36, source: 36 },
};

/** The INSERT of a whole batch, by form and table. */
const statements = new Map();
const folder = mkdtempSync(join(tmpdir(), 'audit-rows-'));
const server = KIND === 'sqlite' ? undefined : await BenchServer.find(KIND);
const sources = Array.from({ length: PROCESSES }, () => createEventId(Date.now()));
try {
  const connections = {};
  for (const form of FORMS) connections[form] = await prepare(form);
  const figures = Object.fromEntries(
    ['audit_events', 'audit_leaves'].map((table) => [
      table,
      { ms: { text: [], compact: [] }, cpu: { text: [], compact: [] } },
    ]),
  );
  for (let round = 0; round < ROUNDS; round += 1) {
    const events = Array.from({ length: ROUND }, (_, index) => eventOf(round * ROUND + index));
    const rows = {
      audit_events: [ROW_COLUMNS, events.map(toRow)],
      audit_leaves: [LEAF_COLUMNS, events.map((event, index) => leafOf(event, round * ROUND + index))],
    };
    // Who begins changes from round to round.
    for (const form of round % 2 === 0 ? FORMS : [...FORMS].reverse()) {
      for (const [table, [columns, all]] of Object.entries(rows)) {
        const before = await server?.cpuMicros();
        const begun = performance.now();
        for (let at = 0; at < all.length; at += BATCH)
          await insert(connections[form], form, table, columns, all.slice(at, at + BATCH));
        figures[table].ms[form].push(performance.now() - begun);
        const after = await server?.cpuMicros();
        if (after !== undefined) figures[table].cpu[form].push((after - before) / all.length);
      }
    }
    if (round % 4 === 3) process.stderr.write(`round ${round + 1} of ${ROUNDS}\n`);
  }
  console.log(
    `${server?.text ?? 'SQLite'}: ${ROUND * ROUNDS} rows in batches of ${BATCH}, medians (quartiles) of ${ROUNDS} rounds by turns\n`,
  );
  console.log('| | text | compact | text over compact, all rounds |\n| --- | --- | --- | --- |');
  for (const [table, { ms, cpu }] of Object.entries(figures)) {
    const row = (title, values, digits) => {
      if (values.text.length === 0) return;
      const [text, compact] = FORMS.map((form) => values[form].reduce((sum, value) => sum + value, 0));
      const cells = [figureOf(values.text), figureOf(values.compact)].map((figure) => show(figure, digits));
      console.log(`| ${table}: ${title} | ${cells.join(' | ')} | ${(text / compact).toFixed(2)} |`);
    };
    row(
      'insert, µs a row',
      each(ms, (value) => (value * 1_000) / ROUND),
      1,
    );
    row("server's processor, µs a row", cpu, 1);
    const bytes = {};
    for (const form of FORMS) bytes[form] = await bytesOf(connections[form], table);
    if (KIND !== 'sqlite')
      row(
        'bytes a row with its indexes',
        each(bytes, (value) => [value / ROUND / ROUNDS]),
        0,
      );
  }
  if (KIND === 'sqlite') {
    const sizes = FORMS.map((form) => statSync(fileOf(form)).size / ROUND / ROUNDS);
    console.log(
      `| bytes of the file for an event with its leaf | ${sizes.map((size) => size.toFixed(0)).join(' | ')} | ${(sizes[0] / sizes[1]).toFixed(2)} |`,
    );
  }
  for (const connection of Object.values(connections)) await connection.destroy();
} finally {
  rmSync(folder, { recursive: true, force: true });
  await endRun();
}

function each(values, change) {
  return Object.fromEntries(
    Object.entries(values).map(([form, list]) => [
      form,
      Array.isArray(list) ? list.map(change) : change(list),
    ]),
  );
}

function fileOf(form) {
  return join(folder, `${form}.sqlite`);
}

async function prepare(form) {
  const options = server ? await server.create() : { type: 'better-sqlite3', database: fileOf(form) };
  const connection = await new DataSource({
    ...options,
    migrations: AUDIT_MIGRATIONS,
    ...(KIND === 'mysql' && { charset: 'utf8mb4' }),
    ...(KIND === 'sqlite' && { prepareDatabase: (driver) => void driver.pragma('journal_mode = WAL') }),
  }).initialize();
  await connection.runMigrations();
  if (form === 'text') await makeTexts(connection);
  return connection;
}

/** Has the empty tables keep texts, as before. */
async function makeTexts(connection) {
  const quote = (name) => connection.driver.escape(name);
  await connection.query('DROP VIEW audit_events_text');
  for (const [table, columns] of Object.entries(TEXTS)) {
    if (KIND === 'sqlite') await makeSqliteTexts(connection, table, Object.keys(columns));
    for (const [column, width] of Object.entries(columns)) {
      const isNull = column === 'source' ? 'NULL' : 'NOT NULL';
      if (KIND === 'mysql') {
        const [{ collation }] = await connection.query(
          `SELECT COLLATION_NAME AS collation FROM information_schema.COLUMNS
            WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'audit_events' AND COLUMN_NAME = 'action'`,
        );
        await connection.query(
          `ALTER TABLE ${table} MODIFY ${quote(column)} varchar(${width}) COLLATE ${collation} ${isNull}`,
        );
      } else if (KIND === 'postgres') {
        await connection.query(
          `ALTER TABLE ${table} ALTER COLUMN ${quote(column)} TYPE varchar(${width}) COLLATE "C" USING ''`,
        );
      }
    }
  }
}

/** SQLite changes no column: the statements that made the table are run again with other types. */
async function makeSqliteTexts(connection, table, columns) {
  const made = await connection.query(
    `SELECT sql, type FROM sqlite_master WHERE tbl_name = '${table}' AND sql IS NOT NULL ORDER BY type = 'table' DESC, type = 'index' DESC`,
  );
  await connection.query(`DROP TABLE ${table}`);
  for (const { sql, type } of made) {
    let text = sql;
    for (const column of type === 'table' ? columns : []) {
      text = text
        .replace(new RegExp(`"${column}" (blob|tinyint)`), `"${column}" varchar(36)`)
        .replace(new RegExp(`(typeof\\("${column}"\\) IN \\()'(?:blob|integer)'`), `$1'text'`)
        .replace(new RegExp(`length\\("${column}"\\) = 16`), `length("${column}") <= 36`);
    }
    await connection.query(text);
  }
}

/** Text and values are made apart, so that neither form pays for the other's values. */
async function insert(connection, form, table, columns, rows) {
  const dialect = dialectOf(connection);
  const name = `${form} ${table}`;
  if (!statements.has(name)) statements.set(name, insertOf(connection, { table, columns, rows }).text);
  const text = statements.get(name);
  const values = form === 'text' ? rows.flat() : storedValues(dialect, table, columns, rows);
  // As the library does, which on SQLite goes past TypeORM.
  if (dialect === 'sqlite') connection.driver.databaseConnection.prepare(text).run(...values);
  else await runStatement(connection.manager, { text, values });
}

async function bytesOf(connection, table) {
  if (KIND === 'sqlite') return 0;
  if (KIND === 'postgres') {
    await connection.query(`VACUUM ANALYZE ${table}`);
    const [{ bytes }] = await connection.query(`SELECT pg_total_relation_size('${table}') AS bytes`);
    return Number(bytes);
  }
  await connection.query(`ANALYZE TABLE ${table}`);
  const [{ bytes }] = await connection.query(
    `SELECT DATA_LENGTH + INDEX_LENGTH AS bytes FROM information_schema.TABLES
      WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '${table}'`,
  );
  return Number(bytes);
}

function eventOf(index) {
  const event = EVENTS[index % EVENTS.length];
  const timestamp = Date.now();
  return {
    ...event,
    id: createEventId(timestamp),
    timestamp,
    sessionId: `session-${index % 5_003}`,
    resourceId: `${event.resource}-${(index * 7_919) % 10_007}`,
    metadata: {
      ...event.metadata,
      source: sources[index % PROCESSES],
      sequence: Math.floor(index / PROCESSES) + 1,
    },
  };
}

function leafOf({ id, metadata }, index) {
  const hash = Buffer.from(`${id}${id}`.slice(0, 32)).toString('base64');
  return [index, id, metadata.source, metadata.sequence, metadata.sequence, hash];
}
