import type { AuditLogEvent } from '../event/audit-log-event.js';
import type { AuditEventRepository } from '../store/audit-event.repository.js';
import { leafHashOfValues } from '../store/event-leaf.js';
import type { DeadLetterRepository } from '../store/dead-letter.repository.js';

/** The hashes of leaves as they were sent to the database, in base64, by the ids of their events. */
export type SentLeaves = ReadonlyMap<string, string>;

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
   * @returns the leaves of those that were not stored already, by id
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`, or the driver's error, see `classifyStoreError`; then none, or
   *   whole batches from the front, are stored
   */
  async store(events: readonly AuditLogEvent[], signal: AbortSignal): Promise<SentLeaves> {
    await this.connect?.();
    // Without a database this throws at once: it is not worth asking anybody for keys, who may not be ready either.
    const isReady = this.whyNotReady === undefined;
    const stored = isReady && this.beforeStore ? await this.beforeStore(events, signal) : events;
    const rows = await this.events.append(stored, undefined, signal);
    return new Map(rows.map((values) => [String(values[0]), leafHashOfValues(values).toString('base64')]));
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
