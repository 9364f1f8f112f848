import type { DataSource } from 'typeorm';
import type { DeliveryMode } from '../delivery/delivery-options.js';
import { AuditError } from '../event/audit-error.js';
import type { AuditLogger } from '../event/audit-logger.js';
import { hasProtectedData } from '../store/protected-data.js';
import { classifyStoreError } from '../store/store-error.js';
import { within } from '../store/within.js';
import type { ServiceClass } from './audit-feature.js';
import type { AuditModuleOptions } from './audit.options.js';
import { drainOnSignals } from './drain-on-signals.js';
import { makeRooms } from './rooms.js';
import type { Rooms } from './rooms.js';
import type { StandIn } from './stand-in.js';
import { warnOfTables } from './tables.js';

/** How long an application's start waits for its audit database, before it goes on without. */
const START_PATIENCE_MS = 2_000;

/** How long closing waits for what features still find. */
const LAST_LOOK_MS = 1_000;

/** How long closing waits for what features do about the last events. */
const LAST_ACTIONS_MS = 2_000;

/** How long an application that closes the data source it shares waits for the last events to be sealed. */
const LAST_SEAL_MS = 2_000;

/** The life of the rooms: what a door (Nest, Express, the command line) starts and closes. Needs no framework. */
export class AuditRuntime {
  readonly rooms: Rooms;
  private starting: Promise<void> | undefined;
  private closing: Promise<void> | undefined;
  private stopListening: () => void = () => undefined;

  /**
   * @param options checked by `checkOptions`
   * @param standIn in place of a database, in a test
   * @throws AuditError `AUDIT_INVALID_OPTIONS` naming the option of a feature
   */
  constructor(
    readonly options: AuditModuleOptions,
    private readonly logger: AuditLogger,
    private readonly standIn?: StandIn,
  ) {
    this.rooms = makeRooms(options, logger, standIn);
    const { database } = this.rooms;
    database.connected = () => this.noteDatabase();
    database.leaving = () => this.storeLast();
  }

  /** What a route may promise: a stand-in accepts each promise, and keeps none. */
  get promised(): DeliveryMode {
    return this.standIn ? 'strict' : this.rooms.delivery.mode;
  }

  /** The service of a feature. @throws Error where none of its features has it */
  serviceOf(service: ServiceClass): object {
    const index = (this.options.features ?? []).findIndex((feature) => feature.service === service);
    const found = this.rooms.features[index]?.service;
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
    const { delivery, features, database, sealingDatabase, thread, sealer, reachNotes } = this.rooms;
    try {
      await delivery.open();
      for (const feature of features) await feature.prepare?.();
      await database.connect(START_PATIENCE_MS, shared);
      // Its first answers would wait for the thread, and perhaps too long.
      if (delivery.mode === 'strict') await thread?.ready(START_PATIENCE_MS);
      if (!thread?.seals) await sealingDatabase?.connect(START_PATIENCE_MS);
      sealer.start();
      reachNotes?.start();
      for (const feature of features) feature.start?.();
    } catch (error) {
      reachNotes?.close();
      await Promise.all(features.map((feature) => feature.close?.(0)));
      delivery.abandon();
      await this.end(0);
      throw error;
    }
    // There is nothing that it would have to fit.
    if (this.standIn) delivery.resume();
    if (!this.rooms.authority && !this.standIn) {
      this.logger.log(
        'No signing key is set, so whoever can change the database can change events unseen. Make one by npx nest-audit keygen, and write ledger: { signingKey } or set AUDIT_SIGNING_KEY.',
      );
    }
    if (this.rooms.deliveryOptions.drainOnSignals) {
      this.stopListening = drainOnSignals({
        flush: () => delivery.flush(),
        close: () => this.closeUnderLoad(),
      });
    }
  }

  /** The database is there, at the start or again. Nothing is stored before it was checked. @throws see {@link checkStored} */
  private async noteDatabase(): Promise<void> {
    const { thread, database, delivery, logWatch } = this.rooms;
    await this.checkStored();
    const isAgain = thread?.start() === false;
    // One after the other: each at a time would take a connection.
    void logWatch
      .look(isAgain)
      .catch(() => undefined)
      .then(() => warnOfTables(database, this.logger));
    delivery.resume();
  }

  /** The application closes the data source that it shares. */
  private async storeLast(): Promise<void> {
    const { delivery, sealer } = this.rooms;
    await delivery.drain();
    // It may open it again. What is left is sealed by whoever takes the next turn.
    await within(LAST_SEAL_MS, sealer.checkpoint()).catch(() => false);
  }

  /**
   * Whether what is stored and this process fit together.
   *
   * @throws AuditError `AUDIT_INVALID_OPTIONS` where they don't; the driver's error where the database is gone again
   */
  private async checkStored(): Promise<void> {
    const { features, atRest, database } = this.rooms;
    try {
      for (const feature of features) await feature.connected?.();
      if (atRest.feature || !(await hasProtectedData(database))) return;
    } catch (error) {
      const { code, cause } = error as AuditError;
      if (code === 'AUDIT_INVALID_OPTIONS') throw error;
      if (cause && classifyStoreError(cause) === 'away') throw cause;
      // What else is wrong, delivery says; and of a table that this user may not read nothing is known.
      return;
    }
    throw new AuditError(
      'AUDIT_INVALID_OPTIONS',
      "The database has protected data, and the audit option features has not protection(): write features: [protection({ … })], with import { protection } from 'nest-audit-trail/protection' and the options that they were protected with, so that none are stored in clear from now on; or protection({ fields: [] }), if that is meant.",
      { field: 'features' },
    );
  }

  /** Nothing more is recorded. @param sealMs how long the last events may take to be sealed */
  private async end(sealMs: number): Promise<void> {
    const { features, database, sealingDatabase, thread, sealer } = this.rooms;
    for (const feature of features) await feature.end?.();
    await sealer.close(sealMs);
    await thread?.close();
    await sealingDatabase?.close();
    await database.close();
  }

  /** Closes while the server still takes requests: whoever ends the process has not closed it. */
  private async closeUnderLoad(): Promise<void> {
    this.stopListening();
    const begun = performance.now();
    const { delivery, deliveryOptions, requests } = this.rooms;
    const patienceMs = deliveryOptions.shutdownTimeoutMs;
    // Most of the time for what is there; the rest for what is still open then.
    await delivery.drain(patienceMs * 0.7);
    requests.isFrozen = true;
    await this.close(Math.max(0, patienceMs - (performance.now() - begun)));
  }

  /** Records what is still open as interrupted, stores what is left within the time set, and disconnects. Idempotent. */
  close(patience = this.rooms.deliveryOptions.shutdownTimeoutMs): Promise<void> {
    this.stopListening();
    return (this.closing ??= this.closeOnce(patience));
  }

  private async closeOnce(patience: number): Promise<void> {
    // What begins meanwhile would not be ended.
    await this.starting?.catch(() => undefined);
    this.stopListening();
    const { delivery, features, database, reachNotes, requests } = this.rooms;
    reachNotes?.close();
    requests.interruptOpen();
    const begun = performance.now();
    const left = () => Math.max(0, Math.round(patience - (performance.now() - begun)));
    const isAway = database.isGone || database.whyNotReady !== undefined;
    // What they find is recorded too, so they end before the recorder.
    const lastMs = isAway ? 0 : Math.min(LAST_LOOK_MS, patience / 4);
    await Promise.all(features.map((feature) => feature.close?.(lastMs)));
    const settleMs = Math.min(LAST_ACTIONS_MS, patience / 4);
    await Promise.all(features.map((feature) => feature.settle?.(settleMs)));
    await delivery.close(database.isGone ? 0 : left());
    // The database is there: what is sealed now need not wait for the next start.
    await this.end(database.whyNotReady === undefined ? left() : 0);
  }
}
