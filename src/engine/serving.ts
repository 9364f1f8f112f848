import type { RequestAudit } from '../capture/request-audit.js';
import type { AuditLogger } from '../event/audit-logger.js';
import { present } from '../event/present.js';
import type { AuditRecorder } from '../recorder/audit-recorder.js';
import type { EventCompleter } from '../recorder/event-completer.js';
import type { Listeners } from '../recorder/listeners.js';
import type { Redactor } from '../recorder/redaction/redactor.js';
import { LEDGER_DEFAULTS } from '../sealer/ledger-options.js';
import type { LogSealer } from '../sealer/log-sealer.js';
import type { AskedFor } from '../trail/asked-for.js';
import { AuditService } from '../trail/audit.service.js';
import { DataSubjects } from '../trail/data-subjects.js';
import { LegalHolds, mayHold } from '../trail/retention/legal-holds.js';
import type { Reads } from '../trail/reads.js';
import { Retention } from '../trail/retention/retention.js';
import { StorageReport } from '../trail/storage-report.js';
import { LogVerifier } from '../trail/verification/log-verifier.js';
import type { FeatureHost } from './audit-feature.js';
import type { AuditModuleOptions } from './audit.options.js';
import type { Protecting } from './protecting.js';
import type { Tables } from './tables.js';

/** What the service is made of. */
export interface ServiceParts {
  readonly options: AuditModuleOptions;
  readonly tables: Tables;
  readonly recorder: AuditRecorder;
  readonly listeners: Listeners;
  readonly requests: RequestAudit;
  readonly completer: EventCompleter;
  readonly protecting: Protecting;
  readonly redactor: Redactor;
  readonly reads: Reads;
  readonly asked: AskedFor;
  readonly sealer: LogSealer;
  readonly holdsOn: FeatureHost['holdsOn'];
  readonly logger: AuditLogger;
}

export function serviceOf(parts: ServiceParts): AuditService {
  const { options, tables, recorder, listeners, completer, protecting, redactor, sealer, logger } = parts;
  const { delivery } = recorder;
  const { ledger, sealing, sources, retention, letters, trust, keys } = tables;
  const { reader, on } = protecting;
  const ownSources = () => delivery.ownSources;
  const { unsignedUntil = LEDGER_DEFAULTS.unsignedUntil, gapTimeoutMs = LEDGER_DEFAULTS.gapTimeoutMs } =
    options.ledger ?? {};
  const log = { ledger, trust: { ...trust, unsignedUntil }, ...present('signer', keys.signer) };
  const holds = new LegalHolds(retention, log, logger);
  const holdsOn: FeatureHost['holdsOn'] = async (person) => {
    const { inForce } = await holds.on(person.tenantId);
    const hold = inForce.find((one) => mayHold(one, person.tenantId, person.userIds));
    return hold?.id ?? parts.holdsOn(person);
  };
  const verifier = new LogVerifier(
    { ledger, sealing, sources, retention, letters },
    {
      verifiers: keys.verifiers,
      unsignedUntil,
      ...present('origin', trust.origin),
      gapTimeoutMs,
      ownNumbers: ownSources,
      takenNumbers: () => delivery.taken.takenNumbers(),
      lastSeen: () => sealer.lastSeen,
    },
  );
  const removal = new Retention(
    options.retention,
    retention,
    log,
    holds,
    {
      describe: (draft) => completer.completeOwn(draft),
      stored: (event) => listeners.announce(event),
    },
    logger,
  );
  const erasure = on && {
    keys: on.keys,
    transit: on.transit,
    ...present('subjectField', on.protection.subjectField),
  };
  return new AuditService(
    recorder,
    listeners,
    tables.events,
    parts.requests,
    () => sources.summaries({ ...trust, own: new Set(ownSources().map(({ source }) => source)) }),
    letters,
    { ledger, verifier, sealer },
    redactor,
    reader,
    new DataSubjects(erasure, tables.events, reader, holdsOn, redactor),
    { holds, removal, storage: new StorageReport(tables.storage) },
    parts.reads,
    parts.asked,
    logger,
  );
}
