import type { MessagePort } from 'node:worker_threads';
import type { AuditLogEvent } from '../../event/audit-log-event.js';
import type { SourceNumber } from '../../event/sequence-set.js';
import { ledgerKeys } from '../../sealer/ledger-keys.js';
import { LEDGER_DEFAULTS } from '../../sealer/ledger-options.js';
import type { LedgerSettings } from '../../sealer/ledger-options.js';
import { Sealer } from '../../sealer/sealer.js';
import { AuditDatabase } from '../../store/audit-database.js';
import { AuditEventRepository } from '../../store/audit-event.repository.js';
import type { AuditDatabaseOptions } from '../../store/store-options.js';
import { DeliveryLoop } from '../delivery-loop.js';
import type { LoopOptions } from '../delivery-loop.js';
import { RepositorySink } from '../event-sink.js';
import type { LogNews } from '../messages.js';
import { Calls } from './calls.js';
import { toFields } from './error-fields.js';

/** What the work needs to begin: all of it can be copied. */
export interface WorkOptions {
  readonly database: AuditDatabaseOptions;
  /** Absent where the main thread seals. */
  readonly ledger?: LedgerSettings;
  readonly loop: LoopOptions;
  /** Of the log that follows one whose tables were lost. */
  readonly origin?: string;
}

/** How long what is asked first waits for the connection. */
const CONNECT_PATIENCE_MS = 2_000;

/**
 * What the thread does: it stores and seals, with connections of its own and nothing of the application.
 *
 * @param port to whoever asks for it; the work ends when it is closed
 */
export function doDatabaseWork(port: MessagePort, options: WorkOptions): void {
  const { ledger, origin } = options;
  // Whether the database is there, the main thread tells.
  const silent = { log: () => undefined, warn: () => undefined, error: () => undefined };
  const database = new AuditDatabase({ database: options.database, migrate: false }, silent);
  const sealingDatabase = ledger?.database
    ? new AuditDatabase({ database: ledger.database, migrate: false }, silent)
    : database;
  const connect = onceConnected(database);
  const connectSealing = sealingDatabase === database ? connect : onceConnected(sealingDatabase);
  const disconnect = async () => {
    if (sealingDatabase !== database) await sealingDatabase.close();
    await database.close();
  };

  /** As the newest news has them: numbers given away since then are sealed later. */
  let localSources: readonly SourceNumber[] = [];
  let isSealing = false;
  const sealer = new Sealer(
    sealingDatabase,
    ledger ?? LEDGER_DEFAULTS,
    ledgerKeys(ledger ?? LEDGER_DEFAULTS),
    {
      localSources: () => localSources,
      ownersOf: (source, sequences) => loop.ownersOf(source, sequences),
      describeGap: (gap) => main.call('host', 'describeGap', gap),
      stored: (event) => main.tell('host', 'stored', event),
      failed: (error) => main.tell('host', 'failed', toFields(error)),
      seen: (checkpoint) => main.tell('sealer', 'seen', checkpoint),
      statementTimeoutMs: options.loop.statementTimeoutMs,
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
      connectSealing().then(
        () => sealer.start(),
        (error: Error) => main.tell('logger', 'error', error.message),
      );
    }
  }

  const letters = {
    keep: (event: AuditLogEvent, reason: string): Promise<void> =>
      main.call('host', 'keepLetter', event, reason),
  };
  const loop = new SealingLoop(
    new RepositorySink(new AuditEventRepository(database), letters, undefined, connect),
    options.loop,
    {
      ready: () => undefined,
      progress: (progress) => main.tell('loop', 'progress', progress),
      away: (error) => main.tell('loop', 'away', toFields(error)),
      ended: () => undefined,
    },
  );

  const main: Calls = new Calls(port, {
    loop,
    // The application has started, but this may still be connecting.
    sealer: {
      checkpoint: () => connectSealing().then(() => sealer.checkpoint()),
      close: (patienceMs: number) => connectSealing().then(() => sealer.close(patienceMs)),
    },
    thread: { connect, close: disconnect },
  });
  // A thread just ends; in the main thread, timers and connections are left. Without a database nothing more is sealed.
  port.on('close', () => {
    loop.close();
    void disconnect().then(() => sealer.close(0));
  });
}

/** Connects when it is called first: the attempts go on by themselves. */
function onceConnected(database: AuditDatabase): () => Promise<void> {
  let connected: Promise<void> | undefined;
  return () => (connected ??= database.connect(CONNECT_PATIENCE_MS));
}
