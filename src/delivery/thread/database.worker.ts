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
import type { EventSink } from '../event-sink.js';
import type { LogNews, LogStart } from '../messages.js';
import { Calls } from './calls.js';
import { toFields } from './error-fields.js';
import type { ThreadOptions } from './database-thread.js';

/** How long what is asked first waits for the connection. */
const CONNECT_PATIENCE_MS = 2_000;

const { database: options, ledger = {}, loop: loopOptions, origin } = workerData as ThreadOptions;
// Whether the database is there, the main thread tells.
const silent = { log: () => undefined, warn: () => undefined, error: () => undefined };
const database = new AuditDatabase({ database: options, migrate: false }, silent);
const sealingDatabase = ledger.database
  ? new AuditDatabase({ database: ledger.database, migrate: false }, silent)
  : database;
const events = new AuditEventRepository(database);
let ownSources: readonly OwnSource[] = [];
/** Those that came with the newest news: they may be sealed once something of it is stored. */
let newestSources: readonly OwnSource[] = [];
let connected: Promise<void> | undefined;

const sealer: LogSealer = new Sealer(
  sealingDatabase,
  ledger,
  ledgerKeys(ledger),
  {
    // Those that came with the last call: numbers given away since then are sealed later.
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

/** Connects first. */
const sink: EventSink = {
  get whyNotReady() {
    return events.whyNotReady;
  },
  async store(batch, signal) {
    await connect();
    await events.append(batch, undefined, signal);
  },
  async ping(signal) {
    await connect();
    await events.ping(signal);
  },
};

const loop = new DeliveryLoop(
  sink,
  { keep: (event, reason, signal) => main.call('keepLetter', { event, reason }, signal) as Promise<void> },
  loopOptions,
  {
    ready: () => undefined,
    progress(progress) {
      if (progress.stored > 0) ownSources = newestSources;
      main.tell('progress', progress);
    },
    away: (error) => main.tell('away', toFields(error)),
    lost: (loss) => main.tell('lost', loss),
  },
);

const main: Calls = new Calls(parentPort!, {
  connect: () => connect(),
  openLog: (log: LogStart) => loop.open(log),
  advance({ news, sources }: { news: LogNews; sources: readonly OwnSource[] }) {
    newestSources = sources;
    loop.advance(news);
  },
  ping: (patienceMs: number) => loop.ping(patienceMs),
  ownersOf: ({ source, sequences }: { source: string; sequences: readonly number[] }) =>
    loop.ownersOf(source, sequences),
  takenNumbers: () => loop.takenNumbers(),
  reached: () => loop.reached(),
  closeLoop: () => loop.close(),
  async startSealing(sources: readonly OwnSource[]) {
    // One that the process goes on with is its own from the beginning.
    ownSources = sources;
    await connect();
    sealer.start();
  },
  async checkpoint(sources: readonly OwnSource[]) {
    await connect();
    ownSources = sources;
    return sealer.checkpoint();
  },
  async stopSealing({ patienceMs, sources }: { patienceMs: number; sources: readonly OwnSource[] }) {
    await connect();
    ownSources = sources;
    return sealer.close(patienceMs);
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
