import type { AuditLogger } from '../event/audit-logger.js';
import { ledgerKeys } from '../sealer/ledger-keys.js';
import type { LedgerKeys } from '../sealer/ledger-keys.js';
import type { LedgerSettings } from '../sealer/ledger-options.js';
import type { AuditDatabase } from '../store/audit-database.js';
import { repositoriesOf } from '../store/repositories.js';
import type { Repositories } from '../store/repositories.js';
import { StatementSigner } from '../store/statement-signer.js';
import type { StatementAuthority } from '../store/statement-signer.js';
import { strangeTables } from '../store/strange-tables.js';
import type { Trust } from '../trail/believed-checkpoints.js';

/** The tables of the audit, each by its repository, and the keys by which what is in them is signed and believed. */
export interface Tables extends Repositories {
  readonly keys: LedgerKeys;
  readonly trust: Trust;
  /** Who signs in the name of this installation; `undefined` where it has no key. */
  readonly authority: StatementAuthority | undefined;
}

export function tablesOf(database: AuditDatabase, options: LedgerSettings, logger: AuditLogger): Tables {
  const keys = ledgerKeys(options);
  const origin = options.origin ?? keys.signer?.name;
  const trust = { verifiers: keys.verifiers, origin, unsignedUntil: options.unsignedUntil };
  const authority = keys.signer && { signer: keys.signer, origin: origin! };
  const signer = authority && new StatementSigner(authority, logger);
  return {
    keys,
    trust,
    authority,
    ...repositoriesOf(database, trust, signer),
  };
}

/** Once at start; `verify()` looks again. */
export async function warnOfTables(database: AuditDatabase, logger: AuditLogger): Promise<void> {
  try {
    for (const sentence of await strangeTables(database)) {
      logger.warn(`${sentence} docs/reference/threat-model.md of nest-audit-trail says why that matters.`);
    }
  } catch (error) {
    logger.warn(
      `The audit could not check whether somebody has replaced its tables by views: ${String(error)}. Events are recorded; nest-audit verify checks it again.`,
    );
  }
}
