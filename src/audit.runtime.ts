import type { DataSource } from 'typeorm';
import type { AuditModuleOptions } from './audit.options.js';
import { AuditError } from './event/audit-error.js';
import type { AuditLogEvent } from './event/audit-log-event.js';
import type { AuditLogger } from './event/audit-logger.js';
import { present } from './event/present.js';
import { RequestAudit } from './capture/request-audit.js';
import { Delivery } from './delivery/delivery.js';
import { DELIVERY_DEFAULTS } from './delivery/delivery-options.js';
import type { DeliveryOptions } from './delivery/delivery-options.js';
import { DeliveryLoop } from './delivery/delivery-loop.js';
import type { LoopHost, LoopOptions } from './delivery/delivery-loop.js';
import { RepositorySink } from './delivery/event-sink.js';
import { AuditRecorder } from './recorder/audit-recorder.js';
import { EventCompleter } from './recorder/event-completer.js';
import { Listeners } from './recorder/listeners.js';
import { Reports } from './recorder/reports.js';
import { AuditPolicy } from './features/policy/audit-policy.js';
import { Detector } from './features/detection/detector.js';
import { findingDraft } from './features/detection/finding.js';
import { RiskMemory } from './features/risk/risk-memory.js';
import { RiskModel } from './recorder/risk/risk-model.js';
import { RiskStage } from './recorder/risk/risk-stage.js';
import { failureDraft, RuleActions } from './features/rules/rule-actions.js';
import { RuleBook } from './features/rules/rule-book.js';
import { RuleStage } from './features/rules/rule-stage.js';
import { MasterKeys } from './features/protection/master-keys.js';
import { ProtectedReader } from './features/protection/protected-reader.js';
import { ProtectingDeadLetters, ProtectingSink } from './features/protection/protecting-sink.js';
import { checkProtection } from './features/protection/protection-options.js';
import type { Protection } from './features/protection/protection-options.js';
import { Protector } from './features/protection/protector.js';
import { SubjectKeys } from './features/protection/subject-keys.js';
import { TransitKeys } from './features/protection/transit-keys.js';
import { Redactor } from './recorder/redaction/redactor.js';
import { AuditDatabase } from './store/audit-database.js';
import { AuditEventRepository } from './store/audit-event.repository.js';
import { ledgerKeys } from './sealer/ledger-keys.js';
import { LEDGER_DEFAULTS } from './sealer/ledger-options.js';
import type { LogSealer } from './sealer/log-sealer.js';
import { ReachNotes } from './sealer/reach-notes.js';
import { Sealer } from './sealer/sealer.js';
import { DeadLetterRepository } from './store/dead-letter.repository.js';
import { DetectionRepository } from './store/detection.repository.js';
import { LedgerRepository } from './store/ledger.repository.js';
import { RetentionRepository } from './store/retention.repository.js';
import { SealingRepository } from './store/sealing.repository.js';
import { SourceRepository } from './store/source.repository.js';
import { StatementSigner } from './store/statement-signer.js';
import { StorageRepository } from './store/storage.repository.js';
import { strangeTables } from './store/strange-tables.js';
import { SubjectKeyRepository } from './store/subject-key.repository.js';
import { within } from './store/within.js';
import type { ThreadHost } from './delivery/thread/database-thread.js';
import { DatabaseThread } from './delivery/thread/database-thread.js';
import { ThreadedLoop } from './delivery/thread/threaded-loop.js';
import { ThreadedSealer } from './delivery/thread/threaded-sealer.js';
import { AskedFor } from './trail/asked-for.js';
import { loadMetrics } from './trail/audit-metrics.js';
import { AuditService } from './trail/audit.service.js';
import { DataSubjects } from './trail/data-subjects.js';
import { LegalHolds } from './trail/retention/legal-holds.js';
import { Retention } from './trail/retention/retention.js';
import { checkRetention } from './trail/retention/retention-options.js';
import { StorageReport } from './trail/storage-report.js';
import { LogVerifier } from './trail/verification/log-verifier.js';

/** How long an application's start waits for its audit database, before it goes on without. */
const START_PATIENCE_MS = 2_000;

/** How long closing waits for a last look at what the database holds. */
const LAST_SWEEP_MS = 1_000;

/** How long closing waits for the handlers of compliance rules. */
const LAST_ACTIONS_MS = 2_000;

/** How long an application that closes the data source it shares waits for the last events to be sealed. */
const LAST_SEAL_MS = 2_000;

/** The rooms, wired together: what a door (Nest, Express, the command line) starts and closes. Needs no framework. */
export class AuditRuntime {
  readonly repository: AuditEventRepository;
  readonly delivery: Delivery;
  readonly recorder: AuditRecorder;
  /** Who hears of each event as it is recorded. */
  readonly listeners: Listeners;
  /** Which requests are recorded and how much of each. */
  readonly policy: AuditPolicy;
  readonly requests: RequestAudit;
  readonly service: AuditService;
  readonly sealer: LogSealer;
  private readonly thread: DatabaseThread | undefined;
  private readonly keyRepository: SubjectKeyRepository;
  private readonly keys: SubjectKeys | undefined;
  private readonly transit: TransitKeys | undefined;
  private readonly detector: Detector;
  private readonly actions: RuleActions;
  private readonly database: AuditDatabase;
  /** The sealer's own connection, where it has one and works in this thread. */
  private readonly sealingDatabase: AuditDatabase | undefined;
  private readonly reachNotes: ReachNotes | undefined;
  private stopMetrics: () => void = () => undefined;
  private isStarted = false;
  private closing: Promise<void> | undefined;

  /** @param options checked by `checkOptions` */
  constructor(
    readonly options: AuditModuleOptions,
    logger: AuditLogger,
  ) {
    const redactor = new Redactor(options.redaction);
    if (options.retention) checkRetention(options.retention);
    const protection = checkProtection(options.protect, options.redaction);
    const unseen = protection && (options.detection?.enabled ?? true) ? keysOf(protection) : [];
    if (unseen.length > 0) {
      logger.warn(
        `protect.fields has ${unseen.join(', ')}: what is found by these across processes, the audit's detection does not find any more (docs/encryption.md of nest-audit-trail).`,
      );
    }
    this.policy = new AuditPolicy(options.policy);
    this.database = new AuditDatabase(
      options,
      logger,
      () => {
        this.thread?.start();
        void warnOfTables(this.database, logger);
        if (this.isStarted) void this.checkKeys().catch((error: Error) => logger.error(error.message));
        // What waited for the database need not wait for its next turn; a failure is told by the delivery itself.
        this.delivery.flush().catch(() => undefined);
      },
      async () => {
        await this.delivery.drain();
        await this.sealer.close(LAST_SEAL_MS);
      },
    );
    this.repository = new AuditEventRepository(this.database);
    const keys = ledgerKeys(options.ledger ?? {});
    const origin = options.ledger?.origin ?? keys.signer?.name;
    const deadLetters = new DeadLetterRepository(
      this.database,
      this.repository,
      { verifiers: keys.verifiers, origin },
      keys.signer && new StatementSigner(keys.signer, origin!, logger),
    );
    const sources = new SourceRepository(this.database);
    const detections = new DetectionRepository(this.database);
    const rules = new RuleBook(options.compliance);
    const ruleStage = new RuleStage(rules);
    const risk = options.risk ?? {};
    const memory = new RiskMemory(
      risk,
      (tenantId, userId, before) => detections.history(tenantId, userId, before),
      logger,
    );
    const ownSources = () => this.delivery.ownSources;
    const ownersOf = (source: string, sequences: readonly number[]) =>
      this.delivery.taken.ownersOf(source, sequences);
    this.keyRepository = new SubjectKeyRepository(this.database);
    const masters = protection && new MasterKeys(protection);
    this.keys = masters && new SubjectKeys(this.keyRepository, masters, protection, logger);
    const reader = new ProtectedReader(this.keyRepository, this.keys, logger);
    const completer = new EventCompleter(redactor, logger, options.service, [
      new RiskStage(new RiskModel(risk), memory),
      ruleStage,
    ]);
    this.listeners = new Listeners(logger, protection && ((event) => reader.shown(event)));
    const reports = new Reports(completer, this.listeners);
    const stored = (event: AuditLogEvent) => this.listeners.announce(event);
    this.thread = threadOf(options, logger, {
      describeGap: reports.gap,
      stored,
      keepLetter: ({ event, reason }) => deadLetters.keep(event, reason),
    });
    this.transit =
      masters &&
      new TransitKeys(
        masters,
        protection.cacheSeconds * 1_000,
        {
          directory: () => this.delivery.directory,
          mark: () => this.delivery.mark(),
          isSettledThrough: (mark) => this.delivery.isSettledThrough(mark),
        },
        logger,
      );
    const protector = protection && new Protector(protection, this.transit!, this.keys!, logger);
    const here = new RepositorySink(this.repository);
    const letters = protector ? new ProtectingDeadLetters(deadLetters, protector) : deadLetters;
    const sink = protector ? new ProtectingSink(here, protector) : here;
    const loop = (host: LoopHost, given: LoopOptions) => {
      const inThisThread = () => new DeliveryLoop(sink, letters, given, host);
      return this.thread
        ? new ThreadedLoop(this.thread, host, this.database, ownSources, inThisThread)
        : inThisThread();
    };
    const trust = { verifiers: keys.verifiers, origin };
    this.delivery = new Delivery(
      loop,
      sources,
      logger,
      deliveryOf(options),
      reports,
      keys.signer && { signer: keys.signer, origin: origin! },
    );
    this.recorder = new AuditRecorder(this.delivery, this.repository, completer, this.listeners, protector);
    this.actions = new RuleActions(
      options.compliance?.handlers ?? {},
      (failure) => void this.recorder.record(failureDraft(failure)),
      logger,
    );
    this.detector = new Detector(
      options.detection ?? {},
      detections,
      {
        report: (finding) => void this.recorder.record(findingDraft(finding)),
        store: (finding, id) => this.recorder.recordUnnumbered(findingDraft(finding, id)),
        flush: () => this.delivery.flush(),
      },
      logger,
      risk.volumeKeys,
    );
    this.listeners.watch((event, shown) => {
      memory.note(event);
      this.detector.observe(event);
      for (const rule of ruleStage.asking(event)) this.actions.dispatch(rule, shown);
    });
    this.requests = new RequestAudit(
      this.recorder,
      completer,
      options.capture ?? {},
      redactor.isSecretKey,
      logger,
      this.policy,
      rules,
    );
    const ledger = new LedgerRepository(this.database);
    const sealing = new SealingRepository(this.database);
    const sealingOptions = options.ledger?.database;
    this.sealingDatabase =
      sealingOptions && new AuditDatabase({ database: sealingOptions, migrate: false }, logger);
    const sealingTables = this.sealingDatabase ?? this.database;
    const sealerHere = () =>
      new Sealer(
        new LedgerRepository(sealingTables),
        new SealingRepository(sealingTables),
        new SourceRepository(sealingTables),
        keys,
        options.ledger ?? {},
        {
          ownSources,
          ownersOf,
          describeGap: reports.gap,
          stored,
          installation: async () => `nest-audit-trail/${await this.repository.setting('ledger_id')}`,
          statementTimeoutMs: statementTimeoutOf(options),
        },
        logger,
      );
    this.sealer = this.thread?.seals
      ? new ThreadedSealer(this.thread, ownSources, () => {
          void this.sealingDatabase?.connect(0);
          return sealerHere();
        })
      : sealerHere();
    this.reachNotes =
      keys.signer &&
      new ReachNotes(ledger, sealing, {
        reached: () => this.delivery.taken.reached(),
        note: (source, sequence) => this.delivery.noteReached(source, sequence),
      });
    const retention = new RetentionRepository(this.database);
    const unsignedUntil = options.ledger?.unsignedUntil ?? LEDGER_DEFAULTS.unsignedUntil;
    const log = {
      ledger,
      trust: { verifiers: keys.verifiers, unsignedUntil, origin },
      ...present('signer', keys.signer),
    };
    const holds = new LegalHolds(retention, log, logger);
    const verifier = new LogVerifier(
      { ledger, sealing, sources, retention, letters: deadLetters },
      {
        verifiers: keys.verifiers,
        unsignedUntil,
        ...(origin !== undefined && { origin }),
        gapTimeoutMs: options.ledger?.gapTimeoutMs ?? LEDGER_DEFAULTS.gapTimeoutMs,
        ownNumbers: ownSources,
        takenNumbers: () => this.delivery.taken.takenNumbers(),
        lastSeen: () => this.sealer.lastSeen,
      },
    );
    this.service = new AuditService(
      this.recorder,
      this.listeners,
      this.repository,
      this.requests,
      () => sources.summaries({ ...trust, own: new Set(ownSources().map(({ source }) => source)) }),
      deadLetters,
      { ledger, verifier, sealer: this.sealer },
      { policy: this.policy, rules },
      redactor,
      reader,
      new DataSubjects(
        this.keys && {
          keys: this.keys,
          transit: this.transit!,
          ...present('subjectField', protection!.subjectField),
        },
        this.repository,
        reader,
        holds,
        redactor,
      ),
      {
        holds,
        removal: new Retention(
          options.retention,
          retention,
          log,
          holds,
          { describe: (draft) => completer.completeOwn(draft), stored },
          logger,
        ),
        storage: new StorageReport(new StorageRepository(this.database)),
      },
      options.auditReads ?? false,
      new AskedFor(
        redactor,
        protection && {
          fields: protection.fields,
          isProtectedFact: protection.isProtectedFact,
          digest: (tenantId, value) => this.keys!.referenceOf(tenantId, value),
        },
      ),
      logger,
    );
  }

  /**
   * Opens the journal, connects and migrates. Returns when the database is ready, or after two seconds without it: the
   * attempts then go on in the background.
   *
   * @param shared the application's data source, where `options.dataSource` asks for one
   * @throws AuditError `AUDIT_INVALID_OPTIONS`
   */
  async start(shared?: DataSource): Promise<void> {
    const reportMetrics = this.options.metrics ? await loadMetrics() : undefined;
    await this.delivery.open();
    await this.transit?.open();
    try {
      await this.database.connect(START_PATIENCE_MS, shared);
      if (this.database.whyNotReady === undefined) await this.checkKeys();
    } catch (error) {
      this.delivery.abandon();
      await this.transit?.close();
      await this.thread?.close();
      await this.database.close();
      throw error;
    }
    this.isStarted = true;
    if (!this.thread?.seals) await this.sealingDatabase?.connect(START_PATIENCE_MS);
    this.sealer.start();
    this.reachNotes?.start(this.options.ledger?.gapTimeoutMs ?? LEDGER_DEFAULTS.gapTimeoutMs);
    this.detector.start();
    if (reportMetrics) {
      this.stopMetrics = reportMetrics(() => this.service.status(), this.options.service);
    }
  }

  /**
   * Whether the protected data that are there can be read by this process, and stay protected.
   *
   * @throws AuditError `AUDIT_INVALID_OPTIONS`
   */
  private async checkKeys(): Promise<void> {
    if (this.options.protect === false) return;
    try {
      if (this.keys) return await this.keys.check();
      if (!(await this.keyRepository.hasAny())) return;
    } catch (error) {
      if (error instanceof AuditError && error.code === 'AUDIT_INVALID_OPTIONS') throw error;
      // Without protection nothing is known of the table; with it, delivery says what is wrong.
      return;
    }
    throw new AuditError(
      'AUDIT_INVALID_OPTIONS',
      'The audit option protect is missing, and the database has protected data: write the options that they were protected with, so that none are stored in clear from now on; or protect: false, if that is meant.',
      { field: 'protect' },
    );
  }

  /** Closes while the server still takes requests: whoever ends the process has not closed it. */
  async closeUnderLoad(): Promise<void> {
    const begun = performance.now();
    const patienceMs = this.options.delivery?.shutdownTimeoutMs ?? DELIVERY_DEFAULTS.shutdownTimeoutMs;
    // Most of the time for what is there; the rest for what is still open then.
    await this.delivery.drain(patienceMs * 0.7);
    this.requests.isFrozen = true;
    await this.close(Math.max(0, patienceMs - (performance.now() - begun)));
  }

  /** Records what is still open as interrupted, stores what is left within the time set, and disconnects. Idempotent. */
  close(patienceMs?: number): Promise<void> {
    this.closing ??= (async () => {
      this.reachNotes?.close();
      this.requests.interruptOpen();
      const begun = performance.now();
      const patience =
        patienceMs ?? this.options.delivery?.shutdownTimeoutMs ?? DELIVERY_DEFAULTS.shutdownTimeoutMs;
      const left = () => Math.max(0, Math.round(patience - (performance.now() - begun)));
      const isAway = this.database.isGone || this.database.whyNotReady !== undefined;
      // What it finds is recorded too, so it comes before the recorder.
      await this.detector.close(isAway ? 0 : Math.min(LAST_SWEEP_MS, patience / 4));
      // So are their failures.
      await within(Math.min(LAST_ACTIONS_MS, patience / 4), this.actions.idle());
      this.actions.close();
      const { directory } = this.delivery;
      await this.delivery.close(this.database.isGone ? 0 : left());
      await this.transit?.close(directory);
      this.keys?.close();
      // The database is there: what is sealed now need not wait for the next start.
      const isThere = this.database.whyNotReady === undefined;
      await this.sealer.close(isThere ? left() : 0);
      this.stopMetrics();
      await this.thread?.close();
      await this.sealingDatabase?.close();
      await this.database.close();
    })();
    return this.closing;
  }
}

/** Once at start; `verify()` looks again. */
async function warnOfTables(database: AuditDatabase, logger: AuditLogger): Promise<void> {
  try {
    for (const sentence of await strangeTables(database)) {
      logger.warn(`${sentence} docs/threat-model.md of nest-audit-trail says why that matters.`);
    }
  } catch (error) {
    logger.warn(`Whether the audit's tables are tables can't be seen: ${String(error)}`);
  }
}

function statementTimeoutOf({ delivery }: AuditModuleOptions): number {
  return delivery?.statementTimeoutMs ?? DELIVERY_DEFAULTS.statementTimeoutMs;
}

/** The thread that stores and seals, where there can be one. */
function threadOf(
  options: AuditModuleOptions,
  logger: AuditLogger,
  host: ThreadHost,
): DatabaseThread | undefined {
  const { database, ledger = {}, delivery, protect } = options;
  // SQLite has one writer at a time, and is in this process anyway. Keys of persons are here alone.
  if (!database || database.type === 'better-sqlite3' || protect) return undefined;
  if (!(delivery?.thread ?? DELIVERY_DEFAULTS.thread) || !DatabaseThread.fits(database)) return undefined;
  if (!DatabaseThread.isInstalled) {
    logger.warn(
      'The thread that stores audit events can not be started, since its module is not beside the others, as in a bundle: the main thread does it. Leave nest-audit-trail out of the bundle (esbuild: --external:nest-audit-trail), or write delivery: { thread: false }.',
    );
    return undefined;
  }
  const loop = {
    batchSize: delivery?.batchSize ?? DELIVERY_DEFAULTS.batchSize,
    statementTimeoutMs: statementTimeoutOf(options),
  };
  const seals = DatabaseThread.fits(ledger);
  return new DatabaseThread({ database, loop, ...(seals && { ledger }) }, host, logger);
}

/** What detection looks for in the database, and does not see there. */
function keysOf({ fields, isProtectedFact }: Protection): string[] {
  return [
    ...fields.filter((field) => field === 'userId' || field === 'ipAddress'),
    ...['details.account'].filter(isProtectedFact),
  ];
}

/** A journal on disk is of no use to a database that is gone with the process. */
function deliveryOf({ delivery, database }: AuditModuleOptions): DeliveryOptions {
  const isInMemory = database?.type === 'better-sqlite3' && /^(file:)?:memory:/.test(database.database);
  return { ...delivery, ...(isInMemory && delivery?.mode === undefined && { mode: 'buffered' }) };
}
