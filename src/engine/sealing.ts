import type { Delivery } from '../delivery/delivery.js';
import type { DatabaseThread, ThreadHost } from '../delivery/thread/database-thread.js';
import { ThreadedSealer } from '../delivery/thread/threaded-sealer.js';
import type { AuditLogger } from '../event/audit-logger.js';
import type { LogSealer } from '../sealer/log-sealer.js';
import { ReachNotes } from '../sealer/reach-notes.js';
import { Sealer } from '../sealer/sealer.js';
import type { AuditDatabase } from '../store/audit-database.js';
import type { AuditModuleOptions } from './audit.options.js';
import { statementTimeoutOf } from './storing.js';
import type { Tables } from './tables.js';

/**
 * What seals: in the thread where there is one, else here.
 *
 * @param own the sealer's own connection, where it has one
 */
export function sealerOf(
  options: AuditModuleOptions,
  { events, keys }: Tables,
  database: AuditDatabase,
  own: AuditDatabase | undefined,
  thread: DatabaseThread | undefined,
  delivery: Delivery,
  { describeGap, stored }: Pick<ThreadHost, 'describeGap' | 'stored'>,
  failed: (error: unknown) => void,
  logger: AuditLogger,
): LogSealer {
  const ownSources = () => delivery.ownSources;
  const inThisThread = () =>
    new Sealer(
      own ?? database,
      options.ledger ?? {},
      keys,
      {
        ownSources,
        ownersOf: (source, sequences) => delivery.taken.ownersOf(source, sequences),
        describeGap,
        stored,
        failed,
        installation: async () => `nest-audit-trail/${await events.setting('ledger_id')}`,
        statementTimeoutMs: statementTimeoutOf(options),
      },
      logger,
    );
  if (!thread?.seals) return inThisThread();
  return new ThreadedSealer(thread, () => {
    void own?.connect(0);
    return inThisThread();
  });
}

/** Only what is signed is believed of how far a source has come. */
export function reachNotesOf(
  { authority, ledger, sealing }: Tables,
  delivery: Delivery,
): ReachNotes | undefined {
  return (
    authority &&
    new ReachNotes(ledger, sealing, {
      reached: () => delivery.taken.reached(),
      note: (source, sequence) => delivery.noteReached(source, sequence),
    })
  );
}
