import type { FeatureHost, HeldPerson } from '../../engine/audit-feature.js';
import { AuditError } from '../../event/audit-error.js';
import { RateLimitedLog } from '../../event/audit-logger.js';
import { isWithin, LAST_TIME } from '../../event/event-checks.js';
import { isEventId, timestampOf } from '../../event/event-id.js';
import { defined } from '../../event/present.js';
import { HOLD_ACTION } from '../../event/retention-actions.js';
import { safeText, TEXT_LIMITS } from '../../event/safe-text.js';
import { canonicalJson } from '../../ledger/canonical-json.js';
import { LedgerFormatError } from '../../ledger/format-error.js';
import type { TrustedLog } from '../../trail/believed-checkpoints.js';
import { RELEASE } from './raised-events.js';
import { RecordedTrust } from './recorded-trust.js';
import type {
  ConsideredHolds,
  HeldEvents,
  RetentionRepository,
  StatementEvent,
} from './retention.repository.js';

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

/** Holds on events of a tenant, or on all of them, and what they were read of. */
export interface HoldsFound extends ConsideredHolds {
  readonly inForce: LegalHold[];
}

/** How long what was read counts. */
const READ_MS = 10_000;

/** What was read of holds lately: whoever may insert can write any number of their events, and each is looked at. */
export class HoldsRead {
  private readonly known = new Map<string, { readonly at: number; readonly holds: RecordedHolds }>();

  async of(tenantId: string, read: () => Promise<RecordedHolds>): Promise<RecordedHolds> {
    const before = this.known.get(tenantId);
    if (before && performance.now() - before.at < READ_MS) return before.holds;
    const at = performance.now();
    const holds = await read();
    // One tenant after another: the others are not asked for again.
    for (const other of this.known.keys()) if (other !== OF_ALL) this.known.delete(other);
    this.known.set(tenantId, { at, holds });
    return holds;
  }

  forget(): void {
    this.known.clear();
  }
}

/**
 * Holds are events: what says that something must stay can itself not be changed unseen. Whoever may insert events can write these as
 * well, so in a log with keys they carry a signed record, and without it count for nothing.
 */
export class LegalHolds {
  private readonly warnings: RateLimitedLog;

  constructor(
    private readonly repository: RetentionRepository,
    private readonly host: FeatureHost,
  ) {
    this.warnings = new RateLimitedLog(host.logger, 60_000);
  }

  /**
   * Those on events of a tenant, or all of them. Events of holds that are not to be believed are passed over, and the log says so.
   *
   * @param read what was read before, which is good for some seconds: whoever asks again and again sees whether any came since
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`
   */
  async on(tenantId: string | undefined, read = new HoldsRead()): Promise<HoldsFound> {
    // One of all tenants holds this one's events too.
    const tenants = tenantId === undefined ? [] : [...new Set([tenantId, OF_ALL])];
    const found: RecordedHolds[] = [];
    if (tenantId === undefined) found.push(await this.read());
    for (const tenant of tenants) found.push(await read.of(tenant, () => this.read([tenant])));
    const inForce = found
      .flatMap(({ placed }) => [...placed.values()])
      .filter(({ id }) => !found.some(({ lifted }) => lifted.has(id)))
      .filter((hold) => tenantId === undefined || (hold.tenantId ?? tenantId) === tenantId)
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    return { inForce, tenants, count: found.reduce((sum, one) => sum + one.count, 0) };
  }

  /** The id of one that may be on what is recorded of a person. @throws AuditError `AUDIT_STORE_UNAVAILABLE` */
  async onPerson({ tenantId, userIds }: HeldPerson): Promise<string | undefined> {
    const { inForce } = await this.on(tenantId);
    return inForce.find(({ userId }) => !userId || !userIds || userIds.includes(userId))?.id;
  }

  private read(tenants?: readonly string[]): Promise<RecordedHolds> {
    return readHolds(this.repository, new RecordedTrust(this.host.log), this.warn, tenants);
  }

  private readonly warn: DoubtedHold = (id, verb, doubt) => {
    // An id that is none is a text of whoever wrote the row.
    const event = isEventId(id) ? `The event ${id}` : 'An event without the id of one';
    // So is what the record says.
    const why = doubt.startsWith('has no record') ? doubt : "its record can't be trusted";
    this.warnings.warn(
      'hold',
      `${event} says that a legal hold was ${verb}, and ${why}. It counts for nothing; nest-audit verify says more.`,
    );
  };
}

/** @throws AuditError `AUDIT_INVALID_OPTIONS` where the log is signed, and this process can't sign */
export function assertSigns({ signer, trust }: TrustedLog, what: string, does: string): void {
  if (signer || trust.verifiers.length === 0) return;
  throw new AuditError(
    'AUDIT_INVALID_OPTIONS',
    `The log is signed, and so must be ${what}: write the option ledger.signingKey for the process that ${does}.`,
    { field: 'ledger.signingKey' },
  );
}
