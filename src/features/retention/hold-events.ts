import { isWithin, LAST_TIME } from '../../event/event-checks.js';
import { timestampOf } from '../../event/event-id.js';
import { defined } from '../../event/present.js';
import { HOLD_ACTION } from '../../event/retention-actions.js';
import { safeText, TEXT_LIMITS } from '../../event/safe-text.js';
import { canonicalJson } from '../../ledger/canonical-json.js';
import { LedgerFormatError } from '../../ledger/format-error.js';
import type { RecordedTrust } from './recorded-trust.js';
import { RELEASE } from './raised-events.js';
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

const HELD_TEXTS = ['userId', 'resource', 'resourceId'] as const;

/** The tenant of the event of a hold on all tenants. */
export const OF_ALL = 'default';

/** The legal holds that are to be believed. */
export interface RecordedHolds {
  readonly placed: ReadonlyMap<string, LegalHold>;
  /** When each was lifted first, by its id: Unix epoch, milliseconds. */
  readonly lifted: ReadonlyMap<string, number>;
  /** How many events say that a hold was placed, also those that are not to be believed. */
  readonly count: number;
}

/** Is told of an event that says that a hold was placed or lifted, and why it counts for nothing. */
export type DoubtedHold = (eventId: string, verb: 'placed' | 'lifted', doubt: string) => void;

/** Reads the events of holds and of their lifting. @param tenants whose; absent for everybody's */
export async function readHolds(
  repository: RetentionRepository,
  trust: RecordedTrust,
  onDoubt: DoubtedHold,
  tenants?: readonly string[],
): Promise<RecordedHolds> {
  const placed = new Map<string, LegalHold>();
  const lifted = new Map<string, number>();
  let count = 0;
  for await (const event of repository.statements([HOLD_ACTION, RELEASE.action], tenants)) {
    const { id, action, details } = event;
    const isHold = action === HOLD_ACTION;
    if (isHold) count += 1;
    const hold = isHold ? holdOf(event) : undefined;
    const liftedId = isHold ? undefined : details?.['holdId'];
    const isReadable = hold !== undefined || typeof liftedId === 'string';
    const doubt = isReadable ? await doubtOf(event, trust) : "can't be read";
    if (doubt !== undefined) onDoubt(id, isHold ? 'placed' : 'lifted', doubt);
    else if (hold) placed.set(id, hold);
    else lifted.set(String(liftedId), Math.min(timestampOf(id), lifted.get(String(liftedId)) ?? Infinity));
  }
  return { placed, lifted, count };
}

/** Why the event is not to be believed. */
async function doubtOf(event: StatementEvent, trust: RecordedTrust): Promise<string | undefined> {
  const { record, ...said } = event.details ?? {};
  if (record === undefined) {
    const needsNone = !trust.needsSignature || (await trust.isBeforeKeys(event.id));
    return needsNone ? undefined : 'has no record with a signature';
  }
  const kind = event.action === HOLD_ACTION ? 'hold' : 'hold-release';
  const { doubt } = await trust.read(kind, event, (lines) => {
    if (lines.length === 1 && lines[0] === canonicalJson(said)) return;
    throw new LedgerFormatError('It says something else than the event.');
  });
  return doubt && `its record ${doubt}`;
}

/** The hold that the event places; `undefined` where its details are none of a hold. */
export function holdOf({ id, timestamp, tenantId, details = {} }: StatementEvent): LegalHold | undefined {
  const { allTenants, reason, placedBy, from, to } = details;
  const isOfAll = allTenants === true;
  const isTenant = isOfAll ? tenantId === OF_ALL : details['tenantId'] === tenantId;
  const texts = HELD_TEXTS.filter((name) => details[name] !== undefined);
  const isHold =
    isTenant &&
    typeof reason === 'string' &&
    typeof placedBy === 'string' &&
    texts.every((name) => typeof details[name] === 'string') &&
    [from, to].every((time) => time === undefined || isTime(time));
  if (!isHold) return undefined;
  // As events store them: what is compared must be a text that every database takes.
  const stored = texts.map((name) => [name, safeText(String(details[name]), TEXT_LIMITS[name])]);
  return {
    id,
    ...(!isOfAll && { tenantId }),
    ...(Object.fromEntries(stored) as Pick<HeldEvents, (typeof HELD_TEXTS)[number]>),
    ...(defined({ from, to }) as Pick<HeldEvents, 'from' | 'to'>),
    reason,
    placedBy,
    placedAt: timestamp,
  };
}

/** Whether it is a time that an event can have: Unix epoch, milliseconds. */
export const isTime = isWithin(LAST_TIME);
