// The thread that stores and seals: connections of its own, and nothing of the application.
import { parentPort, workerData } from 'node:worker_threads';
import type { AuditLogEvent } from '../../event/audit-log-event.js';
import type { Checkpoint } from '../../ledger/checkpoint.js';
import type { NumberOwner } from '../../sealer/taken-events.js';
import type { OwnSource, RecordedGap } from '../../sealer/collector.js';
import { ledgerKeys } from '../../sealer/ledger-keys.js';
import type { LogSealer } from '../../sealer/log-sealer.js';
import { Sealer } from '../../sealer/sealer.js';
import { AuditDatabase } from '../../store/audit-database.js';
import { AuditEventRepository } from '../../store/audit-event.repository.js';
import { LedgerRepository } from '../../store/ledger.repository.js';
import { SealingRepository } from '../../store/sealing.repository.js';
import { SourceRepository } from '../../store/source.repository.js';
import { Calls } from './calls.js';
import type { ThreadOptions } from './database-thread.js';

/** How long what is asked first waits for the connection. */
const CONNECT_PATIENCE_MS = 2_000;

const { database: options, ledger = {}, statementTimeoutMs } = workerData as ThreadOptions;
// Whether the database is there, the main thread tells.
const silent = { log: () => undefined, warn: () => undefined, error: () => undefined };
const database = new AuditDatabase({ database: options, migrate: false }, silent);
const sealingDatabase = ledger.database
  ? new AuditDatabase({ database: ledger.database, migrate: false }, silent)
  : database;
const events = new AuditEventRepository(database);
let ownSources: readonly OwnSource[] = [];
let connected: Promise<void> | undefined;

const sealer: LogSealer = new Sealer(
  new LedgerRepository(sealingDatabase),
  new SealingRepository(sealingDatabase),
  new SourceRepository(sealingDatabase),
  ledgerKeys(ledger),
  ledger,
  {
    // Those that came with the last call: numbers given away since then are sealed later.
    ownSources: () => ownSources,
    ownersOf: (source: string, sequences: readonly number[]) =>
      main.call('ownersOf', { source, sequences }) as Promise<NumberOwner[]>,
    describeGap: (gap: RecordedGap) => main.call('describeGap', gap) as Promise<AuditLogEvent>,
    stored: (event: AuditLogEvent) => main.tell('stored', event),
    seen: (checkpoint: Checkpoint) => main.tell('seen', checkpoint),
    installation: async () => `nest-audit-trail/${await events.setting('ledger_id')}`,
    statementTimeoutMs,
  },
  {
    log: (message) => main.tell('log', message),
    warn: (message) => main.tell('warn', message),
    error: (message) => main.tell('error', message),
  },
);

const main: Calls = new Calls(parentPort!, {
  connect: () => connect(),
  async store({ texts, sources }: StoreCall, signal: AbortSignal) {
    await connect();
    await events.append(JSON.parse(texts) as AuditLogEvent[], undefined, signal);
    // Now they are there to be sealed.
    ownSources = sources;
  },
  async ping(_: undefined, signal: AbortSignal) {
    await connect();
    await events.ping(signal);
  },
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

interface StoreCall {
  /** A JSON list of events. */
  readonly texts: string;
  readonly sources: readonly OwnSource[];
}

/** Once: the attempts go on by themselves. */
function connect(): Promise<void> {
  return (connected ??= connectAll());
}

async function connectAll(): Promise<void> {
  await database.connect(CONNECT_PATIENCE_MS);
  if (sealingDatabase !== database) await sealingDatabase.connect(CONNECT_PATIENCE_MS);
}
