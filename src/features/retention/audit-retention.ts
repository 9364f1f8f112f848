import { types } from 'node:util';
import type { FeatureHost } from '../../engine/audit-feature.js';
import { AuditError } from '../../event/audit-error.js';
import { createEventId, isEventId } from '../../event/event-id.js';
import type { AuditFacts, AuditLogEvent } from '../../event/audit-log-event.js';
import { defined } from '../../event/present.js';
import { raise } from '../../event/raised-event.js';
import { HOLD_ACTION } from '../../event/retention-actions.js';
import { showValue } from '../../event/show-value.js';
import { unknownProperties } from '../../event/unknown-properties.js';
import { canonicalJson } from '../../ledger/canonical-json.js';
import { signStatement } from '../../ledger/statement.js';
import type { AuditEventDraft } from '../../recorder/audit-event-draft.js';
import { storedForm } from '../../recorder/stored-text.js';
import { signInTime } from '../../store/statement-signer.js';
import { copyOfQuery, splitScope } from '../../trail/audit-scope.js';
import type { AuditScope } from '../../trail/audit-scope.js';
import { inContext } from '../../trail/in-context.js';
import { assertSigns, holdOf, isTime, OF_ALL } from './legal-holds.js';
import type { LegalHold, LegalHolds } from './legal-holds.js';
import { HOLD, RELEASE } from './raised-events.js';
import type { Removal, RemovalOptions, RemovalResult } from './removal.js';
import type { HeldEvents } from './retention.repository.js';
import { storageOf } from './storage.js';
import type { AuditStorage } from './storage.js';

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

/** Of a text that says why or who. */
const LONGEST = 1_000;

/** How long events are kept, which of them have to stay, and what they take. A plain class, injected by Nest. */
export class AuditRetention {
  constructor(
    private readonly removal: Removal,
    private readonly legalHolds: LegalHolds,
    private readonly host: FeatureHost,
  ) {}

  /**
   * Removes the events that the rules do not keep any longer: those that are sealed, and that no legal hold is on. In
   * small transactions, each with an event `audit.removal` that tells of it; the leaves stay, so the log still verifies. It can be broken
   * off and called again at any time.
   *
   * @throws AuditError `AUDIT_INVALID_OPTIONS` where there are no rules, or the log is signed and this process can't sign
   * @throws AuditError `AUDIT_LEDGER_BROKEN` where the log has no checkpoint to prove events by
   * @throws AuditError `AUDIT_NOT_SEALED` where the key does not answer
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`, also where the user of the connection may not delete
   * @throws the signal's reason. What was removed until then stays removed
   */
  removeExpired(options: RemovalOptions = {}): Promise<RemovalResult> {
    return this.removal.remove(options);
  }

  /**
   * Has events stay, whatever the rules say. It is an event itself, `audit.hold`, and in force when this resolves: a removal that
   * goes on regards it from its next batch on.
   *
   * @throws AuditError `AUDIT_INVALID_QUERY` naming the field; `AUDIT_INVALID_OPTIONS` where the log is signed and this process can't
   *   sign; `AUDIT_NOT_SEALED` where the key does not answer; `AUDIT_STORE_UNAVAILABLE`
   */
  async placeHold(input: LegalHoldInput): Promise<LegalHold> {
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
      reason: filled('reason', this.host.asked.words(reason)),
      placedBy: filled('placedBy', await this.host.asked.person(placedBy, tenantId ?? '')),
    };
    const tenant = hold.tenantId ?? OF_ALL;
    const { id, timestamp } = await this.record('hold', tenant, details);
    return holdOf({ id, timestamp, tenantId: tenant, action: HOLD_ACTION, details })!;
  }

  /**
   * Lifts a hold. It is an event itself, `audit.release-hold`.
   *
   * @returns the hold as it was
   * @throws AuditError `AUDIT_INVALID_QUERY` naming the field, also where no hold of this id is in force; else as {@link placeHold}
   */
  async liftHold(id: string, release: LegalHoldRelease): Promise<LegalHold> {
    const { reason, liftedBy } = copyOfQuery(release);
    if (!isEventId(id)) throw refuseHold('id', 'id must be that of a hold');
    const hold = (await this.legalHolds.on(undefined)).inForce.find((one) => one.id === id);
    if (!hold) throw refuseHold('id', 'no hold of this id is in force');
    const details = {
      holdId: id,
      reason: filled('reason', this.host.asked.words(reason)),
      liftedBy: filled('liftedBy', await this.host.asked.person(liftedBy, '')),
    };
    await this.record('hold-release', hold.tenantId ?? OF_ALL, details);
    return hold;
  }

  /**
   * The holds in force on events of a tenant, oldest first. In a log with keys, those alone that one of the keys has signed.
   *
   * @throws AuditError `AUDIT_INVALID_QUERY`; `AUDIT_STORE_UNAVAILABLE`
   */
  async holds(scope: AuditScope): Promise<LegalHold[]> {
    return (await this.legalHolds.on(splitScope(scope).tenantId)).inForce;
  }

  /**
   * What is stored and how much room it takes, for each tenant; of all of them, for those who run the installation. Reads an index of
   * all events.
   *
   * @throws AuditError `AUDIT_INVALID_QUERY`; `AUDIT_STORE_UNAVAILABLE`
   */
  storage(scope: AuditScope = { allTenants: true }): Promise<AuditStorage> {
    return storageOf(this.host.database, scope);
  }

  /** Stores the event of a hold or of its lifting, with its record where there is a key. */
  private async record(
    kind: 'hold' | 'hold-release',
    tenantId: string,
    details: Partial<AuditFacts>,
  ): Promise<AuditLogEvent> {
    assertSigns(this.host.log, 'the event of a legal hold', 'places and lifts holds');
    const { signer, trust } = this.host.log;
    const id = createEventId(Date.now());
    // In canonical JSON, so that it can be compared as a text.
    const lines = [id, canonicalJson(details as AuditFacts)];
    const claim = { kind, origin: trust.origin ?? '', lines };
    const record = signer && (await signInTime(signer, () => signStatement(claim, signer)));
    const said = raise(kind === 'hold' ? HOLD : RELEASE, { ...details, ...defined({ record }) });
    const event: AuditEventDraft = { id, tenantId, ...said };
    return this.host.recorder.recordVerbatim(inContext(event));
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
    if (this.host.asked.atRest.protection?.protects(field)) {
      throw refuseHold(
        field,
        `${field} is among the protected fields, so that no event is found by it. Place the hold on a resource, a time or the tenant`,
      );
    }
    const stored = storedForm(this.host.redactor, field, value);
    if (stored !== undefined) return stored;
    throw refuseHold(
      field,
      `redaction makes one value of several values of this ${field}, so that its events can't be told from others. Place the hold on the value that they show, on a time or on the tenant`,
    );
  }
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
