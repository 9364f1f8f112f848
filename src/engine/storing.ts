import { DELIVERY_DEFAULTS } from '../delivery/delivery-options.js';
import type { DeliveryOptions } from '../delivery/delivery-options.js';
import { DeliveryLoop } from '../delivery/delivery-loop.js';
import type { Loop, LoopHost, LoopOptions } from '../delivery/delivery-loop.js';
import { RepositorySink } from '../delivery/event-sink.js';
import type { ThreadHost } from '../delivery/thread/database-thread.js';
import { DatabaseThread } from '../delivery/thread/database-thread.js';
import { threadedLoop } from '../delivery/thread/threaded-loop.js';
import type { AuditLogger } from '../event/audit-logger.js';
import { withDefaults } from '../event/option-schema.js';
import type { AtRest } from '../recorder/at-rest.js';
import type { LedgerSettings } from '../sealer/ledger-options.js';
import type { AuditDatabase } from '../store/audit-database.js';
import type { AuditModuleOptions } from './audit.options.js';
import type { Tables } from './tables.js';

/** The thread that stores and seals, where there can be one. */
export function threadOf(
  { database, features = [] }: AuditModuleOptions,
  delivery: Required<DeliveryOptions>,
  ledger: LedgerSettings,
  logger: AuditLogger,
  host: ThreadHost,
): DatabaseThread | undefined {
  // SQLite has one writer at a time, and is in this process anyway.
  if (!database || database.type === 'better-sqlite3') return undefined;
  if (features.some(({ needsMainThread }) => needsMainThread)) return undefined;
  // A logger that is an object of the application's loses its methods on the way there.
  if (typeof database.logger === 'object') return undefined;
  if (!delivery.thread || !DatabaseThread.fits(database)) return undefined;
  if (!DatabaseThread.isInstalled) {
    logger.warn(
      "The thread that stores audit events can't be started: its module is missing, as in a bundle. The main thread stores them. Leave nest-audit-trail out of the bundle (esbuild: --external:nest-audit-trail), or write delivery: { thread: false }.",
    );
    return undefined;
  }
  const { batchSize, statementTimeoutMs } = delivery;
  const loop = { batchSize, statementTimeoutMs };
  const seals = DatabaseThread.fits(ledger);
  return new DatabaseThread({ database, loop, ...(seals && { ledger }) }, host, logger);
}

/** What stores events: in the thread where there is one, else here. */
export function loopOf(
  { events, letters }: Tables,
  database: AuditDatabase,
  thread: DatabaseThread | undefined,
  atRest: AtRest,
  options: LoopOptions,
  failed: (error: unknown) => void,
): (host: LoopHost) => Loop {
  const sink = new RepositorySink(events, letters, (batch, signal) => atRest.beforeStore(batch, { signal }));
  return (told) => {
    const away = (error: unknown) => {
      failed(error);
      told.away(error);
    };
    const host: LoopHost = { ...told, away };
    return thread ? threadedLoop(thread, host, database) : new DeliveryLoop(sink, options, host);
  };
}

export function deliveryOf({ delivery, database }: AuditModuleOptions): Required<DeliveryOptions> {
  // A journal on disk is of no use to a database that is gone with the process.
  const isInMemory = database?.type === 'better-sqlite3' && /^(file:)?:memory:/.test(database.database);
  const mode = isInMemory ? 'buffered' : DELIVERY_DEFAULTS.mode;
  return withDefaults<Required<DeliveryOptions>>({ ...DELIVERY_DEFAULTS, mode }, delivery);
}
