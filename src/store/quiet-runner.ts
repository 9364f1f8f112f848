// Statements of the library on a data source that the application shares: the application's logger does not see them.
import type { DataSource, Logger, QueryRunner } from 'typeorm';
import { isDedicated } from './mysql-session.js';

const nothing = () => undefined;
const SILENT: Logger = {
  logQuery: nothing,
  logQueryError: nothing,
  logQuerySlow: nothing,
  logSchemaBuild: nothing,
  logMigration: nothing,
  log: nothing,
};

/** Who hears of statements: for a dedicated data source the logger that `database.logging` asks for; else nobody. */
export function loggerOf(dataSource: DataSource): Logger {
  return isDedicated(dataSource) ? dataSource.logger : SILENT;
}

/**
 * The runner as statements of the library use it: on the same connection, logged by {@link loggerOf}. TypeORM asks the driver's
 * data source for the logger, so this is a view of the runner with a view of its driver; the application's objects stay as they are.
 *
 * @param runner connected already, and released by whoever made it
 */
export function quietRunner(dataSource: DataSource, runner: QueryRunner): QueryRunner {
  if (isDedicated(dataSource)) return runner;
  const quiet = { value: Object.create(dataSource, { logger: { value: SILENT } }) as DataSource };
  // TypeORM 0.3 calls it connection, TypeORM 1 dataSource.
  const driver: unknown = Object.create(dataSource.driver, { connection: quiet, dataSource: quiet });
  return Object.create(runner, { driver: { value: driver } }) as QueryRunner;
}
