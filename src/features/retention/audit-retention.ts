import type { AuditDatabase } from '../../store/audit-database.js';
import { splitScope } from '../../trail/audit-scope.js';
import type { AuditScope } from '../../trail/audit-scope.js';
import type { LegalHold } from './hold-events.js';
import type { LegalHoldInput, LegalHoldRelease, LegalHolds } from './legal-holds.js';
import type { Removal, RemovalOptions, RemovalResult } from './removal.js';
import { storageOf } from './storage.js';
import type { AuditStorage } from './storage.js';

/** How long events are kept, which of them have to stay, and what they take. A plain class, injected by Nest. */
export class AuditRetention {
  constructor(
    private readonly removal: Removal,
    private readonly legalHolds: LegalHolds,
    private readonly database: AuditDatabase,
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
  placeHold(hold: LegalHoldInput): Promise<LegalHold> {
    return this.legalHolds.place(hold);
  }

  /**
   * Lifts a hold. It is an event itself, `audit.release-hold`.
   *
   * @returns the hold as it was
   * @throws AuditError `AUDIT_INVALID_QUERY` naming the field, also where no hold of this id is in force; else as {@link placeHold}
   */
  liftHold(id: string, release: LegalHoldRelease): Promise<LegalHold> {
    return this.legalHolds.lift(id, release);
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
    return storageOf(this.database, scope);
  }
}
