import type { DataSource } from 'typeorm';
import { RequestAudit } from '../capture/request-audit.js';
import { Delivery } from '../delivery/delivery.js';
import type { DeliveryMode, DeliveryOptions } from '../delivery/delivery-options.js';
import type { DatabaseThread } from '../delivery/thread/database-thread.js';
import { revive } from '../delivery/thread/error-fields.js';
import { ThreadedSealer } from '../delivery/thread/threaded-sealer.js';
import { AuditError } from '../event/audit-error.js';
import type { AuditLogger } from '../event/audit-logger.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { withDefaults, wrongOption } from '../event/option-schema.js';
import { present } from '../event/present.js';
import { raise } from '../event/raised-event.js';
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
import type { SealerHost } from '../sealer/sealer.js';
import { AuditDatabase } from '../store/audit-database.js';
import type { AuditEventRepository } from '../store/audit-event.repository.js';
import { areTablesMissing } from '../store/store-error.js';
import { hasProtectedData } from '../store/protected-data.js';
import { AuditService } from '../trail/audit.service.js';
import { AskedFor } from '../trail/asked-for.js';
import { DeadLetters } from '../trail/dead-letters.js';
import { EventProver } from '../trail/event-prover.js';
import { EventQueries } from '../trail/event-queries.js';
import { Reads } from '../trail/reads.js';
import { LogVerifier } from '../trail/verification/log-verifier.js';
import { drainOnSignals } from './drain-on-signals.js';
import type { HeldPerson, RunningFeature, ServiceClass } from './audit-feature.js';
import type { AuditModuleOptions } from './audit.options.js';
import { holdsOn } from './holds-on.js';
import { LOG_REPLACED } from './raised-events.js';
import type { StandIn } from './stand-in.js';
import { deliveryOf, loopOf, threadOf } from './storing.js';
import { tablesOf, warnOfTables } from './tables.js';
import type { Tables } from './tables.js';

/** How long an application's start waits for its audit database, before it goes on without. */
const START_PATIENCE_MS = 2_000;

/** How long closing waits for what features still find. */
const LAST_LOOK_MS = 1_000;

/** How long closing waits for what features do about the last events. */
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
  readonly paths: SafePaths;
  readonly requests: RequestAudit;
  readonly service: AuditService;
  readonly sealer: LogSealer;
  private readonly deliveryOptions: Required<DeliveryOptions>;
  private readonly ledger: LedgerSettings;
  private readonly thread: DatabaseThread | undefined;
  private readonly atRest = new AtRest();
  private readonly features: readonly RunningFeature[];
  private readonly database: AuditDatabase;
  /** The sealer's own connection, where it has one and works in this thread. */
  private readonly sealingDatabase: AuditDatabase | undefined;
  private readonly reachNotes: ReachNotes | undefined;
  /** Who signs, and in the name of which log. */
  private readonly authority: Tables['authority'];
  /** Of the log in the database, as it was seen last. */
  private logId: string | undefined;
  private isStarted = false;
  private starting: Promise<void> | undefined;
  private closing: Promise<void> | undefined;
  private stopListening: () => void = () => undefined;

  /**
   * @param options checked by `checkOptions`
   * @param standIn in place of a database, in a test
   */
  constructor(
    readonly options: AuditModuleOptions,
    private readonly logger: AuditLogger,
    private readonly standIn?: StandIn,
  ) {
    this.deliveryOptions = deliveryOf(options);
    this.ledger = withDefaults<LedgerSettings>(LEDGER_DEFAULTS, options.ledger);
    const { ledger } = this;
    const redactor = new Redactor(options.redaction);
    this.paths = new SafePaths(redactor.isSecretKey);
    this.database =
      standIn?.database ??
      new AuditDatabase(
        options,
        logger,
        (options.features ?? []).flatMap(({ tables }) => tables ?? []),
        () => this.noteDatabase(),
        () => this.storeLast(),
      );
    const tables = { ...tablesOf(this.database, ledger, logger), ...standIn?.tables };
    this.repository = tables.events;
    this.authority = tables.authority;
    const riskStage = new RiskStage(options.risk);
    const completer = new EventCompleter(redactor, logger, options.service, [riskStage]);
    const { atRest } = this;
    this.listeners = new Listeners(logger, atRest);
    const reports = new Reports(completer, this.listeners);
    const failed = (error: unknown) => this.noteFailure(error);
    const told = {
      describeGap: reports.gap,
      stored: (event: AuditLogEvent) => this.listeners.announce(event),
    };
    this.thread = threadOf(options, this.deliveryOptions, ledger, logger, {
      ...told,
      failed: (error) => failed(revive(error)),
      keepLetter: (event, reason) => tables.letters.keep(event, reason),
    });
    this.delivery = new Delivery(
      loopOf(tables, this.database, this.thread, atRest, this.deliveryOptions, failed),
      tables.sources,
      logger,
      this.deliveryOptions,
      reports,
      tables.authority,
    );
    this.recorder = new AuditRecorder(this.delivery, tables.events, completer, this.listeners, atRest);
    this.requests = new RequestAudit(this.recorder, completer, options.capture ?? {}, this.paths, logger);
    const { database } = ledger;
    this.sealingDatabase = database && new AuditDatabase({ database, migrate: false }, logger);
    this.sealer = this.makeSealer(tables, { ...told, failed });
    // Only what is signed is believed of how far a source has come.
    this.reachNotes =
      tables.authority &&
      new ReachNotes(
        tables.ledger,
        tables.sealing,
        () => this.delivery.issued.reached(),
        (source, sequence) => this.delivery.noteReached(source, sequence),
        ledger.gapTimeoutMs,
      );
    const reads = new Reads();
    this.service = this.makeService(tables, redactor, reads);
    const { recorder, listeners, requests } = this;
    const host = {
      program: options.service,
      database: this.database,
      events: tables.events,
      recorder,
      audit: this.service,
      log: {
        ledger: tables.ledger,
        trust: { ...tables.trust, unsignedUntil: ledger.unsignedUntil },
        ...present('signer', tables.keys.signer),
      },
      reads,
      asked: new AskedFor(redactor, atRest),
      redactor,
      logger,
      volumeKeys: options.risk?.volumeKeys,
      // Features are made last; nobody asks them before.
      holdsOn: (person: HeldPerson) => holdsOn(this.features, tables.events, person),
    };
    this.features = (options.features ?? []).map((feature) => feature.run(host));
    for (const feature of this.features) {
      const { refuse, judge, observe, risk, reads: readObserver } = feature;
      if (refuse) requests.judges.push(refuse);
      if (judge) completer.add(judge);
      if (observe) listeners.observe((event, shown) => observe(event, shown));
      if (risk) riskStage.add(risk);
      if (readObserver) reads.add(readObserver);
    }
    requests.choice.policy = this.onlyOne('recording', 'decide which requests are recorded');
    // A stand-in has no keys: nothing rests there.
    if (!standIn) atRest.feature = this.onlyOne('atRest', 'protect values');
  }

  /** @throws AuditError `AUDIT_INVALID_OPTIONS` where several features do what one alone can do */
  private onlyOne<Part extends 'recording' | 'atRest'>(part: Part, does: string): RunningFeature[Part] {
    const [one, other] = this.features.filter((feature) => feature[part]);
    if (other) throw wrongOption('features', `has two features that ${does}: write one of them`);
    return one?.[part];
  }

  /** What seals: in the thread where there is one, else here. */
  private makeSealer({ keys }: Tables, told: Pick<SealerHost, 'describeGap' | 'stored' | 'failed'>) {
    const { thread, delivery } = this;
    if (thread?.seals) return new ThreadedSealer(thread);
    return new Sealer(
      this.sealingDatabase ?? this.database,
      this.ledger,
      keys,
      {
        ...told,
        localSources: () => delivery.sources,
        ownersOf: (source, sequences) => delivery.issued.ownersOf(source, sequences),
        statementTimeoutMs: this.deliveryOptions.statementTimeoutMs,
      },
      this.logger,
    );
  }

  private makeService(tables: Tables, redactor: Redactor, reads: Reads): AuditService {
    const { ledger, sources, letters, trust, events, keys } = tables;
    const { atRest, delivery, logger, sealer } = this;
    const { unsignedUntil, gapTimeoutMs } = this.ledger;
    const verifier = new LogVerifier(tables, {
      verifiers: keys.verifiers,
      unsignedUntil,
      ...present('origin', trust.origin),
      explanations: () => this.features.flatMap(({ explains }) => explains ?? []),
      gapTimeoutMs,
      localSources: () => delivery.sources,
      storedNumbers: () => delivery.issued.storedNumbers(),
      lastSeen: () => sealer.lastSeen,
    });
    const queries = new EventQueries(events, this.listeners, atRest, redactor, reads);
    return new AuditService(
      this.recorder,
      this.requests,
      queries,
      () => sources.summaries({ ...trust, local: new Set(delivery.sources.map(({ source }) => source)) }),
      new DeadLetters(letters, atRest, reads, logger),
      { prover: new EventProver(ledger, sealer, queries, reads), verifier, sealer },
      atRest,
      logger,
    );
  }

  /** What a route may promise: a stand-in accepts each promise, and keeps none. */
  get promised(): DeliveryMode {
    return this.standIn ? 'strict' : this.delivery.mode;
  }

  /** The service of a feature. @throws Error where none of its features has it */
  serviceOf(service: ServiceClass): object {
    const index = (this.options.features ?? []).findIndex((feature) => feature.service === service);
    const found = this.features[index]?.service;
    if (!found) throw new Error(`No feature of the audit has the service ${service.name}.`);
    return found;
  }

  /**
   * Opens the journal, connects and migrates. Returns when the database is ready, or after two seconds without it: the
   * attempts then go on in the background. In `strict` the thread that stores is ready as well.
   *
   * @param shared the application's data source, where `options.dataSource` asks for one
   * @throws AuditError `AUDIT_INVALID_OPTIONS`
   */
  start(shared?: DataSource): Promise<void> {
    return (this.starting ??= this.startOnce(shared));
  }

  private async startOnce(shared?: DataSource): Promise<void> {
    await this.delivery.open();
    try {
      for (const feature of this.features) await feature.prepare?.();
      await this.database.connect(START_PATIENCE_MS, shared);
      // Its first answers would wait for the thread, and perhaps too long.
      if (this.delivery.mode === 'strict') await this.thread?.ready(START_PATIENCE_MS);
      if (this.database.whyNotReady === undefined) await this.checkStored();
    } catch (error) {
      this.delivery.abandon();
      await this.endFeatures();
      await this.thread?.close();
      await this.database.close();
      throw error;
    }
    this.isStarted = true;
    if (!this.authority && !this.standIn) {
      this.logger.log(
        'No signing key is set, so whoever can change the database can change events unseen. Make one by npx nest-audit keygen, and write ledger: { signingKey } or set AUDIT_SIGNING_KEY.',
      );
    }
    if (!this.thread?.seals) await this.sealingDatabase?.connect(START_PATIENCE_MS);
    this.sealer.start();
    this.reachNotes?.start();
    for (const feature of this.features) feature.start?.();
    if (this.deliveryOptions.drainOnSignals) {
      this.stopListening = drainOnSignals({
        flush: () => this.delivery.flush(),
        close: () => this.closeUnderLoad(),
      });
    }
  }

  /** The database is there, at the start or again. */
  private noteDatabase(): void {
    const isFirst = this.thread?.start() ?? false;
    // One after the other: each at a time would take a connection.
    void this.noteLog(this.isStarted && !isFirst)
      .catch(() => undefined)
      .then(() => warnOfTables(this.database, this.logger));
    if (this.isStarted) void this.checkStored().catch((error: Error) => this.logger.error(error.message));
    this.delivery.resume();
  }

  /** Something could not be stored or sealed: perhaps since the log is not there any more. */
  private noteFailure(error: unknown): void {
    const isBroken = error instanceof AuditError && error.code === 'AUDIT_LEDGER_BROKEN';
    if (!isBroken && !areTablesMissing(error)) return;
    void this.database
      .renew()
      .then(() => this.noteLog())
      .catch(() => undefined);
  }

  /**
   * Looks which log is in the database. Where it is not the one before, an event says so, and sealing goes on in a log of another
   * origin: what is signed never contradicts what was signed.
   *
   * @param isAgain the database was connected again: connections of before may be of no use
   */
  private async noteLog(isAgain = false): Promise<void> {
    const before = this.logId;
    const id = (this.logId = await this.repository.setting('ledger_id'));
    const isOther = before !== undefined && before !== id;
    const origin = isOther && this.authority ? `${this.authority.origin}/${id}` : undefined;
    if (isOther) {
      const last = this.sealer.lastSeen;
      this.logger.error(
        `The audit log ${before} is gone from the database, and ${id} is there in its place: somebody may have removed the evidence. The event audit.log-replaced tells of it, with the last checkpoint that this process knows.`,
      );
      this.recorder.record(
        raise(LOG_REPLACED, {
          log: id,
          previousLog: before,
          ...(last && { previousSize: last.treeSize, previousRoot: last.rootHash.toString('base64') }),
        }),
      );
      this.sealer.beginAgain(origin);
    }
    if (isOther || isAgain) this.thread?.renew(origin);
  }

  /** The application closes the data source that it shares. */
  private async storeLast(): Promise<void> {
    await this.delivery.drain();
    await this.sealer.close(LAST_SEAL_MS);
  }

  /**
   * Whether what is stored and this process fit together.
   *
   * @throws AuditError `AUDIT_INVALID_OPTIONS` where they don't
   */
  private async checkStored(): Promise<void> {
    try {
      for (const feature of this.features) await feature.connected?.();
      if (this.atRest.feature || !(await hasProtectedData(this.database))) return;
    } catch (error) {
      if (error instanceof AuditError && error.code === 'AUDIT_INVALID_OPTIONS') throw error;
      // What else is wrong, delivery says; and of a table that this user may not read nothing is known.
      return;
    }
    throw new AuditError(
      'AUDIT_INVALID_OPTIONS',
      "The database has protected data, and the audit option features has not protection(): write features: [protection({ … })], with import { protection } from 'nest-audit-trail/protection' and the options that they were protected with, so that none are stored in clear from now on; or protection({ fields: [] }), if that is meant.",
      { field: 'features' },
    );
  }

  private async endFeatures(): Promise<void> {
    for (const feature of this.features) await feature.end?.();
  }

  /** Closes while the server still takes requests: whoever ends the process has not closed it. */
  private async closeUnderLoad(): Promise<void> {
    this.stopListening();
    const begun = performance.now();
    const patienceMs = this.deliveryOptions.shutdownTimeoutMs;
    // Most of the time for what is there; the rest for what is still open then.
    await this.delivery.drain(patienceMs * 0.7);
    this.requests.isFrozen = true;
    await this.close(Math.max(0, patienceMs - (performance.now() - begun)));
  }

  /** Records what is still open as interrupted, stores what is left within the time set, and disconnects. Idempotent. */
  close(patience = this.deliveryOptions.shutdownTimeoutMs): Promise<void> {
    this.stopListening();
    this.closing ??= (async () => {
      // What begins meanwhile would not be ended.
      await this.starting?.catch(() => undefined);
      this.stopListening();
      this.reachNotes?.close();
      this.requests.interruptOpen();
      const begun = performance.now();
      const left = () => Math.max(0, Math.round(patience - (performance.now() - begun)));
      const isAway = this.database.isGone || this.database.whyNotReady !== undefined;
      // What they find is recorded too, so they end before the recorder.
      const lastMs = isAway ? 0 : Math.min(LAST_LOOK_MS, patience / 4);
      await Promise.all(this.features.map((feature) => feature.close?.(lastMs)));
      const settleMs = Math.min(LAST_ACTIONS_MS, patience / 4);
      await Promise.all(this.features.map((feature) => feature.settle?.(settleMs)));
      await this.delivery.close(this.database.isGone ? 0 : left());
      await this.endFeatures();
      // The database is there: what is sealed now need not wait for the next start.
      const isThere = this.database.whyNotReady === undefined;
      await this.sealer.close(isThere ? left() : 0);
      await this.thread?.close();
      await this.sealingDatabase?.close();
      await this.database.close();
    })();
    return this.closing;
  }
}
