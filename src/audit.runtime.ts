import type { DataSource } from 'typeorm';
import type { AuditModuleOptions } from './audit.options.js';
import type { AuditLogger } from './event/audit-logger.js';
import { RequestAudit } from './capture/request-audit.js';
import { DELIVERY_DEFAULTS } from './journal/event-buffer.js';
import { drainOnSignals } from './journal/drain-on-signals.js';
import { AuditRecorder } from './pipeline/audit-recorder.js';
import { createSecretKeyTest } from './pipeline/secret-key.js';
import { AuditDatabase } from './store/audit-database.js';
import { AuditEventRepository } from './store/audit-event.repository.js';
import { AuditService } from './trail/audit.service.js';

/** How long an application's start waits for its audit database, before it goes on without. */
const START_PATIENCE_MS = 2_000;

/** The rooms, wired together: what a door (Nest, Express, the command line) starts and closes. Needs no framework. */
export class AuditRuntime {
  readonly repository: AuditEventRepository;
  readonly recorder: AuditRecorder;
  readonly requests: RequestAudit;
  readonly service: AuditService;
  private readonly database: AuditDatabase;
  private stopListening: () => void = () => undefined;
  private closing: Promise<void> | undefined;

  /** @param options checked by `checkOptions` */
  constructor(
    readonly options: AuditModuleOptions,
    logger: AuditLogger,
  ) {
    const isSecretKey = createSecretKeyTest(options.redaction);
    this.database = new AuditDatabase(
      options,
      logger,
      () => {
        // What waited for the database need not wait for its next turn; a failure is told by the delivery itself.
        this.recorder.flush().catch(() => undefined);
      },
      () => this.recorder.drain(),
    );
    this.repository = new AuditEventRepository(this.database);
    this.recorder = new AuditRecorder(
      this.repository,
      isSecretKey,
      logger,
      options.delivery,
      options.service,
    );
    this.requests = new RequestAudit(this.recorder, options.capture ?? {}, isSecretKey, logger);
    this.service = new AuditService(this.recorder, this.repository, this.requests, logger);
  }

  /**
   * Connects and migrates. Returns when the database is ready, or after two seconds without it: the attempts then go
   * on in the background.
   *
   * @param shared the application's data source, where `options.dataSource` asks for one
   * @throws AuditError `AUDIT_INVALID_OPTIONS`
   */
  async start(shared?: DataSource): Promise<void> {
    await this.database.connect(START_PATIENCE_MS, shared);
    if (this.options.delivery?.drainOnSignals ?? DELIVERY_DEFAULTS.drainOnSignals) {
      this.stopListening = drainOnSignals({
        flush: () => this.recorder.flush(),
        close: () => this.close(),
      });
    }
  }

  /** Records what is still open as interrupted, stores what is left within the time set, and disconnects. Idempotent. */
  close(): Promise<void> {
    this.closing ??= (async () => {
      this.stopListening();
      this.requests.interruptOpen();
      await this.recorder.close(this.database.isGone ? 0 : undefined);
      await this.database.close();
    })();
    return this.closing;
  }
}
