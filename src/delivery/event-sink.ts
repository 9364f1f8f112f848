import type { AuditLogEvent } from '../event/audit-log-event.js';
import type { AuditEventRepository } from '../store/audit-event.repository.js';

/** Where delivery stores events. */
export abstract class EventSink {
  /** Why the database can't be used at all, before any statement is tried; `undefined` where it can. */
  abstract readonly whyNotReady: string | undefined;

  /**
   * Stores the events; those whose id is stored already are passed over. When it returns, all are committed.
   *
   * @param signal ends it: the connection that does not answer is broken
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`, or the driver's error, see `classifyStoreError`; then none, or
   *   whole batches from the front, are stored
   */
  abstract store(events: readonly AuditLogEvent[], signal: AbortSignal): Promise<void>;

  /** Asks the database for nothing, to know whether it answers. @throws AuditError `AUDIT_STORE_UNAVAILABLE` */
  abstract ping(signal: AbortSignal): Promise<void>;
}

/** The repository of this thread. */
export class RepositorySink extends EventSink {
  /** @param beforeStore the events as the database may have them */
  constructor(
    private readonly repository: AuditEventRepository,
    private readonly beforeStore?: (
      events: readonly AuditLogEvent[],
      signal: AbortSignal,
    ) => Promise<readonly AuditLogEvent[]>,
  ) {
    super();
  }

  get whyNotReady(): string | undefined {
    return this.repository.whyNotReady;
  }

  async store(events: readonly AuditLogEvent[], signal: AbortSignal): Promise<void> {
    // Without a database this throws at once: it is not worth asking anybody for keys, who may not be ready either.
    const isReady = this.whyNotReady === undefined;
    const stored = isReady && this.beforeStore ? await this.beforeStore(events, signal) : events;
    await this.repository.append(stored, undefined, signal);
  }

  ping(signal: AbortSignal): Promise<void> {
    return this.repository.ping(signal);
  }
}
