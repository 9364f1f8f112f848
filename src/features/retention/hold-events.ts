import type { AuditFacts } from '../../event/audit-log-event.js';
import { present } from '../../event/present.js';
import { HOLD_ACTION } from '../../event/retention-actions.js';
import { safeText, TEXT_LIMITS } from '../../event/safe-text.js';
import { canonicalJson } from '../../ledger/canonical-json.js';
import { LedgerFormatError } from '../../ledger/format-error.js';
import { openStatement } from '../../ledger/statement.js';
import type { RecordedTrust } from './recorded-trust.js';
import { RELEASE_ACTION } from './retention.repository.js';
import type { HeldEvents, StatementEvent, RetentionRepository } from './retention.repository.js';

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

/** What the event of a hold, or of its lifting, says. */
export interface SaidOfHold {
  readonly id: string;
  /** Whether the hold was placed, or lifted. */
  readonly verb: 'placed' | 'lifted';
  /** Why it counts for nothing; absent where it counts, and then one of the others is there. */
  readonly doubt?: string;
  readonly hold?: LegalHold;
  readonly liftedId?: string;
}

/** The events of holds and of their lifting. @param tenants whose; absent for everybody's */
export async function* saidOfHolds(
  repository: RetentionRepository,
  trust: RecordedTrust,
  tenants?: readonly string[],
): AsyncGenerator<SaidOfHold> {
  for await (const events of repository.statements([HOLD_ACTION, RELEASE_ACTION], tenants)) {
    for (const event of events) {
      const isHold = event.action === HOLD_ACTION;
      const said = { id: event.id, verb: isHold ? 'placed' : 'lifted' } as const;
      const hold = isHold ? holdOf(event) : undefined;
      const liftedId = isHold ? undefined : event.details?.['holdId'];
      const isReadable = hold !== undefined || typeof liftedId === 'string';
      const doubt = isReadable ? await doubtOf(event, trust) : "can't be read";
      if (doubt !== undefined) yield { ...said, doubt };
      else
        yield { ...said, ...present('hold', hold), ...present('liftedId', liftedId as string | undefined) };
    }
  }
}

/** Why the record of the event does not say the same, or is not to be believed. */
async function doubtOf(
  { id, action, details = {} }: StatementEvent,
  trust: RecordedTrust,
): Promise<string | undefined> {
  const { record, ...said } = details;
  if (record === undefined) {
    if (!trust.needsSignature || (await trust.isBeforeKeys(id))) return undefined;
    return 'has no record with a signature';
  }
  try {
    const kind = action === HOLD_ACTION ? 'hold' : 'hold-release';
    const { origin, lines, isTrusted } = openStatement(kind, record, trust.verifiers);
    if (lines.length !== 2) throw new LedgerFormatError('The statement is no record of a legal hold.');
    const [eventId = '', text] = lines;
    if (text !== canonicalJson(said)) return 'its record says something else';
    const doubt = await trust.doubt(id, { origin, eventId, isTrusted });
    return doubt === undefined ? undefined : `its record ${doubt}`;
  } catch (error) {
    if (!(error instanceof LedgerFormatError)) throw error;
    return `its record can't be read: ${error.message.replace(/\.$/, '')}`;
  }
}

/** The hold that the event places; `undefined` where its details are none of a hold. */
export function holdOf({ id, timestamp, tenantId, details = {} }: StatementEvent): LegalHold | undefined {
  const { allTenants, reason, placedBy, from, to } = details;
  const isOfAll = allTenants === true;
  const isTenant = isOfAll ? tenantId === OF_ALL : details['tenantId'] === tenantId;
  const texts = [details['userId'], details['resource'], details['resourceId']];
  const isHold =
    isTenant &&
    typeof reason === 'string' &&
    typeof placedBy === 'string' &&
    texts.every((text) => text === undefined || typeof text === 'string') &&
    [from, to].every((time) => time === undefined || isTime(time));
  if (!isHold) return undefined;
  return {
    id,
    ...(!isOfAll && { tenantId }),
    ...present('userId', asStored(details, 'userId')),
    ...present('resource', asStored(details, 'resource')),
    ...present('resourceId', asStored(details, 'resourceId')),
    ...present('from', from as number | undefined),
    ...present('to', to as number | undefined),
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
