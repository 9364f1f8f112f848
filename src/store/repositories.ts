import type { AuditDatabase } from './audit-database.js';
import { AuditEventRepository } from './audit-event.repository.js';
import { DeadLetterRepository } from './dead-letter.repository.js';
import { LedgerRepository } from './ledger.repository.js';
import { SealingRepository } from './sealing.repository.js';
import { SourceRepository } from './source.repository.js';
import type { StatementSigner, StatementTrust } from './statement-signer.js';

/** The tables of the audit, each by its repository. */
export interface Repositories {
  readonly events: AuditEventRepository;
  readonly letters: DeadLetterRepository;
  readonly sources: SourceRepository;
  readonly ledger: LedgerRepository;
  readonly sealing: SealingRepository;
}

/**
 * @param trust whose dead letters are believed
 * @param signer signs those of this process
 */
export function repositoriesOf(
  database: AuditDatabase,
  trust?: StatementTrust,
  signer?: StatementSigner,
): Repositories {
  const events = new AuditEventRepository(database);
  return {
    events,
    letters: new DeadLetterRepository(database, events, trust, signer),
    sources: new SourceRepository(database),
    ledger: new LedgerRepository(database),
    sealing: new SealingRepository(database),
  };
}
