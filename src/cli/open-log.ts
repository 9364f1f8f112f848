import { existsSync } from 'node:fs';
import { AuditError } from '../event/audit-error.js';
import { AuditDatabase } from '../store/audit-database.js';
import type { AuditDatabaseOptions } from '../store/store-options.js';
import { AuditEventRepository } from '../store/audit-event.repository.js';
import { DeadLetterRepository } from '../store/dead-letter.repository.js';
import { databaseOptionsOf } from '../store/database-url.js';
import { LedgerRepository } from '../store/ledger.repository.js';
import { SealingRepository } from '../store/sealing.repository.js';
import { SourceRepository } from '../store/source.repository.js';
import type { ExplainsMissing } from '../trail/verification/missing-events.js';
import { CommandError } from './exit.js';
import { explanationsOf } from './features.js';

/** Which database a command is about. */
export interface DatabaseArguments {
  readonly databaseUrl?: string;
  readonly tablePrefix?: string;
  readonly schema?: string;
}

/** The log in a database, without an application. */
export interface OpenLog {
  readonly ledger: LedgerRepository;
  readonly sealing: SealingRepository;
  readonly sources: SourceRepository;
  readonly letters: DeadLetterRepository;
  readonly events: AuditEventRepository;
  /** Of every feature. */
  readonly explanations: readonly ExplainsMissing[];
  close(): Promise<void>;
}

const PATIENCE_MS = 5_000;

/** @throws CommandError where there is no such database, or not the library's tables in it */
export async function openLog({ databaseUrl, tablePrefix, schema }: DatabaseArguments): Promise<OpenLog> {
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
  const ignore = () => undefined;
  const database = new AuditDatabase(
    {
      migrate: false,
      database: {
        ...options,
        ...(tablePrefix !== undefined && { entityPrefix: tablePrefix }),
        ...(schema !== undefined && { schema }),
      } as AuditDatabaseOptions,
    },
    { log: ignore, warn: ignore, error: ignore },
  );
  await database.connect(PATIENCE_MS);
  const events = new AuditEventRepository(database);
  const log = {
    ledger: new LedgerRepository(database),
    sealing: new SealingRepository(database),
    sources: new SourceRepository(database),
    explanations: explanationsOf(database),
    letters: new DeadLetterRepository(database, events),
    events,
    close: () => database.close(),
  };
  try {
    await log.ledger.head();
  } catch (error) {
    await database.close();
    const reason = error instanceof AuditError ? error.message : String(error);
    throw new CommandError(`The audit log can't be read: ${reason}`);
  }
  return log;
}
