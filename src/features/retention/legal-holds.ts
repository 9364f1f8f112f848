import { types } from 'node:util';
import type { HeldPerson } from '../../engine/audit-feature.js';
import { AuditError } from '../../event/audit-error.js';
import { RateLimitedLog } from '../../event/audit-logger.js';
import type { AuditLogger } from '../../event/audit-logger.js';
import { createEventId, isEventId } from '../../event/event-id.js';
import type { AuditFacts, AuditLogEvent } from '../../event/audit-log-event.js';
import { defined } from '../../event/present.js';
import { raise } from '../../event/raised-event.js';
import { showValue } from '../../event/show-value.js';
import { unknownProperties } from '../../event/unknown-properties.js';
import { HOLD_ACTION } from '../../event/retention-actions.js';
import type { AuditEventDraft } from '../../recorder/audit-event-draft.js';
import type { AuditRecorder } from '../../recorder/audit-recorder.js';
import { storedForm } from '../../recorder/stored-text.js';
import type { Redactor } from '../../recorder/redaction/redactor.js';
import { canonicalJson } from '../../ledger/canonical-json.js';
import { HOLD, RELEASE } from './raised-events.js';
import { signStatement } from '../../ledger/statement.js';
import { signInTime } from '../../store/statement-signer.js';
import type { ConsideredHolds, HeldEvents, RetentionRepository } from './retention.repository.js';
import type { AskedFor } from '../../trail/asked-for.js';
import { copyOfQuery, splitScope } from '../../trail/audit-scope.js';
import type { AuditScope } from '../../trail/audit-scope.js';
import { inContext } from '../../trail/in-context.js';
import type { TrustedLog } from '../../trail/believed-checkpoints.js';
import { RecordedTrust } from './recorded-trust.js';
import { holdOf, isTime, OF_ALL, readHolds } from './hold-events.js';
import type { DoubtedHold, LegalHold, RecordedHolds } from './hold-events.js';

/** Which events must stay, why, and who says so. All that is said must apply; what is left out applies to all. */
export type LegalHoldInput = AuditScope & {
  readonly userId?: string;
  readonly resource?: string;
  readonly resourceId?: string;
  /** From this time on: Unix epoch, milliseconds, or a Date. */
  readonly from?: number | Date;
  /** Before this time: Unix epoch, milliseconds, or a Date. */
  readonly to?: number | Date;
  /** Such as the number of the case. */
  readonly reason: string;
  readonly placedBy: string;
};

/** Why a hold is lifted, and who says so. */
export interface LegalHoldRelease {
  readonly reason: string;
  readonly liftedBy: string;
}

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

const LONGEST = 1_000;

/**
 * Holds are events: what says that something must stay can itself not be changed unseen. Whoever may insert events can write these as
 * well, so in a log with keys they carry a signed record, and without it count for nothing.
 */
export class LegalHolds {
  private readonly warnings: RateLimitedLog;

  constructor(
    private readonly repository: RetentionRepository,
    private readonly log: TrustedLog,
    private readonly recorder: AuditRecorder,
    private readonly asked: AskedFor,
    private readonly redactor: Redactor,
    logger: AuditLogger,
  ) {
    this.warnings = new RateLimitedLog(logger, 60_000);
  }

  /** See `AuditRetention.placeHold`. */
  async place(input: LegalHoldInput): Promise<LegalHold> {
    const { tenantId, rest } = splitScope(input);
    const { userId, resource, resourceId, from, to, reason, placedBy, ...others } = rest;
    const unknown = unknownProperties(others, new Set());
    if (unknown) throw refuseHold(unknown.first, unknown.reason);
    const hold: HeldEvents = defined({
      tenantId,
      userId: this.named('userId', userId),
      resource: this.named('resource', resource),
      resourceId: this.named('resourceId', resourceId),
      from: time('from', from),
      to: time('to', to),
    });
    // An end is not a part of the time.
    if (hold.from !== undefined && hold.to !== undefined && hold.from >= hold.to)
      throw refuseHold('to', 'to must be later than from');
    const details = {
      ...hold,
      ...(tenantId === undefined && { allTenants: true }),
      reason: filled('reason', this.asked.words(reason)),
      placedBy: filled('placedBy', await this.asked.person(placedBy, tenantId ?? '')),
    };
    const tenant = hold.tenantId ?? OF_ALL;
    const { id, timestamp } = await this.record('hold', tenant, details);
    return holdOf({ id, timestamp, tenantId: tenant, action: HOLD_ACTION, details })!;
  }

  /** See `AuditRetention.liftHold`. */
  async lift(id: string, release: LegalHoldRelease): Promise<LegalHold> {
    const { reason, liftedBy } = copyOfQuery(release);
    if (!isEventId(id)) throw refuseHold('id', 'id must be that of a hold');
    const hold = (await this.on(undefined)).inForce.find((one) => one.id === id);
    if (!hold) throw refuseHold('id', 'no hold of this id is in force');
    const details = {
      holdId: id,
      reason: filled('reason', this.asked.words(reason)),
      liftedBy: filled('liftedBy', await this.asked.person(liftedBy, '')),
    };
    await this.record('hold-release', hold.tenantId ?? OF_ALL, details);
    return hold;
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
    const trust = new RecordedTrust(this.log.ledger, this.log.trust);
    return readHolds(this.repository, trust, this.warn, tenants);
  }

  /** Stores the event of a hold or of its lifting, with its record where there is a key. */
  private async record(
    kind: 'hold' | 'hold-release',
    tenantId: string,
    details: Partial<AuditFacts>,
  ): Promise<AuditLogEvent> {
    assertSigns(this.log, 'the event of a legal hold', 'places and lifts holds');
    const { signer, trust } = this.log;
    const id = createEventId(Date.now());
    // In canonical JSON, so that it can be compared as a text.
    const lines = [id, canonicalJson(details as AuditFacts)];
    const claim = { kind, origin: trust.origin ?? '', lines };
    const record = signer && (await signInTime(signer, () => signStatement(claim, signer)));
    const said = raise(kind === 'hold' ? HOLD : RELEASE, { ...details, ...defined({ record }) });
    const event: AuditEventDraft = { id, tenantId, ...said };
    return this.recorder.recordVerbatim(inContext(event));
  }

  /**
   * A field in the form in which events have it: so a hold finds these, and names nobody in clear.
   *
   * @throws AuditError `AUDIT_INVALID_QUERY` on what is protected, or redacted so that several become one: no event is found by it
   */
  private named(field: 'userId' | 'resource' | 'resourceId', value: unknown): string | undefined {
    if (value === undefined) return undefined;
    if (typeof value !== 'string' || value === '') {
      throw refuseHold(field, `${field} must be a text that is not empty, and is ${showValue(value)}`);
    }
    if (this.asked.atRest.protection?.protects(field)) {
      throw refuseHold(
        field,
        `${field} is among the protected fields, so that no event is found by it. Place the hold on a resource, a time or the tenant`,
      );
    }
    const stored = storedForm(this.redactor, field, value);
    if (stored !== undefined) return stored;
    throw refuseHold(
      field,
      `redaction makes one value of several values of this ${field}, so that its events can't be told from others. Place the hold on the value that they show, on a time or on the tenant`,
    );
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

function filled(field: string, value: unknown): string {
  if (typeof value === 'string' && value.trim() !== '' && value.length <= LONGEST)
    return value.toWellFormed();
  throw refuseHold(field, `${field} must be a text of at most ${LONGEST} characters that is not empty`);
}

function time(field: string, value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const time = types.isDate(value) ? Date.prototype.getTime.call(value) : value;
  if (isTime(time)) return time;
  throw refuseHold(field, `${field} must be a time: Unix epoch in milliseconds, or a Date`);
}

function refuseHold(field: string, reason: string): AuditError {
  return new AuditError('AUDIT_INVALID_QUERY', `The legal hold is not valid: ${reason}.`, { field });
}
