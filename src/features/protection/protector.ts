import { asId } from '../../event/as-id.js';
import { AuditError } from '../../event/audit-error.js';
import type { RateLimitedLog } from '../../event/audit-logger.js';
import type { AuditLogEvent, AuditValue } from '../../event/audit-log-event.js';
import type { StoreAccess, ValueProtection } from '../../recorder/at-rest.js';
import { ERASED, WITHHELD } from '../../recorder/hidden-event.js';
import { applyJudgement } from '../../recorder/stage.js';
import { decryptValues, encryptValues, keyIdOf } from './encrypted-values.js';
import { KeyUnavailableError } from './master-keys.js';
import { PROTECTED_KEY } from '../../event/protected-marks.js';
import { fitValues, withoutValues } from './protected-event.js';
import type { Protection } from './protection-options.js';
import type { DataKey, SubjectKeys } from './subject-keys.js';
import type { TransitKeys } from './transit-keys.js';

/** The name under which a failure stands in `metadata.stageErrors`. */
const STAGE = 'protect';
/** How long events wait for a key that can't be had, such as of a KMS that is away, before they are stored without their values. */
const KEY_PATIENCE_MS = 60_000;
/** How long a key that was given up is not waited for, since it was asked for last. */
const GIVEN_UP_MS = 600_000;
const MOST_GIVEN_UP = 10_000;
/** Stands for all keys, where none can be found or made. */
const ALL_KEYS = 'all';
/** Keys unwrapped at the same time. */
const AT_ONCE = 16;

/** What is encrypted on the way: whose, and the values. */
interface Carried {
  readonly subject: string;
  readonly values: Record<string, AuditValue>;
}

/** An event that is on its way into the database, and what it carried. */
type Opened = Carried & { readonly event: AuditLogEvent };

/**
 * Encrypts the values that are to be protected, in two steps. The first uses the key of the process, before
 * anybody sees the event. The second uses the key of the person, on the way into the database.
 */
export class Protector implements ValueProtection {
  /** Since when keys can't be had, and when one could not last: `performance.now()`. */
  private waiting = { since: -Infinity, last: -Infinity };
  /** Keys that were waited for in vain, by their ids, and when they could not be had last. */
  private readonly givenUp = new Map<string, number>();

  constructor(
    private readonly protection: Protection,
    private readonly transit: TransitKeys,
    private readonly keys: SubjectKeys,
    private readonly warnings: RateLimitedLog,
  ) {}

  /** Where it fails, the values are withheld. */
  beforeJournal(event: AuditLogEvent): AuditLogEvent {
    const found = withoutValues(event, this.protection);
    if (!found) return event;
    const { event: rest, values } = found;
    try {
      if (fitValues(rest, values)) failedAt(rest);
      const carried: Carried = { subject: asId(this.protection.subjectOf(event)) ?? '', values };
      const { id, key } = this.transit.current;
      rest.metadata[PROTECTED_KEY] = encryptValues('t1', key, id, rest, carried);
    } catch (error) {
      this.warnings.warn(
        'protect',
        `The values of an audit event can't be protected (${nameOf(error)}); it is recorded without them.`,
      );
      withhold(rest);
    }
    return rest;
  }

  protects(name: string): boolean {
    const { fields, isProtectedFact } = this.protection;
    return (fields as readonly string[]).includes(name) || isProtectedFact(name);
  }

  /** As the event of an erasure names a person. */
  digest(tenantId: string, value: string): Promise<string> {
    return this.keys.referenceOf(tenantId, value);
  }

  async beforeStore(
    events: readonly AuditLogEvent[],
    access: StoreAccess,
  ): Promise<readonly AuditLogEvent[]> {
    const stored = [...events];
    const opened: Opened[] = [];
    try {
      for (const [place, given] of events.entries()) {
        // As one that an earlier process has left in the journal, which had not listed this feature.
        const isClear = given.metadata[PROTECTED_KEY] === undefined;
        const event = isClear ? this.beforeJournal(given) : given;
        const keyId = keyIdOf(event.metadata[PROTECTED_KEY], 't1');
        if (keyId === undefined) continue;
        const copy = { ...event, metadata: { ...event.metadata } };
        stored[place] = copy;
        const carried = await this.carriedBy(event, keyId);
        if (carried) opened.push({ ...carried, event: copy });
        else withhold(copy);
      }
      if (opened.length === 0) return stored;
      const keys = await this.keys.keysFor(opened, access);
      this.givenUp.delete(ALL_KEYS);
      const byKey = new Map<DataKey, Opened[]>();
      opened.forEach((one, index) => {
        const row = keys[index];
        if (!row) one.event.metadata[PROTECTED_KEY] = ERASED;
        else if (byKey.has(row)) byKey.get(row)!.push(one);
        else byKey.set(row, [one]);
      });
      const groups = [...byKey];
      for (let from = 0; from < groups.length; from += AT_ONCE) {
        const some = groups.slice(from, from + AT_ONCE);
        await Promise.all(some.map(([row, group]) => this.encrypt(row, group)));
      }
      return stored;
    } catch (error) {
      if (!(error instanceof KeyUnavailableError)) throw error;
      this.giveUp(error, ALL_KEYS, 'keys', "The keys of protected values can't be had");
      for (const { event } of opened) withhold(event);
      return stored;
    }
  }

  private async encrypt(row: DataKey, group: readonly Opened[]): Promise<void> {
    try {
      await this.keys.use(row, (key) => {
        for (const { event, values } of group) {
          event.metadata[PROTECTED_KEY] = encryptValues('v1', key, row.id, event, values);
        }
      });
      this.givenUp.delete(row.id);
    } catch (error) {
      this.giveUp(error, row.id, 'key', `The key ${row.id} of protected values can't be used`);
      for (const { event } of group) withhold(event);
    }
  }

  /** What is carried; `undefined` where nobody can know it any more. */
  private async carriedBy(event: AuditLogEvent, keyId: string): Promise<Carried | undefined> {
    try {
      const key = await this.transit.find(keyId);
      if (key) return decryptValues(key, String(event.metadata[PROTECTED_KEY]), event) as Carried;
      throw new Error('its key is not beside the journal');
    } catch (error) {
      this.giveUp(
        error,
        keyId,
        'carried',
        "The protected values of an audit event in the journal can't be read",
      );
      return undefined;
    }
  }

  /**
   * Says that values are lost, once it is not worth waiting for their keys any longer.
   *
   * @param id of the key
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE` until then
   */
  private giveUp(error: unknown, id: string, topic: string, fault: string): void {
    let reason = String((error as Error).message);
    if (error instanceof KeyUnavailableError) {
      if (this.isWorthWaiting(id)) {
        throw new AuditError(
          'AUDIT_STORE_UNAVAILABLE',
          `${error.message} Events wait for the keys; after ${KEY_PATIENCE_MS / 1_000} s they are stored without these values`,
          { cause: error },
        );
      }
      reason = error.reason;
    }
    this.warnings.error(topic, `${fault} (${reason}); events are stored without these values.`);
  }

  /** A key that was given up is not waited for again: one that can never be had must not delay the others for ever. */
  private isWorthWaiting(id: string): boolean {
    const now = performance.now();
    if (now - (this.givenUp.get(id) ?? -Infinity) > GIVEN_UP_MS) {
      const { since, last } = this.waiting;
      // After so long without a failure it is another one.
      this.waiting = { since: now - last < KEY_PATIENCE_MS ? since : now, last: now };
      if (now - this.waiting.since < KEY_PATIENCE_MS) return true;
    }
    if (this.givenUp.size >= MOST_GIVEN_UP) this.givenUp.clear();
    this.givenUp.set(id, now);
    return false;
  }
}

function withhold(event: AuditLogEvent): void {
  event.metadata[PROTECTED_KEY] = WITHHELD;
  failedAt(event);
}

function failedAt(event: AuditLogEvent): void {
  applyJudgement(event, STAGE, { failed: true });
}

/** What an application's function throws may quote what the event has. */
function nameOf(error: unknown): string {
  return error instanceof Error ? error.constructor.name : typeof error;
}
