import { present } from '../../event/present.js';
import { safeText, TEXT_LIMITS } from '../../event/safe-text.js';
import type { AuditFacts } from '../../event/audit-log-event.js';
import { HOLD_ACTION } from '../../event/retention-actions.js';
import { canonicalJson } from '../../ledger/canonical-json.js';
import { LedgerFormatError } from '../../ledger/format-error.js';
import { openHold } from './hold-record.js';
import type { HeldEvents, OwnEvent } from './retention.repository.js';
import type { RecordedTrust } from './recorded-trust.js';

/** A hold that is in force. */
export interface LegalHold extends HeldEvents {
  /** Of its event, `audit.hold`. */
  readonly id: string;
  readonly reason: string;
  readonly placedBy: string;
  /** Unix epoch, milliseconds. */
  readonly placedAt: number;
}

/** The tenant of the event of a hold on all tenants. */
export const OF_ALL = 'default';

/** Why the event of a hold, or of its lifting, counts for nothing; `undefined` where it counts. */
export async function doubtOfHold(event: OwnEvent, trust: RecordedTrust): Promise<string | undefined> {
  const { id, action, details } = event;
  const isHold = action === HOLD_ACTION;
  if (!details || (isHold ? holdOf(event) === undefined : typeof details['holdId'] !== 'string')) {
    return "can't be read";
  }
  const { record, ...said } = details;
  if (record === undefined) {
    if (!trust.needsSignature || (await trust.isBeforeKeys(id))) return undefined;
    return 'has no record with a signature';
  }
  try {
    const opened = openHold(isHold ? 'hold' : 'hold-release', record, trust.verifiers);
    if (opened.details !== canonicalJson(said)) return 'its record says something else';
    const doubt = await trust.doubt(id, opened);
    return doubt === undefined ? undefined : `its record ${doubt}`;
  } catch (error) {
    if (!(error instanceof LedgerFormatError)) throw error;
    return `its record can't be read: ${error.message.replace(/\.$/, '')}`;
  }
}

/** The hold that the event places; `undefined` where its details are none of a hold. */
export function holdOf({ id, timestamp, tenantId, details = {} }: OwnEvent): LegalHold | undefined {
  const { allTenants, reason, placedBy } = details;
  const isOfAll = allTenants === true;
  const isTenant = isOfAll ? tenantId === OF_ALL : details['tenantId'] === tenantId;
  const texts = [details['userId'], details['resource'], details['resourceId']];
  const times = [details['from'], details['to']];
  const isHold =
    isTenant &&
    typeof reason === 'string' &&
    typeof placedBy === 'string' &&
    texts.every((text) => text === undefined || typeof text === 'string') &&
    times.every((time) => time === undefined || isTime(time));
  if (!isHold) return undefined;
  return {
    id,
    ...(!isOfAll && { tenantId }),
    ...present('userId', asStored(details, 'userId')),
    ...present('resource', asStored(details, 'resource')),
    ...present('resourceId', asStored(details, 'resourceId')),
    ...present('from', details['from'] as number | undefined),
    ...present('to', details['to'] as number | undefined),
    reason,
    placedBy,
    placedAt: timestamp,
  };
}

/** Whether it is a time that an event can have: Unix epoch, milliseconds. */
export function isTime(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) < 2 ** 48;
}

/** The value in the form in which events store it: what is compared must be a text that every database takes. */
function asStored(details: AuditFacts, name: 'userId' | 'resource' | 'resourceId'): string | undefined {
  const value = details[name];
  return value === undefined ? undefined : safeText(String(value), TEXT_LIMITS[name]);
}
