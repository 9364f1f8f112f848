import type { AuditLogEvent } from '../event/audit-log-event.js';

/** What an event has to have: each named property, and of `details` and `metadata` each named key. Asymmetric matchers are allowed. */
export type ExpectedEvent = Partial<AuditLogEvent>;

/** Where {@link auditMatchers} look: an `AuditTestingModule`, or the events themselves. */
export type RecordedEvents = { events(): readonly AuditLogEvent[] } | readonly AuditLogEvent[];

declare global {
  // oxlint-disable-next-line typescript/no-namespace -- where Jest has its matchers, and Vitest looks for those of others
  namespace jest {
    interface Matchers<R, T> {
      /** At least one event has all that is expected. */
      toHaveRecorded: T extends RecordedEvents ? (expected: ExpectedEvent) => R : never;
    }
  }
}

/** Of the context in which Jest and Vitest call a matcher. */
interface MatcherContext {
  equals(actual: unknown, expected: unknown): boolean;
}

/** The place of an expected value, such as `['details', 'amount']`, and the value. */
type Expectation = readonly [place: readonly string[], value: unknown];

/**
 * Matchers for Jest and Vitest: `expect.extend(auditMatchers)`, once in the setup file of the tests.
 *
 * @example
 * ```ts
 * expect(app.get(AuditTestingModule)).toHaveRecorded({ action: 'invoice.approve', outcome: 'success' });
 * ```
 */
export const auditMatchers = {
  toHaveRecorded(this: MatcherContext, received: RecordedEvents, expected: ExpectedEvent) {
    const events = 'events' in received ? received.events() : received;
    const expectations = Object.entries(expected).flatMap(expectationsOf);
    const wrongOf = (event: AuditLogEvent) =>
      expectations.filter(([place, value]) => !this.equals(valueAt(event, place), value));
    const byDistance = events
      .map((event) => ({ event, wrong: wrongOf(event) }))
      .sort((left, right) => distanceOf(left.wrong) - distanceOf(right.wrong));
    const nearest = byDistance[0];
    const pass = nearest?.wrong.length === 0;
    const message = () => {
      const wanted = `an audit event with ${expectations.map(textOf).join(', ')}`;
      if (!nearest) return `Expected ${wanted}, but nothing was recorded.`;
      const shown = JSON.stringify(nearest.event, undefined, 2);
      if (pass) return `Expected no ${wanted.slice(3)}, but this was recorded:\n${shown}`;
      const differences = nearest.wrong.map(
        ([place, value]) =>
          `  ${place.join('.')}: expected ${show(value)}, received ${show(valueAt(nearest.event, place))}`,
      );
      return `Expected ${wanted}.\nThe nearest of ${events.length} recorded differs:\n${differences.join('\n')}\n${shown}`;
    };
    return { pass, message };
  },
};

function expectationsOf([name, value]: [string, unknown]): Expectation[] {
  const isFacts =
    (name === 'details' || name === 'metadata') && Object.getPrototypeOf(value) === Object.prototype;
  if (!isFacts) return [[[name], value]];
  return Object.entries(value as object).map(([key, fact]) => [[name, key], fact]);
}

/** Events of another action are the furthest. */
function distanceOf(wrong: readonly Expectation[]): number {
  return wrong.length + (wrong.some(([[name]]) => name === 'action') ? 1_000 : 0);
}

function valueAt(event: AuditLogEvent, place: readonly string[]): unknown {
  return place.reduce<unknown>((value, name) => Object(value)[name], event);
}

function textOf([place, value]: Expectation): string {
  return `${place.join('.')} ${show(value)}`;
}

/** An asymmetric matcher says itself what it expects. */
function show(value: unknown): string {
  const { asymmetricMatch, toAsymmetricMatcher } = Object(value) as Record<string, unknown>;
  if (typeof asymmetricMatch !== 'function') return JSON.stringify(value) ?? String(value);
  return typeof toAsymmetricMatcher === 'function' ? String(toAsymmetricMatcher.call(value)) : String(value);
}
