// A database that a test can take away from the application, and give back.
import { mkdir, rename, rmdir, symlink } from 'node:fs/promises';
import { DataSource } from 'typeorm';
import type { AuditDatabaseOptions } from 'nest-audit-trail';
import type { TestDatabase } from './harness/databases.js';
import { TcpProxy } from './tcp-proxy.js';

export interface RemovableDatabase {
  readonly options: AuditDatabaseOptions;
  /** What stands before a server. */
  readonly proxy?: TcpProxy;
  readonly isAway: boolean;
  /** Starts an application that uses it. */
  start<T>(application: () => Promise<T>): Promise<T>;
  remove(): Promise<void>;
  restore(): Promise<void>;
  /** Ends what it holds; the database itself is dropped by who created it. */
  release(): Promise<void>;
}

/** @param present whether it is there at first */
export async function removable(database: TestDatabase, present: boolean): Promise<RemovableDatabase> {
  const { options } = database;
  return options.type === 'better-sqlite3' ? lockable(options, present) : proxied(options, present);
}

/** How long the audit waits for its database when it starts, and how long where it is known to be away. */
const [PATIENCE_MS, NO_PATIENCE_MS] = [2_000, 50];

/** Starts an application whose database is away, without the time that it gives its database. */
async function startWithout<T>(application: () => Promise<T>): Promise<T> {
  const { setTimeout } = globalThis;
  const hurried = <Given extends unknown[]>(work: (...given: Given) => void, ms?: number, ...given: Given) =>
    setTimeout(work, ms === PATIENCE_MS ? NO_PATIENCE_MS : ms, ...given);
  const timers = vi.spyOn(globalThis, 'setTimeout').mockImplementation(hurried as typeof setTimeout);
  try {
    return await application();
  } finally {
    timers.mockRestore();
  }
}

/** Servers: connections are cut and refused. */
async function proxied(options: AuditDatabaseOptions, present: boolean): Promise<RemovableDatabase> {
  const server = options as { host?: string; port?: number; socketPath?: string };
  const proxy = new TcpProxy(
    server.socketPath
      ? { path: server.socketPath }
      : { host: server.host ?? '127.0.0.1', port: server.port ?? 0 },
  );
  const port = await proxy.reserve();
  let isAway = !present;
  if (present) await proxy.open();
  return {
    options: { ...options, host: '127.0.0.1', port, socketPath: undefined } as AuditDatabaseOptions,
    proxy,
    get isAway() {
      return isAway;
    },
    start: (application) => (isAway ? startWithout(application) : application()),
    async remove() {
      isAway = true;
      await proxy.cut();
    },
    async restore() {
      await proxy.open();
      isAway = false;
    },
    release: () => proxy.cut(),
  };
}

/** SQLite: a link to a folder stands in the file's place at first; later, another process holds the lock. */
async function lockable(
  options: Extract<AuditDatabaseOptions, { type: 'better-sqlite3' }>,
  present: boolean,
): Promise<RemovableDatabase> {
  let lock: DataSource | undefined;
  let blocked = !present;
  const aside = `${options.database}.aside`;
  const folder = `${options.database}.folder`;
  if (blocked) {
    await rename(options.database, aside);
    await mkdir(folder);
    await symlink(folder, options.database);
  }
  const release = async () => {
    if (blocked) {
      // In one step: between two, the application could make a database of its own here.
      await rename(aside, options.database);
      await rmdir(folder);
    }
    blocked = false;
    if (lock) await lock.query('ROLLBACK');
    await lock?.destroy();
    lock = undefined;
  };
  return {
    options,
    get isAway() {
      return blocked;
    },
    start: (application) => (blocked ? startWithout(application) : application()),
    async remove() {
      lock = await new DataSource(options).initialize();
      await lock.query('BEGIN IMMEDIATE');
    },
    restore: release,
    release,
  };
}
