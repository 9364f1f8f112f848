// The thread that stores and seals: connections of its own, and nothing of the application.
import { parentPort, workerData } from 'node:worker_threads';
import type { AuditLogEvent } from '../../event/audit-log-event.js';
import type { Checkpoint } from '../../ledger/checkpoint.js';
import type { NumberRange, SourceNumber } from '../../event/sequence-set.js';
import { ledgerKeys } from '../../sealer/ledger-keys.js';
import { LEDGER_DEFAULTS } from '../../sealer/ledger-options.js';
import type { LogSealer } from '../../sealer/log-sealer.js';
import { Sealer } from '../../sealer/sealer.js';
import { AuditDatabase } from '../../store/audit-database.js';
import { AuditEventRepository } from '../../store/audit-event.repository.js';
import { DeliveryLoop } from '../delivery-loop.js';
import { RepositorySink } from '../event-sink.js';
import type { LogNews } from '../messages.js';
import { Calls } from './calls.js';
import { toFields } from './error-fields.js';
import type { ThreadOptions } from './database-thread.js';

/** How long what is asked first waits for the connection. */
const CONNECT_PATIENCE_MS = 2_000;

const { database: options, ledger, loop: loopOptions, origin } = workerData as ThreadOptions;
// Whether the database is there, the main thread tells.
const silent = { log: () => undefined, warn: () => undefined, error: () => undefined };
const database = new AuditDatabase({ database: options, migrate: false }, silent);
const sealingDatabase = ledger?.database
  ? new AuditDatabase({ database: ledger.database, migrate: false }, silent)
  : database;
const events = new AuditEventRepository(database);
/** As the newest news has them: numbers given away since then are sealed later. */
let localSources: readonly SourceNumber[] = [];
let isSealing = false;
let connected: Promise<void> | undefined;

const sealer: LogSealer = new Sealer(
  sealingDatabase,
  ledger ?? LEDGER_DEFAULTS,
  ledgerKeys(ledger ?? LEDGER_DEFAULTS),
  {
    localSources: () => localSources,
    ownersOf: (source: string, sequences: readonly number[]) => loop.ownersOf(source, sequences),
    describeGap: (gap: NumberRange) => main.call('host', 'describeGap', gap) as Promise<AuditLogEvent>,
    stored: (event: AuditLogEvent) => main.tell('host', 'stored', event),
    failed: (error: unknown) => main.tell('host', 'failed', toFields(error)),
    seen: (checkpoint: Checkpoint) => main.tell('sealer', 'seen', checkpoint),
    statementTimeoutMs: loopOptions.statementTimeoutMs,
  },
  {
    log: (message) => main.tell('logger', 'log', message),
    warn: (message) => main.tell('logger', 'warn', message),
    error: (message) => main.tell('logger', 'error', message),
  },
);

if (origin !== undefined) sealer.beginAgain(origin);

/** The loop, which has the sealer begin with the first news. */
class SealingLoop extends DeliveryLoop {
  override advance(news: LogNews): void {
    localSources = news.sources;
    super.advance(news);
    if (!ledger || isSealing) return;
    isSealing = true;
    void connect().then(() => sealer.start());
  }
}

const loop = new SealingLoop(
  new RepositorySink(
    events,
    { keep: (event, reason) => main.call('host', 'keepLetter', event, reason) as Promise<void> },
    undefined,
    connect,
  ),
  loopOptions,
  {
    ready: () => undefined,
    progress: (progress) => main.tell('loop', 'progress', progress),
    away: (error) => main.tell('loop', 'away', toFields(error)),
  },
);

const main: Calls = new Calls(parentPort!, {
  loop,
  // The application has started, but this thread may still be connecting.
  sealer: {
    checkpoint: () => connect().then(() => sealer.checkpoint()),
    close: (patienceMs: number) => connect().then(() => sealer.close(patienceMs)),
  },
  thread: {
    connect,
    async close() {
      if (sealingDatabase !== database) await sealingDatabase.close();
      await database.close();
    },
  },
});

/** Once: the attempts go on by themselves. */
function connect(): Promise<void> {
  return (connected ??= connectAll());
}

async function connectAll(): Promise<void> {
  await database.connect(CONNECT_PATIENCE_MS);
  if (sealingDatabase !== database) await sealingDatabase.connect(CONNECT_PATIENCE_MS);
}
