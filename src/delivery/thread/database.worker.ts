// The thread that stores and seals: connections of its own, and nothing of the application.
import { parentPort, workerData } from 'node:worker_threads';
import type { AuditLogEvent } from '../../event/audit-log-event.js';
import type { Checkpoint } from '../../ledger/checkpoint.js';
import type { NumberRange } from '../../event/sequence-set.js';
import type { OwnSource } from '../../sealer/collector.js';
import { ledgerKeys } from '../../sealer/ledger-keys.js';
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
import { loopCalls } from './threaded-loop.js';
import { sealerCalls } from './threaded-sealer.js';

/** How long what is asked first waits for the connection. */
const CONNECT_PATIENCE_MS = 2_000;

const { database: options, ledger = {}, loop: loopOptions, origin } = workerData as ThreadOptions;
const seals = (workerData as ThreadOptions).ledger !== undefined;
// Whether the database is there, the main thread tells.
const silent = { log: () => undefined, warn: () => undefined, error: () => undefined };
const database = new AuditDatabase({ database: options, migrate: false }, silent);
const sealingDatabase = ledger.database
  ? new AuditDatabase({ database: ledger.database, migrate: false }, silent)
  : database;
const events = new AuditEventRepository(database);
/** As the newest news has them: numbers given away since then are sealed later. */
let ownSources: readonly OwnSource[] = [];
let isSealing = false;
let connected: Promise<void> | undefined;

const sealer: LogSealer = new Sealer(
  sealingDatabase,
  ledger,
  ledgerKeys(ledger),
  {
    ownSources: () => ownSources,
    ownersOf: (source: string, sequences: readonly number[]) => loop.ownersOf(source, sequences),
    describeGap: (gap: NumberRange) => main.call('describeGap', gap) as Promise<AuditLogEvent>,
    stored: (event: AuditLogEvent) => main.tell('stored', event),
    failed: (error: unknown) => main.tell('failed', toFields(error)),
    seen: (checkpoint: Checkpoint) => main.tell('seen', checkpoint),
    installation: async () => `nest-audit-trail/${await events.setting('ledger_id')}`,
    statementTimeoutMs: loopOptions.statementTimeoutMs,
  },
  {
    log: (message) => main.tell('log', message),
    warn: (message) => main.tell('warn', message),
    error: (message) => main.tell('error', message),
  },
);

if (origin !== undefined) sealer.beginAgain(origin);

const loop = new DeliveryLoop(
  new RepositorySink(events, undefined, connect),
  { keep: (event, reason) => main.call('keepLetter', event, reason) as Promise<void> },
  loopOptions,
  {
    ready: () => undefined,
    progress: (progress) => main.tell('progress', progress),
    away: (error) => main.tell('away', toFields(error)),
    lost: (loss) => main.tell('lost', loss),
  },
);

const main: Calls = new Calls(parentPort!, {
  ...loopCalls(loop),
  ...sealerCalls(sealer, connect),
  connect,
  advance(news: LogNews) {
    ownSources = news.sources;
    loop.advance(news);
    if (!seals || isSealing) return;
    isSealing = true;
    void connect().then(() => sealer.start());
  },
  async close() {
    if (sealingDatabase !== database) await sealingDatabase.close();
    await database.close();
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
