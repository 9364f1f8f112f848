import type { LetterBox } from '../delivery/batch-store.js';
import { DELIVERY_DEFAULTS } from '../delivery/delivery-options.js';
import type { DeliveryOptions } from '../delivery/delivery-options.js';
import { DeliveryLoop } from '../delivery/delivery-loop.js';
import type { Loop, LoopHost, LoopOptions } from '../delivery/delivery-loop.js';
import { RepositorySink } from '../delivery/event-sink.js';
import type { ThreadHost } from '../delivery/thread/database-thread.js';
import { DatabaseThread } from '../delivery/thread/database-thread.js';
import { ThreadedLoop } from '../delivery/thread/threaded-loop.js';
import type { AuditLogger } from '../event/audit-logger.js';
import type { AtRest } from '../recorder/at-rest.js';
import type { AuditDatabase } from '../store/audit-database.js';
import type { AuditModuleOptions } from './audit.options.js';
import type { Tables } from './tables.js';

/** The thread that stores and seals, where there can be one. */
export function threadOf(
  options: AuditModuleOptions,
  logger: AuditLogger,
  host: ThreadHost,
): DatabaseThread | undefined {
  const { database, ledger = {}, delivery, features = [] } = options;
  // SQLite has one writer at a time, and is in this process anyway.
  if (!database || database.type === 'better-sqlite3') return undefined;
  if (features.some(({ needsMainThread }) => needsMainThread)) return undefined;
  // A logger that is an object of the application's loses its methods on the way there.
  if (typeof database.logger === 'object') return undefined;
  if (!(delivery?.thread ?? DELIVERY_DEFAULTS.thread) || !DatabaseThread.fits(database)) return undefined;
  if (!DatabaseThread.isInstalled) {
    logger.warn(
      "The thread that stores audit events can't be started: its module is missing, as in a bundle. The main thread stores them. Leave nest-audit-trail out of the bundle (esbuild: --external:nest-audit-trail), or write delivery: { thread: false }.",
    );
    return undefined;
  }
  const loop = {
    batchSize: delivery?.batchSize ?? DELIVERY_DEFAULTS.batchSize,
    statementTimeoutMs: statementTimeoutOf(options),
  };
  const seals = DatabaseThread.fits(ledger);
  return new DatabaseThread({ database, loop, ...(seals && { ledger }) }, host, logger);
}

/** What stores events: in the thread where there is one, else here. */
export function loopOf(
  { events, letters }: Tables,
  database: AuditDatabase,
  thread: DatabaseThread | undefined,
  atRest: AtRest,
  failed: (error: unknown) => void,
): (host: LoopHost, options: LoopOptions) => Loop {
  const sink = new RepositorySink(events, (batch, signal) => atRest.beforeStore(batch, { signal }));
  const dead: LetterBox = {
    async keep(event, reason, signal) {
      const [stored] = await atRest.beforeStore([event], { signal });
      await letters.keep(stored!, reason, signal);
    },
  };
  return (told, options) => {
    // While the first connection is being made, what was recovered waits for it.
    const away = (error: unknown) => {
      failed(error);
      if (!database.isConnecting) told.away(error);
    };
    const host: LoopHost = { ...told, away };
    const inThisThread = () => new DeliveryLoop(sink, dead, options, host);
    return thread ? new ThreadedLoop(thread, host, database, inThisThread) : inThisThread();
  };
}

export function statementTimeoutOf({ delivery }: AuditModuleOptions): number {
  return delivery?.statementTimeoutMs ?? DELIVERY_DEFAULTS.statementTimeoutMs;
}

/** A journal on disk is of no use to a database that is gone with the process. */
export function deliveryOf({ delivery, database }: AuditModuleOptions): DeliveryOptions {
  const isInMemory = database?.type === 'better-sqlite3' && /^(file:)?:memory:/.test(database.database);
  return { ...delivery, ...(isInMemory && delivery?.mode === undefined && { mode: 'buffered' }) };
}
