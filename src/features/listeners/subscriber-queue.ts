import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { errorNameOf } from '../../event/audit-error.js';
import type { AuditLogEvent } from '../../event/audit-log-event.js';
import type { RateLimitedLog } from '../../event/audit-logger.js';
import { within } from '../../store/within.js';

/** What keeps a slow or hanging subscriber from taking memory and from waiting for ever. */
export const SUBSCRIBER_LIMITS = {
  /** Events that wait for one subscriber; those beyond are dropped for it. */
  waiting: 1_000,
  /** Milliseconds after which a call that has not settled is given up. */
  callMs: 30_000,
} as const;

/** The subscribers whose calls led to what runs now, the outermost first. */
const calls = new AsyncLocalStorage<readonly SubscriberQueue[]>();

/**
 * The events that wait for one subscriber. It is called with one at a time, in the order in which they were recorded,
 * each its own copy, in nobody's stack and nobody's request. What it throws, or never settles, costs it that event.
 *
 * An event that its own call recorded never comes back to it, neither straight nor by way of another subscriber: two
 * that answer each other would never end.
 */
export class SubscriberQueue {
  private waiting = 0;
  private dropped = 0;
  private isAbandoned = false;
  private last: Promise<void> = Promise.resolve();
  /** No request's context, whichever request set the call off. */
  private readonly outside = new AsyncResource('AuditSubscriber');

  /** @param name `Class.method`, for the warnings, which never tell what was thrown: it may hold what the event holds */
  constructor(
    private readonly name: string,
    private readonly call: (event: AuditLogEvent) => unknown,
    private readonly warnings: RateLimitedLog,
    private readonly limits: Readonly<Record<keyof typeof SUBSCRIBER_LIMITS, number>> = SUBSCRIBER_LIMITS,
  ) {}

  /** Takes the event, or drops it where too many wait. Never throws. */
  offer(event: AuditLogEvent): void {
    const callers = calls.getStore() ?? [];
    if (callers.includes(this)) return;
    if (this.waiting >= this.limits.waiting) {
      this.dropped += 1;
      this.warn(
        'full',
        `is too slow: ${this.waiting} events wait for it, so others don't reach it, ${this.dropped} until now. They are recorded anyway.`,
      );
      return;
    }
    this.waiting += 1;
    this.outside.runInAsyncScope(() => {
      this.last = this.last.then(() => this.handOver(event, [...callers, this]));
    });
  }

  drained(): Promise<void> {
    return this.last;
  }

  /** Forgets what still waits, and says so. */
  abandon(): void {
    this.isAbandoned = true;
    if (this.waiting === 0) return;
    this.warn('left', `was not done when the application closed: ${this.waiting} events did not reach it.`);
  }

  private async handOver(event: AuditLogEvent, chain: readonly SubscriberQueue[]): Promise<void> {
    // In a turn of its own, so that a subscriber that is never done does not keep the requests from theirs.
    await turn();
    if (this.isAbandoned) return;
    this.waiting -= 1;
    // A copy: the original still waits to be stored.
    const called = calls
      .run(chain, async () => void (await this.call(structuredClone(event))))
      .catch((thrown: unknown) => this.warn('failed', `failed with ${errorNameOf(thrown)}.`));
    if (await within(this.limits.callMs, called, false)) return;
    this.warn(
      'late',
      `did not settle within ${this.limits.callMs} ms and was given up; it gets the events after that.`,
    );
  }

  private warn(kind: string, what: string): void {
    this.warnings.warn(`${this.name} ${kind}`, `The subscriber to audit events ${this.name}() ${what}`);
  }
}
