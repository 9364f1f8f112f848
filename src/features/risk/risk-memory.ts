import { AsyncResource } from 'node:async_hooks';
import { AuditError } from '../../event/audit-error.js';
import type { AuditLogEvent } from '../../event/audit-log-event.js';
import { RateLimitedLog } from '../../event/audit-logger.js';
import type { AuditLogger } from '../../event/audit-logger.js';
import { FirstSeen } from './first-seen.js';
import { RecentMap } from '../../event/recent-map.js';
import { RecentTimes } from '../../event/recent-times.js';
import type { CheckedRiskContext } from './risk-context-options.js';

/** What only memory knows of an event. */
export interface RiskFacts {
  readonly newAddress: boolean;
  readonly newDevice: boolean;
  readonly burst: boolean;
}

/** From where an event came. */
type Origin = Partial<Pick<AuditLogEvent, 'ipAddress' | 'userAgent'>>;

/** A user's last events before a time (Unix epoch, milliseconds): from where each came. */
export type RiskHistory = (
  tenantId: string,
  userId: string,
  before: number,
) => Promise<readonly Readonly<Origin>[]>;

/** How long an address or a device is new. */
export const NEW_FOR_MS = 3_600_000;
/** Users, and keys of bursts, that are remembered. */
export const KEYS_REMEMBERED = 10_000;
/** Histories that are read at the same time, and that wait to be. */
const READERS = 4;
const MAX_WAITING = 1_000;

interface User {
  readonly tenantId: string;
  readonly userId: string;
  /** When it was first seen by this process. */
  readonly since: number;
  readonly seen: Readonly<Record<keyof Origin, FirstSeen>>;
  /** Whether the store was asked; until it has answered, nothing counts as new. */
  history: 'unknown' | 'asked' | 'none' | 'some';
}

/**
 * What the process remembers of users, so that the score of an event can tell what is unusual: an address or device
 * first used less than an hour ago by a user who was there before, and bursts. Bounded whatever comes.
 */
export class RiskMemory {
  private readonly users = new RecentMap<string, User>(KEYS_REMEMBERED);
  private readonly bursts = new RecentMap<string, RecentTimes>(KEYS_REMEMBERED);
  private readonly waiting: User[] = [];
  private readonly warnings: RateLimitedLog;
  /** Histories are read in no request's context, whichever request set it off. */
  private readonly context = new AsyncResource('AuditRiskMemory');
  private readers = 0;

  constructor(
    private readonly options: Pick<CheckedRiskContext, 'burstEvents' | 'burstMs'>,
    private readonly history: RiskHistory,
    logger: AuditLogger,
  ) {
    this.warnings = new RateLimitedLog(logger);
  }

  /** How many users and keys of bursts are remembered. */
  get size(): { readonly users: number; readonly bursts: number; readonly waiting: number } {
    return { users: this.users.size, bursts: this.bursts.size, waiting: this.waiting.length };
  }

  /** What is known of an event that is about to be recorded. Changes nothing. */
  facts(event: AuditLogEvent): RiskFacts {
    const { timestamp, tenantId, userId } = event;
    const user = userId === undefined ? undefined : this.users.peek(userKey(tenantId, userId));
    const isNew = (origin: keyof Origin) => {
      const value = event[origin];
      if (!user || value === undefined || !wasThereBefore(user, timestamp)) return false;
      return timestamp - (user.seen[origin].of(value) ?? timestamp) < NEW_FOR_MS;
    };
    return { newAddress: isNew('ipAddress'), newDevice: isNew('userAgent'), burst: this.isBurst(event) };
  }

  /** Remembers an event that was recorded. Never throws and never waits. */
  note(event: AuditLogEvent): void {
    const { timestamp, tenantId, userId } = event;
    const { burstEvents, burstMs } = this.options;
    const burst = burstKey(event);
    if (burst !== undefined) {
      // One less than makes a burst: the event that is judged is the last of it.
      const make = () => new RecentTimes(burstEvents - 1, burstMs);
      this.bursts.getOrMake(burst, make).add(timestamp);
    }
    if (userId === undefined) return;
    const user = this.users.getOrMake(userKey(tenantId, userId), () => ({
      tenantId,
      userId,
      since: timestamp,
      seen: { ipAddress: new FirstSeen(), userAgent: new FirstSeen() },
      history: 'unknown',
    }));
    noteOrigin(user, event, timestamp);
    if (user.history === 'unknown') this.ask(user);
  }

  private isBurst(event: AuditLogEvent): boolean {
    const key = burstKey(event);
    const times = key === undefined ? undefined : this.bursts.peek(key);
    return times !== undefined && times.within(event.timestamp) >= this.options.burstEvents - 1;
  }

  private ask(user: User): void {
    if (this.waiting.length >= MAX_WAITING) return;
    user.history = 'asked';
    this.waiting.push(user);
    if (this.readers < READERS) this.context.runInAsyncScope(() => void this.readAll());
  }

  private async readAll(): Promise<void> {
    this.readers += 1;
    for (let user = this.waiting.shift(); user; user = this.waiting.shift()) await this.read(user);
    this.readers -= 1;
  }

  private async read(user: User): Promise<void> {
    try {
      const events = await this.history(user.tenantId, user.userId, Date.now() - NEW_FOR_MS);
      for (const event of [...events].reverse()) noteOrigin(user, event, 0);
      user.history = events.length > 0 ? 'some' : 'none';
    } catch (error) {
      // It is asked again with the user's next event.
      user.history = 'unknown';
      // Not connected, as when events are recovered at the start: delivery says so where that lasts.
      if (error instanceof AuditError && !error.cause) return;
      this.warnings.warn(
        'history',
        "The risk score could not read a user's earlier events: until it can, no address and no device counts as new.",
      );
    }
  }
}

function noteOrigin({ seen }: User, { ipAddress, userAgent }: Origin, at: number): void {
  if (ipAddress !== undefined) seen.ipAddress.note(ipAddress, at);
  if (userAgent !== undefined) seen.userAgent.note(userAgent, at);
}

/** Whether the user has events that are an hour older. */
function wasThereBefore(user: User, timestamp: number): boolean {
  if (user.history === 'some') return true;
  return user.history === 'none' && timestamp - user.since >= NEW_FOR_MS;
}

function userKey(tenantId: string, userId: string): string {
  // No recorded text has a control character.
  return `${tenantId}\n${userId}`;
}

/** By user, else by address; `undefined` for an event that has neither. */
function burstKey({ tenantId, userId, ipAddress }: AuditLogEvent): string | undefined {
  if (userId !== undefined) return userKey(tenantId, userId);
  return ipAddress === undefined ? undefined : `\n${ipAddress}`;
}
