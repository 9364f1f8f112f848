// The file of a dedicated SQLite database: it has events in clear, and is nobody's but the application's user's.
import { closeSync, mkdirSync, openSync, readlinkSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { DataSourceOptions } from 'typeorm';

type SqliteOptions = Extract<DataSourceOptions, { type: 'better-sqlite3' }>;

const OWNER_ONLY = 0o600;

/**
 * Creates the file, empty, where there is none: SQLite itself would let everybody read it. SQLite gives the files beside it
 * (`-wal`, `-shm`) the same mode.
 *
 * @returns its path, where it was there before, keeps its mode, and can be read by others than its owner and its group
 */
export function createPrivately(options: SqliteOptions): string | undefined {
  // As better-sqlite3 reads it, which takes `file:` for a part of the name; another driver may not.
  const file = options.database.trim();
  const isFile = file !== '' && file !== ':memory:' && !(options.driver && file.startsWith('file:'));
  if (!isFile || process.platform === 'win32') return undefined;
  if (!options.readonly && !options.fileMustExist) create(file);
  const mode = statSync(file, { throwIfNoEntry: false })?.mode ?? 0;
  return (mode & 0o007) === 0 ? undefined : file;
}

function create(file: string): void {
  mkdirSync(dirname(file), { recursive: true });
  try {
    // Never one that is there: to close it would end the locks that this process has on it.
    closeSync(openSync(file, 'ax', OWNER_ONLY));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    // A link to a file that is not there yet.
    if (!statSync(file, { throwIfNoEntry: false })) create(resolve(dirname(file), readlinkSync(file)));
  }
}
