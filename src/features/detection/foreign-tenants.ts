import type { DetectedEvent, DetectionRepository } from './detection.repository.js';
import type { ActiveDetection } from './detection-options.js';
import type { Finding } from './finding.js';
import type { KeyWindow } from './key-window.js';
import type { DirtyKey } from './detection-memory.js';

/** Tenants of one user that are read. */
const TENANTS_AT_ONCE = 200;

/** Keys that are looked up together. */
export interface Portion {
  readonly tenantIds: readonly string[];
  readonly keys: readonly DirtyKey[];
}

/** Each user by itself, with the tenants in which it was lately, where one of them is not its usual one: only the store knows. */
export async function* usersElsewhere(
  repository: DetectionRepository,
  { windowMs, threshold }: ActiveDetection,
  dirty: readonly DirtyKey[],
): AsyncGenerator<Portion> {
  let all: readonly string[] | undefined;
  for (const user of dirty) {
    // A tenant that another process saw first is looked up by that one.
    let isUnusual = false;
    for (const tenantId of user.things) {
      isUnusual ||= !(await repository.hasEventsBefore(tenantId, user.key, user.since - windowMs));
    }
    if (!isUnusual) continue;
    all ??= await repository.tenants();
    const tenants = await repository.tenantsOf(user.key, user.since - 2 * windowMs, all);
    if (tenants.length < threshold) continue;
    yield { tenantIds: tenants.slice(0, TENANTS_AT_ONCE), keys: [user] };
  }
}

/** The finding as one of the tenant that is not the user's usual one; `undefined` where all are. */
export async function inForeignTenant(
  repository: DetectionRepository,
  reached: Finding,
  window: KeyWindow,
  event: DetectedEvent,
): Promise<Finding | undefined> {
  const before = reached.lastAt - reached.windowSeconds * 1_000;
  // The one that was entered last; where that is the usual one, the one before it.
  const others = window.things.filter((tenantId) => tenantId !== event.tenantId).reverse();
  for (const tenantId of [event.tenantId, ...others]) {
    if (!(await repository.hasEventsBefore(tenantId, reached.key, before))) return { ...reached, tenantId };
  }
  return undefined;
}
