// Multi-row INSERTs by the drivers themselves, of the rows that the audit has stored, into a table with the same columns and
// indexes: as fast as a program can store them that does nothing else.
import Sqlite from 'better-sqlite3';
import mysql from 'mysql2/promise';
import pg from 'pg';

const TABLE = 'raw_events';

export const RAW = {
  async mysql({ type: _type, username: user, ...address }, count) {
    const connection = await mysql.createConnection({ ...address, user });
    await connection.query(`CREATE TABLE IF NOT EXISTS ${TABLE} LIKE audit_events`);
    const [rows] = await connection.query({
      sql: `SELECT * FROM audit_events LIMIT ${count}`,
      rowsAsArray: true,
    });
    return {
      rows,
      empty: () => connection.query(`TRUNCATE ${TABLE}`),
      insert: (part) => connection.query(`INSERT INTO ${TABLE} VALUES ?`, [part]),
      close: () => connection.end(),
    };
  },

  async postgres({ type: _type, username: user, ...address }, count) {
    const client = new pg.Client({ ...address, user });
    await client.connect();
    await client.query(`CREATE TABLE IF NOT EXISTS ${TABLE} (LIKE audit_events INCLUDING ALL)`);
    const { rows } = await client.query({
      text: `SELECT * FROM audit_events LIMIT ${count}`,
      rowMode: 'array',
    });
    return {
      rows,
      empty: () => client.query(`TRUNCATE ${TABLE}`),
      insert(part) {
        let place = 0;
        const values = part.map((row) => `(${row.map(() => `$${(place += 1)}`).join(',')})`).join(',');
        return client.query(`INSERT INTO ${TABLE} VALUES ${values}`, part.flat());
      },
      close: () => client.end(),
    };
  },

  async 'better-sqlite3'({ database }, count) {
    const connection = new Sqlite(database);
    connection.pragma('journal_mode = WAL');
    connection.pragma('synchronous = NORMAL');
    const renamed = (sql) => sql.replaceAll('audit_events', TABLE);
    const sources = connection
      .prepare(
        `SELECT sql FROM sqlite_master WHERE tbl_name = 'audit_events' AND type IN ('table', 'index') AND sql IS NOT NULL`,
      )
      .all();
    for (const { sql } of sources) {
      connection.exec(renamed(sql).replace(/^CREATE (TABLE|INDEX) (?!IF)/, 'CREATE $1 IF NOT EXISTS '));
    }
    const rows = connection.prepare(`SELECT * FROM audit_events LIMIT ${count}`).raw().all();
    return {
      rows,
      empty: () => connection.exec(`DELETE FROM ${TABLE}`),
      insert(part) {
        const values = part.map((row) => `(${row.map(() => '?').join(',')})`).join(',');
        connection.prepare(`INSERT INTO ${TABLE} VALUES ${values}`).run(...part.flat());
      },
      close: () => connection.close(),
    };
  },
};
