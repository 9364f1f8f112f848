import { RequestAudit } from '../capture/request-audit.js';
import { Delivery } from '../delivery/delivery.js';
import type { DeliveryOptions } from '../delivery/delivery-options.js';
import type { DatabaseThread } from '../delivery/thread/database-thread.js';
import { revive } from '../delivery/thread/error-fields.js';
import { ThreadedSealer } from '../delivery/thread/threaded-sealer.js';
import type { AuditLogger } from '../event/audit-logger.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { withDefaults, wrongOption } from '../event/option-schema.js';
import { present } from '../event/present.js';
import { AtRest } from '../recorder/at-rest.js';
import { AuditRecorder } from '../recorder/audit-recorder.js';
import { EventCompleter } from '../recorder/event-completer.js';
import { Listeners } from '../recorder/listeners.js';
import { Redactor } from '../recorder/redaction/redactor.js';
import { SafePaths } from '../recorder/redaction/safe-paths.js';
import { Reports } from '../recorder/reports.js';
import { RiskStage } from '../recorder/risk/risk-stage.js';
import { LEDGER_DEFAULTS } from '../sealer/ledger-options.js';
import type { LedgerSettings } from '../sealer/ledger-options.js';
import type { LogSealer } from '../sealer/log-sealer.js';
import { ReachNotes } from '../sealer/reach-notes.js';
import { Sealer } from '../sealer/sealer.js';
import { AuditDatabase } from '../store/audit-database.js';
import type { AuditEventRepository } from '../store/audit-event.repository.js';
import type { StatementAuthority } from '../store/statement-signer.js';
import { WaitingStatements } from '../store/waiting-statements.js';
import { AskedFor } from '../trail/asked-for.js';
import { AuditService } from '../trail/audit.service.js';
import { DeadLetters } from '../trail/dead-letters.js';
import { EventProver } from '../trail/event-prover.js';
import { EventQueries } from '../trail/event-queries.js';
import { Reads } from '../trail/reads.js';
import { LogVerifier } from '../trail/verification/log-verifier.js';
import type { HeldPerson, RunningFeature } from './audit-feature.js';
import type { AuditModuleOptions } from './audit.options.js';
import { holdsOn } from './holds-on.js';
import { LogWatch } from './log-watch.js';
import type { StandIn } from './stand-in.js';
import { deliveryOf, loopOf, threadOf } from './storing.js';
import { tablesOf } from './tables.js';

/** The rooms, as far as the doors and their life need them. */
export interface Rooms {
  readonly database: AuditDatabase;
  /** The sealer's own connection, where it has one and works in this thread. */
  readonly sealingDatabase: AuditDatabase | undefined;
  readonly events: AuditEventRepository;
  /** Who signs in the name of this installation; `undefined` where it has no key. */
  readonly authority: StatementAuthority | undefined;
  readonly thread: DatabaseThread | undefined;
  readonly deliveryOptions: Required<DeliveryOptions>;
  readonly delivery: Delivery;
  readonly sealer: LogSealer;
  readonly reachNotes: ReachNotes | undefined;
  readonly recorder: AuditRecorder;
  /** Who hears of each event as it is recorded. */
  readonly listeners: Listeners;
  readonly atRest: AtRest;
  readonly paths: SafePaths;
  readonly requests: RequestAudit;
  readonly service: AuditService;
  readonly logWatch: LogWatch;
  readonly features: readonly RunningFeature[];
}

/**
 * Makes the rooms, floor first, each from those below it, and adds the features. Nothing is opened or asked yet.
 *
 * @param options checked by `checkOptions`
 * @param standIn in place of a database, in a test
 * @throws AuditError `AUDIT_INVALID_OPTIONS` naming the option of a feature
 */
export function makeRooms(options: AuditModuleOptions, logger: AuditLogger, standIn?: StandIn): Rooms {
  const deliveryOptions = deliveryOf(options);
  const ledgerOptions = withDefaults<LedgerSettings>(LEDGER_DEFAULTS, options.ledger);
  const { statementTimeoutMs } = deliveryOptions;
  const { gapTimeoutMs } = ledgerOptions;
  const listed = options.features ?? [];

  const ownTables = listed.flatMap(({ tables }) => tables ?? []);
  const database = standIn?.database ?? new AuditDatabase(options, logger, ownTables);
  // The sealer's own connection, where it has rights of its own.
  const sealingDatabase =
    ledgerOptions.database &&
    new AuditDatabase({ database: ledgerOptions.database, migrate: false }, logger, [], 'ledger.database');
  const tables = { ...tablesOf(database, ledgerOptions, logger), ...standIn?.tables };
  const { events, letters, sources, ledger, sealing, keys, trust, authority } = tables;

  const redactor = new Redactor(options.redaction);
  const risk = new RiskStage(options.risk);
  const completer = new EventCompleter(redactor, logger, options.service, [risk]);
  const atRest = new AtRest();
  const listeners = new Listeners(logger, atRest);
  const reports = new Reports(completer, listeners);

  const failed = (error: unknown) => logWatch.noteFailure(error);
  const told = {
    describeGap: reports.gap,
    stored: (event: AuditLogEvent) => listeners.announce(event),
  };
  const keeping = new WaitingStatements();
  const thread = threadOf(options, deliveryOptions, ledgerOptions, logger, {
    ...told,
    failed: (error) => failed(revive(error)),
    keepLetter: (event, reason) =>
      keeping.send(statementTimeoutMs, (signal) => letters.keep(event, reason, signal)),
  });
  const loop = loopOf(tables, database, thread, atRest, deliveryOptions, failed);
  const delivery = new Delivery(loop, sources, logger, deliveryOptions, reports, authority);
  const localSources = () => delivery.sources;
  const ownersOf = (source: string, sequences: readonly number[]) =>
    delivery.issued.ownersOf(source, sequences);
  const sealerHost = { ...told, failed, localSources, ownersOf, statementTimeoutMs };
  const sealer: LogSealer = thread?.seals
    ? new ThreadedSealer(thread)
    : new Sealer(sealingDatabase ?? database, ledgerOptions, keys, sealerHost, logger);
  // Only what is signed is believed of how far a source has come.
  const reachNotes =
    authority &&
    new ReachNotes(
      ledger,
      sealing,
      () => delivery.issued.reached(),
      (source, sequence) => delivery.noteReached(source, sequence),
      gapTimeoutMs,
    );

  const recorder = new AuditRecorder(delivery, events, completer, listeners, atRest);
  const logWatch = new LogWatch({ database, events, recorder, sealer, thread, authority }, logger);
  const paths = new SafePaths(redactor.isSecretKey);
  const requests = new RequestAudit(recorder, completer, options.capture ?? {}, paths, logger);

  const reads = new Reads();
  const queries = new EventQueries(events, listeners, atRest, redactor, reads);
  const verifier = new LogVerifier(tables, {
    ...trust,
    explanations: () => features.flatMap(({ explains }) => explains ?? []),
    gapTimeoutMs,
    localSources,
    storedNumbers: () => delivery.issued.storedNumbers(),
    lastSeen: () => sealer.lastSeen,
  });
  const service = new AuditService(
    recorder,
    requests,
    queries,
    () => sources.summaries({ ...trust, local: new Set(delivery.sources.map(({ source }) => source)) }),
    new DeadLetters(letters, atRest, reads, logger),
    { prover: new EventProver(ledger, sealer, queries, reads), verifier, sealer },
    atRest,
    logger,
  );

  const host = {
    program: options.service,
    database,
    events,
    recorder,
    audit: service,
    log: { ledger, trust, ...present('signer', keys.signer) },
    reads,
    asked: new AskedFor(redactor, atRest),
    redactor,
    logger,
    volumeKeys: options.risk?.volumeKeys,
    holdsOn: (person: HeldPerson) => holdsOn(features, events, person),
  };
  // Made last, of all that is here; nobody asks them before.
  const features: RunningFeature[] = listed.map((feature) => feature.run(host));
  for (const feature of features) {
    const { refuse, judge, observe } = feature;
    if (refuse) requests.judges.push(refuse);
    if (judge) completer.add(judge);
    if (observe) listeners.observe(observe);
    if (feature.risk) risk.add(feature.risk);
    if (feature.reads) reads.add(feature.reads);
  }
  requests.choice.policy = onlyOne(features, 'recording', 'decide which requests are recorded');
  atRest.feature = onlyOne(features, 'atRest', 'protect values');
  // A stand-in has no keys: nothing rests there.
  if (standIn) atRest.feature = undefined;

  return {
    database,
    sealingDatabase,
    events,
    authority,
    thread,
    deliveryOptions,
    delivery,
    sealer,
    reachNotes,
    recorder,
    listeners,
    atRest,
    paths,
    requests,
    service,
    logWatch,
    features,
  };
}

/** @throws AuditError `AUDIT_INVALID_OPTIONS` where several features do what one alone can do */
function onlyOne<Part extends 'recording' | 'atRest'>(
  features: readonly RunningFeature[],
  part: Part,
  does: string,
): RunningFeature[Part] {
  const [one, other] = features.filter((feature) => feature[part]);
  if (other) throw wrongOption('features', `has two features that ${does}: write one of them`);
  return one?.[part];
}
