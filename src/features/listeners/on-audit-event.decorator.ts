import { NEEDS_FEATURE } from '../../engine/audit-feature.js';
import type { AuditEventFilter } from './event-conditions.js';

const KEY = 'nest-audit-trail:on-audit-event';

type Marks = ReadonlyMap<string | symbol, readonly AuditEventFilter[]>;

/**
 * Subscribes a method of a provider or a controller to the events that this process records, as they are recorded (not
 * yet stored). Written more than once, an event that fits any of the filters comes once. What the method throws, or
 * how long it takes, harms nobody but itself; see `docs/read/listening.md`. Needs the feature `listeners()`.
 *
 * @param filter which events; all of them where it is left out
 * @throws AuditError `AUDIT_INVALID_OPTIONS` when the application starts, naming class, method and field, or the feature that is missing
 *
 * @example
 * ```ts
 * @Injectable()
 * export class Alarms {
 *   @OnAuditEvent({ category: 'security', minRisk: 70 })
 *   async raise(event: AuditLogEvent): Promise<void> {}
 * }
 * ```
 */
export function OnAuditEvent(filter: AuditEventFilter = {}): MethodDecorator {
  return (target, name) => {
    // Kept at the class under the method's name, not at the function, which another decorator may replace.
    const before = marksOf(target);
    Reflect.defineMetadata(KEY, new Map(before).set(name, [...(before.get(name) ?? []), filter]), target);
    const prototype = typeof target === 'function' ? (target.prototype as object) : target;
    Reflect.defineMetadata(NEEDS_FEATURE, 'listeners', prototype);
  };
}

export interface SubscribingMethod {
  readonly name: string | symbol;
  readonly filters: readonly AuditEventFilter[];
  /** Why it can't, where it is no method of an instance. */
  readonly flaw?: 'static' | 'no method';
}

/** The subscribing methods of an instance, inherited ones included. One that overrides another needs its own decorator. */
export function subscribingMethods(instance: object): SubscribingMethod[] {
  const found: SubscribingMethod[] = [];
  const seen = new Set<string | symbol>();
  for (
    let prototype = Reflect.getPrototypeOf(instance);
    prototype !== null && prototype !== Object.prototype;
    prototype = Reflect.getPrototypeOf(prototype)
  ) {
    for (const [name, filters] of marksOf(prototype)) {
      if (seen.has(name)) continue;
      const isMethod = typeof Object.getOwnPropertyDescriptor(prototype, name)?.value === 'function';
      found.push({ name, filters, ...(!isMethod && { flaw: 'no method' }) });
    }
    for (const name of Reflect.ownKeys(prototype)) seen.add(name);
    const { constructor } = prototype;
    if (typeof constructor !== 'function') continue;
    for (const [name, filters] of marksOf(constructor)) found.push({ name, filters, flaw: 'static' });
  }
  return found;
}

function marksOf(target: object): Marks {
  return (Reflect.getOwnMetadata(KEY, target) as Marks | undefined) ?? new Map();
}
