import { AuditError } from '../event/audit-error.js';
import { HOLD_ACTION } from '../event/retention-actions.js';
import type { AuditEventRepository } from '../store/audit-event.repository.js';
import type { HeldPerson, RunningFeature } from './audit-feature.js';

/** The tenant of the event of a hold on all tenants. */
const OF_ALL = 'default';

/**
 * The id of a legal hold that may be on what is recorded of the person, as any feature knows it.
 *
 * @throws AuditError `AUDIT_INVALID_OPTIONS` where holds were placed and no feature here knows of holds; `AUDIT_STORE_UNAVAILABLE`
 */
export async function holdsOn(
  features: readonly RunningFeature[],
  events: AuditEventRepository,
  person: HeldPerson,
): Promise<string | undefined> {
  const asked = features.flatMap(({ holds }) => holds ?? []);
  for (const holds of asked) {
    const hold = await holds(person);
    if (hold !== undefined) return hold;
  }
  if (asked.length > 0) return undefined;
  for (const tenantId of new Set([person.tenantId, OF_ALL])) {
    const filter = { tenantId, action: [HOLD_ACTION] };
    const [hold] = await events.find(filter, { limit: 1, order: 'newest' });
    if (!hold) continue;
    throw new AuditError(
      'AUDIT_INVALID_OPTIONS',
      "The person can't be forgotten: legal holds were placed, and the feature that knows whether they are still in force is not listed. Write features: [retention()], with import { retention } from 'nest-audit-trail/retention'.",
      { field: 'features' },
    );
  }
  return undefined;
}
