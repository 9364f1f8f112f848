import type { EntityManager } from 'typeorm';
import { invalidQuery } from '../event/audit-error.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { hidden, isProtected, placeholderOf } from './hidden-event.js';

/** Where the statement that stores events runs, if not in one of its own. */
export interface StoreAccess {
  /** The transaction of the caller. */
  readonly manager?: EntityManager | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Keeps some values of events so that only who has a key can read them. */
export interface ValueProtection {
  /** The event as the journal may have it, the same object where it has no such value. Never waits and never throws. */
  beforeJournal(event: AuditLogEvent): AuditLogEvent;
  /**
   * The events as the database may have them, dead letters too.
   *
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`, or the driver's error: try again later
   */
  beforeStore(events: readonly AuditLogEvent[], access: StoreAccess): Promise<readonly AuditLogEvent[]>;
  /** Whether values of this name are protected: `userId`, `details.email`. */
  protects(name: string): boolean;
  /** The keyed digest that names a person where their values may not stand. @throws where the key can't be had */
  digest(tenantId: string, value: string): Promise<string>;
}

/** How events rest, as a feature has it. */
export interface AtRestFeature {
  /** Absent where it only reads. */
  readonly protection?: ValueProtection;
  /**
   * Stored events in their order, as readers may see them.
   *
   * @param reveal with their protected values
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`
   */
  read(events: readonly AuditLogEvent[], reveal: boolean): Promise<AuditLogEvent[]>;
}

/** How events rest: as they are, unless a feature protects their values. Without it, the values that are protected stay hidden. */
export class AtRest {
  feature: AtRestFeature | undefined;

  /** What protects values; `undefined` where nothing does. */
  get protection(): ValueProtection | undefined {
    return this.feature?.protection;
  }

  beforeJournal(event: AuditLogEvent): AuditLogEvent {
    return this.protection ? this.protection.beforeJournal(event) : event;
  }

  async beforeStore(
    events: readonly AuditLogEvent[],
    access: StoreAccess = {},
  ): Promise<readonly AuditLogEvent[]> {
    return this.protection ? this.protection.beforeStore(events, access) : events;
  }

  /** An event that is not stored yet, as it is shown. */
  shown(event: AuditLogEvent): AuditLogEvent {
    return isProtected(event) ? hidden(event, placeholderOf(event)) : event;
  }

  /** @throws AuditError `AUDIT_INVALID_QUERY` where nothing can be revealed */
  assertReveals(): void {
    if (this.protection) return;
    throw invalidQuery('reveal', 'reveal has no meaning without the feature protection and its keys');
  }

  /** See {@link AtRestFeature.read}. */
  async read(events: readonly AuditLogEvent[], reveal = false): Promise<AuditLogEvent[]> {
    return this.feature ? this.feature.read(events, reveal) : events.map((event) => this.shown(event));
  }
}
