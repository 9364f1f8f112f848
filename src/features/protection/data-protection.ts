import { AuditError } from '../../event/audit-error.js';
import type { AuditEventInput } from '../../event/audit-event-input.js';
import type { AuditLogEvent } from '../../event/audit-log-event.js';
import { raise } from '../../event/raised-event.js';
import { isFilledText } from '../../event/option-schema.js';
import { pages } from '../../event/pages.js';
import { defined } from '../../event/present.js';
import type { FeatureHost } from '../../engine/audit-feature.js';
import { formsOf, storedForm } from '../../recorder/stored-text.js';
import type { IdField } from '../../recorder/stored-text.js';
import { checkTenantId, copyOfQuery } from '../../trail/audit-scope.js';
import type { ProtectedReader } from './protected-reader.js';
import { ERASE, ROTATE_KEYS } from './raised-events.js';
import type { SubjectKeys } from './subject-keys.js';
import type { TransitKeys } from './transit-keys.js';

/** A person, as the option `subject` names them, in one tenant. */
export interface AuditSubject {
  readonly tenantId: string;
  readonly subjectId: string;
}

/** What an erasure did. */
export interface AuditErasure {
  /** Of the event `audit.erase`. */
  readonly eventId: string;
  /** The keyed digest by which that event, and the table of keys, name the person. */
  readonly subject: string;
  /** Keys that were destroyed. */
  readonly keys: number;
  /** Unix epoch, milliseconds: what was recorded until then is erased. */
  readonly at: number;
  /**
   * Whether nothing in the journal of this process can be read any more either. If not, events are still on their way, as while the
   * database is away or a request goes on; it is so once they are stored.
   */
  readonly journalCleared: boolean;
}

export interface KeyRotationOptions {
  /** Also give every person another key, for what is recorded from now on. @defaultValue `false` */
  readonly dataKeys?: boolean;
  /** Ends it between two keys; what is done stays done. */
  readonly signal?: AbortSignal;
}

/** What a rotation did. */
export interface KeyRotation {
  /** Keys that the current master key has wrapped again. */
  readonly rewrapped: number;
  /** Persons who have got another key. */
  readonly renewed: number;
  /** Keys that could not be unwrapped, since somebody changed them: what they encrypt is lost. */
  readonly damaged: number;
}

/** A person in the forms in which events have them. */
interface CheckedSubject extends AuditSubject {
  readonly userIds: readonly string[];
}

/** Events read at a time by an export. */
const EXPORT_PAGE = 500;

/** The keys of persons, where there are any. */
export interface SubjectProtection {
  readonly keys: SubjectKeys;
  readonly transit: TransitKeys;
  /** The field of the event that names the person, where it is one of these. */
  readonly subjectField: IdField | undefined;
}

/** What the law gives a person: to have their data erased, and to get them; and the care for the keys that makes it possible. */
export class DataProtection {
  /** @param protection absent where there are no keys */
  constructor(
    private readonly protection: SubjectProtection | undefined,
    private readonly reader: ProtectedReader,
    private readonly host: FeatureHost,
  ) {}

  /**
   * Erases a person: destroys the keys of their protected values, so that nobody can read these any more, in the database, among the dead
   * letters or in the journal. The events stay, and verify as before; reads show `[erased]`. The erasure is an event itself. What is
   * recorded for the person later has another key.
   *
   * @throws AuditError `AUDIT_INVALID_QUERY` naming the field; `AUDIT_HELD` while a legal hold is on their events;
   *   `AUDIT_INVALID_OPTIONS` without keys; `AUDIT_STORE_UNAVAILABLE`; as `AuditService.record()` where it can't be recorded, and then
   *   nothing is erased
   */
  async forget(subject: AuditSubject): Promise<AuditErasure> {
    const { audit } = this.host;
    const { keys, transit, subjectField } = this.needed('forget()');
    const { tenantId, subjectId, userIds } = this.check(subject);
    const held = subjectField === 'userId' ? { tenantId, userIds } : { tenantId };
    const hold = await this.host.holdsOn(held);
    if (hold !== undefined) {
      throw new AuditError(
        'AUDIT_HELD',
        `The person can't be forgotten: the legal hold ${hold} is on events that may be theirs. Lift it first, where it may be lifted.`,
      );
    }
    const reference = await keys.referenceOf(tenantId, subjectId);
    const there = (await keys.bySubject(reference)).filter(({ erasedAt }) => erasedAt === null).length;
    const draft: AuditEventInput = {
      ...raise(ERASE, { subject: reference, keys: there }),
      tenantId,
    };
    // First: what can't be recorded is not done.
    const { id } = await audit.record(draft);
    const at = Date.now();
    try {
      await keys.destroy(tenantId, reference, at);
    } catch (error) {
      const failure = { outcome: 'failure', details: { ...draft.details, eventId: id } } as const;
      await audit.record({ ...draft, ...failure }).catch(() => undefined);
      throw error;
    }
    // While the database is away, they wait.
    await audit.flush().catch(() => undefined);
    return { eventId: id, subject: reference, keys: there, at, journalCleared: await transit.renew() };
  }

  /**
   * Answers a request for access: all events of a person, oldest first, in bounded memory. These are the events whose user they are, and
   * those with values under their keys, which are shown; another person's values are not. Reads all events of the tenant.
   *
   * @throws AuditError `AUDIT_INVALID_QUERY` naming the field, at the call; `AUDIT_STORE_UNAVAILABLE`
   */
  exportSubject(subject: AuditSubject): AsyncIterable<AuditLogEvent> {
    return this.host.reads.streamed({ method: 'exportSubject', query: subject }, () =>
      this.eventsOf(this.check(subject)),
    );
  }

  /**
   * Wraps again all data keys that another master key has wrapped, so that the one before can be destroyed; and gives each person another
   * data key, if asked. Goes on from there if it is called again after a failure. It is an event itself.
   *
   * @throws AuditError `AUDIT_INVALID_OPTIONS` without keys; `AUDIT_STORE_UNAVAILABLE`; or the signal's reason
   */
  async rotateKeys({ dataKeys = false, signal }: KeyRotationOptions = {}): Promise<KeyRotation> {
    const { keys } = this.needed('rotateKeys()');
    const { rewrapped, damaged } = await keys.rewrapAll(signal);
    const renewed = dataKeys ? await keys.renewAll(signal) : 0;
    await this.host.audit.record({
      ...raise(ROTATE_KEYS, { masterKey: keys.masters.currentId, rewrapped, renewed, damaged }),
      ...(damaged > 0 && { outcome: 'partial' }),
    });
    return { rewrapped, renewed, damaged };
  }

  private async *eventsOf({
    tenantId,
    subjectId,
    userIds,
  }: CheckedSubject): AsyncGenerator<AuditLogEvent, void> {
    const { keys } = this.protection ?? {};
    const rows = keys ? await keys.bySubject(await keys.referenceOf(tenantId, subjectId)) : [];
    const keyIds = rows.map(({ id }) => id);
    const filter = { tenantId, subject: { userIds, keyIds } };
    const found = pages<AuditLogEvent>(EXPORT_PAGE, (last) =>
      this.host.events.find(filter, { limit: EXPORT_PAGE, order: 'oldest', ...defined({ after: last?.id }) }),
    );
    for await (const page of found) yield* await this.reader.read(page, new Set(keyIds));
  }

  /** @throws AuditError `AUDIT_INVALID_QUERY` naming the field */
  private check(subject: AuditSubject): CheckedSubject {
    const { tenantId, subjectId } = copyOfQuery(subject);
    for (const [field, value] of Object.entries({ tenantId, subjectId })) {
      if (isFilledText(value)) continue;
      throw refuse(field, `${field} must be a text that is not empty, as the event has it`);
    }
    checkTenantId(tenantId);
    const field = this.protection ? this.protection.subjectField : 'userId';
    const stored = field ? storedForm(this.host.redactor, field, subjectId) : subjectId;
    if (stored === undefined) {
      throw refuse(
        'subjectId',
        'redaction makes one value of several in its place, so that its events can not be told from others',
      );
    }
    return { tenantId, subjectId: stored, userIds: formsOf(this.host.redactor, 'userId', subjectId) };
  }

  private needed(call: string): SubjectProtection {
    if (this.protection) return this.protection;
    throw new AuditError(
      'AUDIT_INVALID_OPTIONS',
      `${call} has nothing to work with: write the option protection.masterKey or protection.kms, so that each person has a key of their own.`,
      { field: 'protection.masterKey' },
    );
  }
}

function refuse(field: string, reason: string): AuditError {
  return new AuditError('AUDIT_INVALID_QUERY', `The person is not named: ${reason}.`, { field });
}
