import type { RequestAudit } from '../capture/request-audit.js';
import type { AuditLogger } from '../event/audit-logger.js';
import { present } from '../event/present.js';
import type { AtRest } from '../recorder/at-rest.js';
import type { AuditRecorder } from '../recorder/audit-recorder.js';
import type { Listeners } from '../recorder/listeners.js';
import type { Redactor } from '../recorder/redaction/redactor.js';
import { LEDGER_DEFAULTS } from '../sealer/ledger-options.js';
import type { LedgerOptions } from '../sealer/ledger-options.js';
import type { LogSealer } from '../sealer/log-sealer.js';
import { AuditService } from '../trail/audit.service.js';
import type { TrustedLog } from '../trail/believed-checkpoints.js';
import { DeadLetters } from '../trail/dead-letters.js';
import { EventProver } from '../trail/event-prover.js';
import { EventQueries } from '../trail/event-queries.js';
import type { Reads } from '../trail/reads.js';
import { LogVerifier } from '../trail/verification/log-verifier.js';
import type { ExplainsMissing } from '../trail/verification/missing-events.js';
import type { AuditModuleOptions } from './audit.options.js';
import type { Tables } from './tables.js';

/** What the service is made of. */
export interface ServiceParts {
  readonly options: AuditModuleOptions;
  readonly tables: Tables;
  readonly recorder: AuditRecorder;
  readonly listeners: Listeners;
  readonly requests: RequestAudit;
  readonly atRest: AtRest;
  readonly redactor: Redactor;
  readonly reads: Reads;
  readonly sealer: LogSealer;
  readonly explanations: () => readonly ExplainsMissing[];
  readonly logger: AuditLogger;
}

export function serviceOf(parts: ServiceParts): AuditService {
  const { options, tables, recorder, listeners, atRest, redactor, sealer, logger } = parts;
  const { delivery } = recorder;
  const { ledger, sealing, sources, letters, trust, keys } = tables;
  const ownSources = () => delivery.ownSources;
  const { unsignedUntil = LEDGER_DEFAULTS.unsignedUntil, gapTimeoutMs = LEDGER_DEFAULTS.gapTimeoutMs } =
    options.ledger ?? {};
  const verifier = new LogVerifier(
    { ledger, sealing, sources, letters },
    {
      verifiers: keys.verifiers,
      unsignedUntil,
      ...present('origin', trust.origin),
      explanations: parts.explanations,
      gapTimeoutMs,
      ownNumbers: ownSources,
      takenNumbers: () => delivery.taken.takenNumbers(),
      lastSeen: () => sealer.lastSeen,
    },
  );
  const queries = new EventQueries(tables.events, listeners, atRest, redactor, parts.reads);
  return new AuditService(
    recorder,
    parts.requests,
    queries,
    () => sources.summaries({ ...trust, own: new Set(ownSources().map(({ source }) => source)) }),
    new DeadLetters(letters, atRest, parts.reads, logger),
    { prover: new EventProver(ledger, sealer, queries, parts.reads), verifier, sealer },
    atRest,
    logger,
  );
}

/** The log, as this process believes it and signs in it. */
export function trustedLogOf({ ledger, trust, keys }: Tables, options: LedgerOptions = {}): TrustedLog {
  const { unsignedUntil = LEDGER_DEFAULTS.unsignedUntil } = options;
  return { ledger, trust: { ...trust, unsignedUntil }, ...present('signer', keys.signer) };
}
