import type { AuditLogEvent } from '../event/audit-log-event.js';
import type { AuditEventRepository } from '../store/audit-event.repository.js';
import type { DeadLetterRepository } from '../store/dead-letter.repository.js';

/** What delivery uses of a {@link RepositorySink}. */
export type EventSink = Pick<RepositorySink, 'whyNotReady' | 'store' | 'keep' | 'ping'>;

/** Where delivery stores events: the repositories of this thread. */
export class RepositorySink {
  /**
   * @param beforeStore the events as the database may have them
   * @param connect awaited before each statement
   */
  constructor(
    private readonly events: AuditEventRepository,
    private readonly letters: Pick<DeadLetterRepository, 'keep'>,
    private readonly beforeStore?: (
      events: readonly AuditLogEvent[],
      signal: AbortSignal,
    ) => Promise<readonly AuditLogEvent[]>,
    private readonly connect?: () => Promise<void>,
  ) {}

  /** Why the database can't be used at all, before any statement is tried; `undefined` where it can. */
  get whyNotReady(): string | undefined {
    return this.events.whyNotReady;
  }

  /**
   * Stores the events; those whose id is stored already are passed over. When it returns, all are committed.
   *
   * @param signal ends it: the connection that does not answer is broken
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`, or the driver's error, see `classifyStoreError`; then none, or
   *   whole batches from the front, are stored
   */
  async store(events: readonly AuditLogEvent[], signal: AbortSignal): Promise<void> {
    await this.connect?.();
    // Without a database this throws at once: it is not worth asking anybody for keys, who may not be ready either.
    const isReady = this.whyNotReady === undefined;
    const stored = isReady && this.beforeStore ? await this.beforeStore(events, signal) : events;
    await this.events.append(stored, undefined, signal);
  }

  /** Keeps an event that the database refuses as a dead letter. @throws as {@link store} */
  async keep(event: AuditLogEvent, reason: string, signal: AbortSignal): Promise<void> {
    // Always: the letter is signed first, and by then there may be a database again.
    const [stored] = this.beforeStore ? await this.beforeStore([event], signal) : [event];
    await this.letters.keep(stored!, reason, signal);
  }

  /** Asks the database for nothing, to know whether it answers. @throws AuditError `AUDIT_STORE_UNAVAILABLE` */
  async ping(signal: AbortSignal): Promise<void> {
    await this.connect?.();
    await this.events.ping(signal);
  }
}
