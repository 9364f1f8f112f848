import { types } from 'node:util';
import { AuditError } from '../../event/audit-error.js';
import { isEventId } from '../../event/event-id.js';
import type { AuditLogEvent } from '../../event/audit-log-event.js';
import { present } from '../../event/present.js';
import { showValue } from '../../event/show-value.js';
import type { AuditEventDraft } from '../../pipeline/audit-event-draft.js';
import { HOLD_ACTION, RELEASE_ACTION } from '../../store/retention.repository.js';
import type { HeldEvents, RetentionRepository } from '../../store/retention.repository.js';
import { splitScope } from '../audit-scope.js';
import type { AuditScope } from '../audit-scope.js';

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

/** A hold that is in force. */
export interface LegalHold extends HeldEvents {
  /** Of its event, `audit.hold`. */
  readonly id: string;
  readonly reason: string;
  readonly placedBy: string;
  /** Unix epoch, milliseconds. */
  readonly placedAt: number;
}

/** Why a hold is lifted, and who says so. */
export interface LegalHoldRelease {
  readonly reason: string;
  readonly liftedBy: string;
}

/** Stores an event of the audit's own as it is, and resolves once it is committed. */
type Recording = (draft: AuditEventDraft) => Promise<AuditLogEvent>;

const LONGEST = 1_000;
/** The tenant of the event of a hold on all tenants. */
const OF_ALL = 'default';

/** Holds are events: what says that something must stay can itself not be changed unseen. */
export class LegalHolds {
  constructor(private readonly repository: RetentionRepository) {}

  /** @throws AuditError `AUDIT_INVALID_QUERY` naming the field; `AUDIT_STORE_UNAVAILABLE` */
  async place(input: LegalHoldInput, record: Recording): Promise<LegalHold> {
    const { tenantId, rest } = splitScope(input);
    const { userId, resource, resourceId, from, to, reason, placedBy, ...others } = rest;
    const [unknown] = Object.keys(others);
    if (unknown !== undefined) throw refuse(unknown, `it has no property "${unknown}"`);
    const hold: HeldEvents = {
      ...present('tenantId', tenantId),
      ...present('userId', optional('userId', userId)),
      ...present('resource', optional('resource', resource)),
      ...present('resourceId', optional('resourceId', resourceId)),
      ...present('from', time('from', from)),
      ...present('to', time('to', to)),
    };
    const event = await record({
      action: HOLD_ACTION,
      resource: 'audit',
      tenantId: hold.tenantId ?? OF_ALL,
      category: 'compliance',
      severity: 'high',
      details: {
        ...hold,
        ...(tenantId === undefined && { allTenants: true }),
        reason: said('reason', reason),
        placedBy: said('placedBy', placedBy),
      },
    });
    return fromEvent(event);
  }

  /**
   * @returns the hold that was in force
   * @throws AuditError `AUDIT_INVALID_QUERY` naming the field, also where there is none of this id in force
   */
  async lift(id: string, { reason, liftedBy }: LegalHoldRelease, record: Recording): Promise<LegalHold> {
    if (!isEventId(id)) throw refuse('id', 'id must be that of a hold');
    const hold = (await this.on(undefined)).inForce.find((one) => one.id === id);
    if (!hold) throw refuse('id', 'no hold of this id is in force');
    await record({
      action: RELEASE_ACTION,
      resource: 'audit',
      tenantId: hold.tenantId ?? OF_ALL,
      category: 'compliance',
      severity: 'high',
      details: { holdId: id, reason: said('reason', reason), liftedBy: said('liftedBy', liftedBy) },
    });
    return hold;
  }

  /** The holds in force, oldest first. @throws AuditError `AUDIT_INVALID_QUERY`; `AUDIT_STORE_UNAVAILABLE` */
  async find(scope: AuditScope): Promise<LegalHold[]> {
    const { tenantId } = splitScope(scope);
    return (await this.on(tenantId)).inForce;
  }

  /**
   * Those on events of a tenant, or all of them.
   *
   * @returns also whose holds were looked for, and the id of the newest of these that was ever placed; '' where there is none
   */
  async on(tenantId: string | undefined): Promise<{
    readonly inForce: LegalHold[];
    readonly tenants: readonly string[];
    readonly newest: string;
  }> {
    // One of all tenants holds this one's events too.
    const tenants = tenantId === undefined ? [] : [...new Set([tenantId, OF_ALL])];
    const events = await this.repository.own(
      [HOLD_ACTION, RELEASE_ACTION],
      tenantId === undefined ? undefined : tenants,
    );
    const placed = events.filter(({ action }) => action === HOLD_ACTION);
    const lifted = new Set(
      events.filter(({ action }) => action === RELEASE_ACTION).map(({ details }) => details['holdId']),
    );
    const holds = placed.filter(({ id }) => !lifted.has(id)).map(fromEvent);
    return {
      inForce:
        tenantId === undefined ? holds : holds.filter((hold) => (hold.tenantId ?? tenantId) === tenantId),
      tenants,
      newest: placed.at(-1)?.id ?? '',
    };
  }
}

/** Whether a hold may be about what a user did. */
export function mayHold(hold: HeldEvents, tenantId: string, userId: string): boolean {
  return (hold.tenantId ?? tenantId) === tenantId && (hold.userId ?? userId) === userId;
}

function fromEvent({ id, timestamp, tenantId, details }: AuditLogEvent): LegalHold {
  const text = (name: string) => (details[name] === undefined ? undefined : String(details[name]));
  const number = (name: string) => (details[name] === undefined ? undefined : Number(details[name]));
  return {
    id,
    ...(details['allTenants'] !== true && { tenantId }),
    ...present('userId', text('userId')),
    ...present('resource', text('resource')),
    ...present('resourceId', text('resourceId')),
    ...present('from', number('from')),
    ...present('to', number('to')),
    reason: text('reason') ?? '',
    placedBy: text('placedBy') ?? '',
    placedAt: timestamp,
  };
}

function optional(field: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string' && value !== '' && value.length <= LONGEST) return value;
  throw refuse(field, `${field} must be a text that is not empty, and is ${showValue(value)}`);
}

function said(field: string, value: unknown): string {
  if (typeof value === 'string' && value.trim() !== '' && value.length <= LONGEST)
    return value.toWellFormed();
  throw refuse(field, `${field} must be a text of at most ${LONGEST} characters that is not empty`);
}

function time(field: string, value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const time = types.isDate(value) ? Date.prototype.getTime.call(value) : value;
  if (Number.isInteger(time) && Number(time) >= 0 && Number(time) < 2 ** 48) return time as number;
  throw refuse(field, `${field} must be a time: Unix epoch in milliseconds, or a Date`);
}

function refuse(field: string, reason: string): AuditError {
  return new AuditError('AUDIT_INVALID_QUERY', `The legal hold is not valid: ${reason}.`, { field });
}
