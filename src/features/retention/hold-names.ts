import { present } from '../../event/present.js';
import type { Redactor } from '../../recorder/redaction/redactor.js';
import { storedForm } from '../../recorder/stored-text.js';
import type { AskedFor } from '../../trail/asked-for.js';
import { refuseHold } from './legal-holds.js';
import type { LegalHoldInput, LegalHoldRelease } from './legal-holds.js';

/**
 * A legal hold whose user and resource are in the form in which events have them: so it finds these, and names nobody in clear.
 *
 * @throws AuditError `AUDIT_INVALID_QUERY` on what is protected, or redacted so that several become one: no event is found by it
 */
export async function namedHold(
  hold: LegalHoldInput,
  asked: AskedFor,
  redactor: Redactor,
): Promise<LegalHoldInput> {
  const { tenantId = '', placedBy, reason } = hold;
  const named: Partial<Record<'userId' | 'resource' | 'resourceId', string>> = {};
  for (const name of ['userId', 'resource', 'resourceId'] as const) {
    const value: unknown = hold[name];
    if (typeof value !== 'string' || value === '') continue;
    if (asked.atRest.protection?.protects(name)) {
      throw refuseHold(
        name,
        `${name} is among the protected fields, so that no event is found by it. Place the hold on a resource, a time or the tenant`,
      );
    }
    const stored = storedForm(redactor, name, value);
    if (stored === undefined) {
      throw refuseHold(
        name,
        `redaction makes one value of several values of this ${name}, so that its events can't be told from others. Place the hold on the value that they show, on a time or on the tenant`,
      );
    }
    named[name] = stored;
  }
  return {
    ...hold,
    ...named,
    ...present('reason', asked.words(reason)),
    ...present('placedBy', await asked.person(placedBy, tenantId)),
  };
}

export async function namedRelease(release: LegalHoldRelease, asked: AskedFor): Promise<LegalHoldRelease> {
  return {
    ...release,
    ...present('reason', asked.words(release.reason)),
    ...present('liftedBy', await asked.person(release.liftedBy, '')),
  };
}
