// One migrated database of each kind, made once a run; a test's own is a copy of it, which takes a fraction of the time.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { retention } from '../../../dist/esm/features/retention/index.js';
import { AUDIT_ENTITIES, AUDIT_MIGRATIONS, AUDIT_MIGRATIONS_TABLE } from '../../../dist/esm/store/index.js';
import { protection } from '../../../dist/esm/features/protection/index.js';
import { DataSource } from 'typeorm';

/** Those that have tables. */
const features = [protection, retention];
const LIBRARY = {
  entities: [...AUDIT_ENTITIES, ...features.flatMap(({ tables }) => tables.entities)],
  migrations: [...AUDIT_MIGRATIONS, ...features.flatMap(({ tables }) => tables.migrations)],
  migrationsTableName: AUDIT_MIGRATIONS_TABLE,
};

/**
 * @param {{ mysql: object, postgres: object, folder: string, prefix: string }} found as the global setup hands over
 * @returns {Promise<object>} what `Templates` in `databases.ts` says; without what there is no server for
 */
export async function makeTemplates({ mysql, postgres, folder, prefix }) {
  const sqlite = join(folder, 'template.sqlite');
  const templates = { sqlite };
  // As the library makes it.
  await writeFile(sqlite, '', { mode: 0o600 });
  const settings = await migrated({ type: 'better-sqlite3', database: sqlite }, (connection) =>
    connection.query('SELECT name, value FROM audit_settings'),
  );
  templates.secrets = settings.map(({ name, value }) => ({ name, bytes: value.length / 2 }));
  if (postgres.server) {
    const admin = { database: 'postgres', ...postgres.server, type: 'postgres' };
    const database = `${prefix}template`;
    await withConnection(admin, (connection) =>
      // template0 has nothing of the machine's owner in it, and nobody is ever connected to it.
      connection.query(`CREATE DATABASE ${database} TEMPLATE template0 ENCODING 'UTF8'`),
    );
    await migrated({ ...admin, database });
    templates.postgres = database;
    templates.postgresStrategy = await strategyOf(postgres, admin);
  }
  if (mysql.server) {
    const admin = { ...mysql.server, type: 'mysql' };
    const database = `${prefix}template`;
    await withConnection(admin, (connection) => connection.query(`CREATE DATABASE ${database}`));
    const statements = await migrated({ ...admin, database }, statementsOf);
    templates.mysql = join(folder, 'template.sql.json');
    await writeFile(templates.mysql, JSON.stringify(statements));
  }
  return templates;
}

/** A server that flushes nothing copies files in a fifth of the time in which it writes its log of them. */
async function strategyOf({ isPrivate }, admin) {
  if (!isPrivate) return '';
  const [{ version }] = await withConnection(admin, (connection) =>
    connection.query("SELECT current_setting('server_version_num')::int AS version"),
  );
  // Before this version it knows only this way.
  return version >= 150_000 ? 'STRATEGY file_copy' : '';
}

/** What makes a copy of the connection's database: its tables, rows, views and triggers. */
async function statementsOf(connection) {
  const statements = [];
  const views = [];
  const tables = await connection.query('SHOW FULL TABLES');
  for (const row of tables) {
    const [name, kind] = Object.values(row);
    if (kind === 'VIEW') {
      const [{ 'Create View': create }] = await connection.query(`SHOW CREATE VIEW \`${name}\``);
      // It names the database, and the copy has another one.
      views.push(create.replaceAll(`\`${connection.options.database}\`.`, ''));
      continue;
    }
    const [{ 'Create Table': create }] = await connection.query(`SHOW CREATE TABLE \`${name}\``);
    statements.push(create);
    for (const values of await connection.query(`SELECT * FROM \`${name}\``)) {
      const columns = Object.keys(values).map((column) => `\`${column}\``);
      const literals = Object.values(values).map(literal);
      statements.push(`INSERT INTO \`${name}\` (${columns.join(', ')}) VALUES (${literals.join(', ')})`);
    }
  }
  statements.push(...views);
  for (const { Trigger: name } of await connection.query('SHOW TRIGGERS')) {
    const [{ 'SQL Original Statement': create }] = await connection.query(`SHOW CREATE TRIGGER \`${name}\``);
    statements.push(create);
  }
  return statements;
}

/** The rows of a migrated database are names and numbers. */
function literal(value) {
  if (value === null) return 'NULL';
  return `'${String(value).replaceAll("'", "''")}'`;
}

async function migrated(options, read = () => undefined) {
  return withConnection({ ...LIBRARY, ...options }, async (connection) => {
    await connection.runMigrations();
    return read(connection);
  });
}

async function withConnection(options, work) {
  const connection = await new DataSource(options).initialize();
  try {
    return await work(connection);
  } finally {
    await connection.destroy();
  }
}
