// Fresh databases for the tests, on each of the servers that the global setup has found.
import { randomBytes } from 'node:crypto';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import type { RunnerTask } from 'vitest';
import type { AuditDatabaseOptions } from 'nest-audit-trail';
import { mysqlProcesses } from '../server-processes.js';

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
  readonly templates: Templates;
}

/** Migrated databases to copy. */
interface Templates {
  /** A file. */
  readonly sqlite: string;
  /** A file of statements. */
  readonly mysql: string;
  /** A name. */
  readonly postgres: string;
  /** How PostgreSQL copies it: an option of `CREATE DATABASE`, or nothing. */
  readonly postgresStrategy: string;
  /** The settings that are secrets in hexadecimal. */
  readonly secrets: readonly { readonly name: string; readonly bytes: number }[];
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
 * the suite does not drop are dropped after it. The suite fails where no thread of delivery was started on a server.
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
      const threads = new ThreadCount();
      suite(async (needs) => {
        const database = await createDatabase(name, needs);
        created.push(database);
        return database;
      }, name);
      if (name !== 'sqlite') threads.expectAny();
      // Registered after the suite's own, so it runs after them.
      afterAll(async () => {
        await Promise.all(created.map((database) => database.drop()));
      });
    });
  }
}

let isWithoutThread = false;

/** Said in a suite: why none of its applications delivers by the thread on a server. */
export function withoutThread(_why: string): void {
  isWithoutThread = true;
}

/** How many threads of delivery the applications of a suite have started. */
class ThreadCount {
  private started = 0;
  private readonly note = () => void (this.started += 1);

  constructor() {
    isWithoutThread = false;
    beforeAll(() => void process.on('worker', this.note));
  }

  /** That there is one, unless the suite has said why not. */
  expectAny(): void {
    const expected = !isWithoutThread;
    // oxlint-disable-next-line no-empty-pattern -- Vitest takes nothing but a pattern.
    afterAll(({}, suite) => {
      process.off('worker', this.note);
      if (isWhole(suite)) expect(this.started > 0, 'the thread of delivery was used').toBe(expected);
    });
  }
}

/** Whether all of its tests have run: not where one is asked for by its name. */
function isWhole({ tasks }: { readonly tasks: readonly RunnerTask[] }): boolean {
  return tasks.every((task) => (task.type === 'suite' ? isWhole(task) : task.mode === 'run'));
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
  const options = { type: 'better-sqlite3', database } as const;
  if (!isEmpty) {
    await copyFile(resolved().templates.sqlite, database);
    await renewSecrets(options);
  }
  return {
    name: 'sqlite',
    options,
    drop: () => rm(folder, { recursive: true, force: true }),
  };
}

async function createMysqlDatabase(server: ServerAddress, isEmpty: boolean): Promise<CreatedDatabase> {
  const options = { ...server, type: 'mysql' } as const;
  const connection = await administrator({ ...options, multipleStatements: true, poolSize: 1 });
  const database = freshName();
  const statements = [`CREATE DATABASE ${database}`];
  if (!isEmpty)
    statements.push(
      `USE ${database}`,
      ...(JSON.parse(await readFile(resolved().templates.mysql, 'utf8')) as string[]),
      ...newSecrets(),
    );
  await connection.query(statements.join(';\n'));
  return {
    name: 'mysql',
    options: { ...options, database },
    async drop() {
      // A transaction that is still open would make the drop wait for it.
      for (const { Id } of await mysqlProcesses(connection, database)) {
        // It may have ended by itself.
        await connection.query(`KILL ${Id}`).catch(() => undefined);
      }
      await connection.query(`DROP DATABASE IF EXISTS ${database}`);
    },
  };
}

async function createPostgresDatabase(server: ServerAddress, isEmpty: boolean): Promise<CreatedDatabase> {
  const { postgres: template, postgresStrategy: strategy } = resolved().templates;
  const options = { database: 'postgres', ...server, type: 'postgres' } as const;
  const connection = await administrator({ ...options, extra: { max: 1, allowExitOnIdle: true } });
  const database = freshName();
  // template0 has nothing of the machine's owner in it.
  await connection.query(
    `CREATE DATABASE ${database} TEMPLATE ${isEmpty ? 'template0' : template} ENCODING 'UTF8' ${strategy}`,
  );
  const created = { ...options, database };
  if (!isEmpty) await renewSecrets(created);
  return {
    name: 'postgres',
    options: created,
    drop: () => connection.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`),
  };
}

const administrators = new Map<string, Promise<DataSource>>();

/** A connection that makes and drops databases, for all tests of this process. */
function administrator(options: AuditDatabaseOptions): Promise<DataSource> {
  let connection = administrators.get(options.type);
  if (!connection) {
    connection = new DataSource(options).initialize();
    administrators.set(options.type, connection);
  }
  return connection;
}

/** No two databases have the same secrets: a migration makes them by chance. */
function newSecrets(): string[] {
  return resolved().templates.secrets.map(
    ({ name, bytes }) =>
      `UPDATE audit_settings SET value = '${randomBytes(bytes).toString('hex')}' WHERE name = '${name}'`,
  );
}

async function renewSecrets(options: AuditDatabaseOptions): Promise<void> {
  const connection = await new DataSource(options).initialize();
  try {
    for (const statement of newSecrets()) await connection.query(statement);
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
