// Fresh databases for the tests, on each of the servers that the global setup has found.
import { randomBytes } from 'node:crypto';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import type { AuditDatabaseOptions } from 'nest-audit-trail';

export type TestDatabaseName = 'sqlite' | 'mysql' | 'postgres';

export interface TestDatabase {
  readonly name: TestDatabaseName;
  /** TypeORM's options of a fresh database. */
  readonly options: AuditDatabaseOptions;
  /** A directory for the journal of the one application that writes to it; made when that starts. */
  readonly journal: string;
  /** Ends what is still connected, and deletes the database. The second time it does nothing. */
  drop(): Promise<void>;
}

/** What the global setup hands over. */
interface Resolved {
  readonly mysql: Found;
  readonly postgres: Found;
  /** What the name of each database begins with, and where each file is: the global teardown removes what is left. */
  readonly prefix: string;
  readonly folder: string;
  /** Migrated databases to copy: a file, a file of statements, and a name. */
  readonly templates: { readonly sqlite: string; readonly mysql: string; readonly postgres: string };
}

export interface DatabaseNeeds {
  /** Without any table, as before the library's first start. */
  readonly isEmpty?: boolean;
}

type Found = { readonly server: ServerAddress } | { readonly missing: string };

interface ServerAddress {
  readonly host?: string;
  readonly port?: number;
  readonly socketPath?: string;
  readonly username: string;
  readonly password?: string;
  readonly database?: string;
}

const LABELS: Record<TestDatabaseName, string> = {
  sqlite: 'SQLite',
  mysql: 'MySQL/MariaDB',
  postgres: 'PostgreSQL',
};

/**
 * Runs the suite once for each database; one that is missing is reported as skipped with the reason. Databases that
 * the suite does not drop are dropped after it.
 */
export function describeEachDatabase(
  title: string,
  suite: (create: (needs?: DatabaseNeeds) => Promise<TestDatabase>, name: TestDatabaseName) => void,
): void {
  for (const name of Object.keys(LABELS) as TestDatabaseName[]) {
    const reason = missingReason(name);
    if (reason !== undefined) {
      describe.skip(`${title} on ${LABELS[name]}, skipped: ${reason}`, () =>
        suite((needs) => createDatabase(name, needs), name));
      continue;
    }
    describe(`${title} on ${LABELS[name]}`, () => {
      const created: TestDatabase[] = [];
      suite(async (needs) => {
        const database = await createDatabase(name, needs);
        created.push(database);
        return database;
      }, name);
      // Registered after the suite's own, so it runs after them.
      afterAll(async () => {
        await Promise.all(created.map((database) => database.drop()));
      });
    });
  }
}

/** Runs the suite on SQLite: for what is the same on each database. The smoke test shows it once on each server. */
export function describeOnSqlite(title: string, suite: (create: () => Promise<TestDatabase>) => void): void {
  describe(title, () => {
    const created: TestDatabase[] = [];
    suite(async () => {
      const database = await createDatabase('sqlite');
      created.push(database);
      return database;
    });
    afterAll(async () => {
      await Promise.all(created.map((database) => database.drop()));
    });
  });
}

/** A fresh database, with the library's tables and no event. The caller drops it. */
export async function createDatabase(
  name: TestDatabaseName,
  { isEmpty = false }: DatabaseNeeds = {},
): Promise<TestDatabase> {
  const journal = join(resolved().folder, `journal-${randomBytes(8).toString('hex')}`);
  const database = await create(name, isEmpty);
  if (!isEmpty) await withConnection(database.options, renewSecrets);
  return {
    ...database,
    journal,
    async drop() {
      await rm(journal, { recursive: true, force: true });
      await database.drop();
    },
  };
}

type CreatedDatabase = Omit<TestDatabase, 'journal'>;

async function create(name: TestDatabaseName, isEmpty: boolean): Promise<CreatedDatabase> {
  if (name === 'sqlite') return createSqliteDatabase(isEmpty);
  const found = resolved()[name];
  if ('missing' in found) throw new Error(found.missing);
  return name === 'mysql'
    ? createMysqlDatabase(found.server, isEmpty)
    : createPostgresDatabase(found.server, isEmpty);
}

async function createSqliteDatabase(isEmpty: boolean): Promise<CreatedDatabase> {
  const folder = await mkdtemp(join(resolved().folder, 'sqlite-'));
  const database = join(folder, 'audit.sqlite');
  if (!isEmpty) await copyFile(resolved().templates.sqlite, database);
  return {
    name: 'sqlite',
    options: { type: 'better-sqlite3', database },
    drop: () => rm(folder, { recursive: true, force: true }),
  };
}

async function createMysqlDatabase(server: ServerAddress, isEmpty: boolean): Promise<CreatedDatabase> {
  const admin = { ...server, type: 'mysql' } as const;
  const database = freshName();
  await withConnection({ ...admin, multipleStatements: true }, async (connection) => {
    const statements = [`CREATE DATABASE ${database}`];
    if (!isEmpty)
      statements.push(
        `USE ${database}`,
        ...(JSON.parse(await readFile(resolved().templates.mysql, 'utf8')) as string[]),
      );
    await connection.query(statements.join(';\n'));
  });
  return {
    name: 'mysql',
    options: { ...admin, database },
    drop: () =>
      withConnection(admin, async (connection) => {
        // A transaction that is still open would make the drop wait for it.
        const open: { id: number }[] = await connection.query(
          'SELECT id AS id FROM information_schema.processlist WHERE db = ?',
          [database],
        );
        for (const { id } of open) {
          // It may have ended by itself.
          await connection.query(`KILL ${id}`).catch(() => undefined);
        }
        await connection.query(`DROP DATABASE IF EXISTS ${database}`);
      }),
  };
}

async function createPostgresDatabase(server: ServerAddress, isEmpty: boolean): Promise<CreatedDatabase> {
  const admin = { database: 'postgres', ...server, type: 'postgres' } as const;
  const database = freshName();
  // template0 has nothing of the machine's owner in it.
  const template = isEmpty ? 'template0' : resolved().templates.postgres;
  await withConnection(admin, (connection) =>
    connection.query(`CREATE DATABASE ${database} TEMPLATE ${template} ENCODING 'UTF8'`),
  );
  return {
    name: 'postgres',
    options: { ...admin, database },
    drop: () =>
      withConnection(admin, (connection) =>
        connection.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`),
      ),
  };
}

/** No two databases have the same secrets: a migration makes them by chance. */
async function renewSecrets(connection: DataSource): Promise<void> {
  const q = (name: string) => connection.driver.escape(name);
  const settings: { name: string; value: string }[] = await connection.query('SELECT * FROM audit_settings');
  for (const { name, value } of settings)
    await connection.query(
      `UPDATE audit_settings SET ${q('value')} = '${randomBytes(value.length / 2).toString('hex')}' WHERE ${q('name')} = '${name}'`,
    );
}

async function withConnection(
  options: AuditDatabaseOptions,
  work: (connection: DataSource) => Promise<unknown>,
): Promise<void> {
  const connection = await new DataSource(options).initialize();
  try {
    await work(connection);
  } finally {
    await connection.destroy();
  }
}

/** Why there is no such database here; `undefined` where there is. */
export function missingReason(name: TestDatabaseName): string | undefined {
  if (name === 'sqlite') return undefined;
  const found = resolved()[name];
  return 'missing' in found ? found.missing : undefined;
}

function resolved(): Resolved {
  const json = process.env['AUDIT_TEST_RESOLVED'];
  if (json === undefined) throw new Error('The databases are not known: run the tests with npm test.');
  return JSON.parse(json) as Resolved;
}

function freshName(): string {
  return resolved().prefix + randomBytes(8).toString('hex');
}
