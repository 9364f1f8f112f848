// The data source of the audit: dedicated to it, or shared with the application.
import { DataSource, MigrationExecutor } from 'typeorm';
import type { MigrationInterface } from 'typeorm';
import { AuditError } from '../event/audit-error.js';
import { showValue } from '../event/show-value.js';
import {
  AuditCheckpointEntity,
  AuditDeadLetterEntity,
  AuditEventEntity,
  AuditLeafEntity,
  AuditLeaseEntity,
  AuditSettingEntity,
  AuditSourceEntity,
  AuditTileEntity,
} from './audit.entities.js';
import { CreateAudit1763856000000 } from './migrations/1763856000000-create-audit.js';
import { DEDICATED_MYSQL_OPTIONS, markDedicated } from './mysql-session.js';
import { loggerOf, quietRunner } from './quiet-runner.js';
import { runStatement } from './run-statement.js';
import type { AuditDatabaseOptions } from './store-options.js';
import { dialectOf, rememberSchema, SUPPORTED_DATABASES, tableName } from './table-name.js';
import type { SupportedDatabase } from './table-name.js';

/** Tables that a feature adds. */
export interface FeatureTables {
  readonly entities: readonly (new () => object)[];
  /** They run in the order of their names' times, with those of the core. */
  readonly migrations: readonly (new () => MigrationInterface)[];
}

export const AUDIT_ENTITIES = [
  AuditEventEntity,
  AuditSettingEntity,
  AuditDeadLetterEntity,
  AuditSourceEntity,
  AuditLeafEntity,
  AuditTileEntity,
  AuditCheckpointEntity,
  AuditLeaseEntity,
];
export const AUDIT_MIGRATIONS = [CreateAudit1763856000000];

/** The library keeps its own list of migrations, so that it never mixes with the application's. An `entityPrefix` stands before it. */
export const AUDIT_MIGRATIONS_TABLE = 'audit_migrations';

/** How long a dedicated connection may take to be made; the drivers' own defaults are ten seconds and for ever. */
const CONNECT_TIMEOUT_MS = 5_000;

/** After how long a server of MySQL's `replication` is asked again that did not answer five times; mysql2's default is never. */
const RESTORE_NODE_MS = 1_000;

/** A data source for the audit's tables alone. Not yet connected. */
export function createDataSource(
  options: AuditDatabaseOptions,
  tables: readonly FeatureTables[],
): DataSource {
  const dedicated = {
    ...options,
    entities: entitiesOf(tables),
    migrations: migrationsOf(tables),
    migrationsTableName: migrationsTableOf(options),
    synchronize: false,
    migrationsRun: false,
    dropSchema: false,
  };
  if (dedicated.type === 'postgres') {
    return markDedicated(new DataSource({ connectTimeoutMS: CONNECT_TIMEOUT_MS, ...dedicated }));
  }
  if (dedicated.type !== 'better-sqlite3') {
    const extra = { ...(dedicated.extra as object), charset: DEDICATED_MYSQL_OPTIONS.charset };
    const { replication } = dedicated;
    return markDedicated(
      new DataSource({
        connectTimeout: CONNECT_TIMEOUT_MS,
        ...dedicated,
        ...(replication && { replication: { restoreNodeTimeout: RESTORE_NODE_MS, ...replication } }),
        ...DEDICATED_MYSQL_OPTIONS,
        extra,
      }),
    );
  }
  return markDedicated(
    new DataSource({
      // The driver waits for another process's lock on the main thread: not long, the delivery tries again.
      timeout: 100,
      ...dedicated,
      prepareDatabase: async (connection: { pragma(source: string): unknown }) => {
        // Readers don't block the writer, and a commit survives the death of the process.
        connection.pragma('journal_mode = WAL');
        connection.pragma('synchronous = NORMAL');
        await dedicated.prepareDatabase?.(connection);
      },
    }),
  );
}

/** All entities of the audit, those of features included. */
export function entitiesOf(tables: readonly FeatureTables[]): FeatureTables['entities'][number][] {
  return [...AUDIT_ENTITIES, ...tables.flatMap(({ entities }) => entities)];
}

function migrationsOf(tables: readonly FeatureTables[]): FeatureTables['migrations'][number][] {
  return [...AUDIT_MIGRATIONS, ...tables.flatMap(({ migrations }) => migrations)];
}

/** TypeORM puts no `entityPrefix` before it: two audits in one database would share one list, and the second have no tables. */
function migrationsTableOf({ entityPrefix = '' }: { readonly entityPrefix?: string }): string {
  return entityPrefix + AUDIT_MIGRATIONS_TABLE;
}

/** Runs the library's migrations, with its own list of them even on a data source that the application shares. */
export async function runMigrations(dataSource: DataSource, tables: readonly FeatureTables[]): Promise<void> {
  // A view of the data source that differs in nothing but the migrations; the executor reads no more than these.
  const view = Object.create(dataSource, {
    migrations: { value: migrationsOf(tables).map((Migration) => new Migration()) },
    options: { value: { ...dataSource.options, migrationsTableName: migrationsTableOf(dataSource.options) } },
    logger: { value: loggerOf(dataSource) },
  }) as DataSource;
  const runner = dataSource.createQueryRunner('master');
  try {
    await runner.connect();
    const quiet = quietRunner(dataSource, runner);
    // By its manager, TypeORM notes which migrations have run.
    if (quiet !== runner) Object.assign(quiet, { manager: dataSource.createEntityManager(quiet) });
    await new MigrationExecutor(view, quiet).executePendingMigrations();
  } finally {
    await runner.release();
  }
}

/** @throws AuditError `AUDIT_INVALID_OPTIONS` where the data source that the application shares is of another database */
export function assertSupported({ options: { type } }: DataSource): void {
  if (SUPPORTED_DATABASES.includes(type as SupportedDatabase)) return;
  throw new AuditError(
    'AUDIT_INVALID_OPTIONS',
    `The audit option dataSource names a data source of type "${type}": write database for a connection of the audit's own, of type ${SUPPORTED_DATABASES.join(', ')}.`,
    { field: 'dataSource' },
  );
}

/** Whether one outage ends the data source for good, see {@link RESTORE_NODE_MS}. */
export function losesServers(dataSource: DataSource): boolean {
  const { replication } = dataSource.options as { replication?: { restoreNodeTimeout?: number } };
  return dialectOf(dataSource) === 'mysql' && replication !== undefined && !replication.restoreNodeTimeout;
}

/** A name is part of statements, also within quotes of other kinds, and not every version of TypeORM escapes it. */
const PLAIN_NAME = /^[\p{L}\p{N}_-]*$/u;

/** @throws AuditError `AUDIT_INVALID_OPTIONS` */
export function assertNames({ options }: DataSource, option: string): void {
  const { entityPrefix = '', schema = '' } = options as { entityPrefix?: string; schema?: string };
  for (const [property, name] of Object.entries({ entityPrefix, schema })) {
    if (PLAIN_NAME.test(name)) continue;
    throw new AuditError(
      'AUDIT_INVALID_OPTIONS',
      `The audit's tables can't have the ${property} ${showValue(name)}: write letters, digits, _ and - only.`,
      { field: `${option}.${property}` },
    );
  }
}

/** PostgreSQL: has statements name the schema in which the tables are, see {@link rememberSchema}. */
export async function settleSchema(dataSource: DataSource): Promise<void> {
  const { schema: given } = dataSource.options as { readonly schema?: string };
  if (dialectOf(dataSource) !== 'postgres' || given) return;
  // Not by to_regclass(), which finds a temporary table before all others.
  const text = `SELECT n.nspname AS name
    FROM unnest(current_schemas(false)) WITH ORDINALITY AS s(name, place)
    INNER JOIN pg_namespace n ON n.nspname = s.name INNER JOIN pg_class c ON c.relnamespace = n.oid
    WHERE c.relname = $1 ORDER BY s.place LIMIT 1`;
  const values = [tableName(dataSource, 'audit_events')];
  const [schema] = await runStatement<{ name: string }[]>(dataSource.manager, { text, values });
  if (schema && PLAIN_NAME.test(schema.name)) rememberSchema(dataSource, schema.name);
}

/** The npm packages of the drivers. */
const DRIVERS: Record<SupportedDatabase, string> = {
  'better-sqlite3': 'better-sqlite3@12',
  mysql: 'mysql2',
  mariadb: 'mysql2',
  postgres: 'pg',
};

/** The errors of TypeORM that come from the options and not from the state of the database. */
export function toOptionError(
  error: unknown,
  type: SupportedDatabase,
  option: string,
): AuditError | undefined {
  const name = error instanceof Error ? error.constructor.name : '';
  if (name !== 'DriverPackageNotInstalledError' && name !== 'MissingDriverError') return undefined;
  return new AuditError(
    'AUDIT_INVALID_OPTIONS',
    `The driver of the audit database is not installed: write npm install ${DRIVERS[type]} for the type "${type}".`,
    { field: `${option}.type`, cause: error },
  );
}
