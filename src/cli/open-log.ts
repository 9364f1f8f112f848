import { existsSync } from 'node:fs';
import { AuditError } from '../event/audit-error.js';
import { defined } from '../event/present.js';
import { AuditDatabase } from '../store/audit-database.js';
import type { AuditDatabaseOptions } from '../store/store-options.js';
import { databaseOptionsOf } from '../store/database-url.js';
import { repositoriesOf } from '../store/repositories.js';
import type { Repositories } from '../store/repositories.js';
import type { ExplainsMissing } from '../trail/verification/verification.js';
import { CommandError } from './output.js';
import { explanationsOf } from './features.js';

export interface DatabaseArguments {
  readonly databaseUrl?: string;
  readonly tablePrefix?: string;
  readonly schema?: string;
}

/** The log in a database, without an application. */
export interface OpenLog extends Repositories {
  /** Of every feature. */
  readonly explanations: readonly ExplainsMissing[];
}

const PATIENCE_MS = 5_000;
const silent = { log: () => undefined, warn: () => undefined, error: () => undefined };

/**
 * What the work answers about the log, which is closed after it.
 *
 * @throws CommandError where there is no such database, or not the library's tables in it
 */
export async function withLog<T>(options: DatabaseArguments, work: (log: OpenLog) => Promise<T>): Promise<T> {
  const database = new AuditDatabase({ migrate: false, database: databaseOf(options) }, silent);
  await database.connect(PATIENCE_MS);
  try {
    const log = { ...repositoriesOf(database), explanations: explanationsOf(database) };
    await log.ledger.head().catch((error: unknown) => {
      const reason = error instanceof AuditError ? error.message : String(error);
      throw new CommandError(`The audit log can't be read: ${reason}`);
    });
    return await work(log);
  } finally {
    await database.close();
  }
}

function databaseOf({ databaseUrl, tablePrefix, schema }: DatabaseArguments): AuditDatabaseOptions {
  const url = databaseUrl ?? process.env['AUDIT_DATABASE_URL'];
  if (!url) {
    throw new CommandError(
      'Which database? Write --database-url sqlite:audit.sqlite, mysql://… or postgres://…, or set AUDIT_DATABASE_URL.',
    );
  }
  const options = databaseOptionsOf(url);
  if (options.type === 'better-sqlite3' && !existsSync(options.database)) {
    throw new CommandError(`There is no SQLite file ${options.database}.`);
  }
  return { ...options, ...defined({ entityPrefix: tablePrefix, schema }) } as AuditDatabaseOptions;
}
