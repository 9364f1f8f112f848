// Has the database refuse some rows for themselves: those whose text no longer fits its column.
import type { DataSource } from 'typeorm';
import type { TestDatabaseName } from './harness/databases.js';

/** An action that does not fit after {@link narrowActions}. */
export const POISON = 'poison.pill.that.is.long';

/** Takes no text of more than `width` characters in the column, which can't be null. */
export async function narrowColumn(
  connection: DataSource,
  name: TestDatabaseName,
  table: string,
  column: string,
  width: number,
): Promise<void> {
  // SQLite knows no widths.
  const statements = {
    sqlite: `CREATE TRIGGER narrow_${column} BEFORE INSERT ON ${table} WHEN length(NEW.${column}) > ${width} BEGIN SELECT RAISE(ABORT, 'too long'); END`,
    mysql: `ALTER TABLE ${table} MODIFY ${column} varchar(${width}) NOT NULL`,
    // PostgreSQL changes no column that a view shows.
    postgres: `DROP VIEW IF EXISTS audit_events_text; ALTER TABLE ${table} ALTER COLUMN ${column} TYPE varchar(${width})`,
  };
  await connection.query(statements[name]);
}

export async function narrowActions(connection: DataSource, name: TestDatabaseName): Promise<void> {
  await narrowColumn(connection, name, 'audit_events', 'action', 20);
}

/** Undoes {@link narrowActions}. */
export async function widenActions(connection: DataSource, name: TestDatabaseName): Promise<void> {
  if (name === 'sqlite') await connection.query('DROP TRIGGER narrow_action');
  else await narrowColumn(connection, name, 'audit_events', 'action', 128);
}
