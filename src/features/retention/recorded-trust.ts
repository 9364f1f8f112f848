import { showValue } from '../../event/show-value.js';
import { isSameLog } from '../../ledger/checkpoint.js';
import type { OpenedStatement } from '../../ledger/statement.js';
import type { LedgerRepository } from '../../store/ledger.repository.js';
import { originOf } from '../../trail/believed-checkpoints.js';
import type { Trust } from '../../trail/believed-checkpoints.js';
import { ProvenLeaves, unlessBroken } from './proven-leaves.js';

/** Decides whether a statement in an event's details is to be believed: whoever may insert an event can write any. */
export class RecordedTrust {
  private known: Promise<string | undefined> | undefined;
  private proven: Promise<ProvenLeaves | undefined> | undefined;

  constructor(
    private readonly ledger: LedgerRepository,
    private readonly trust: Trust,
  ) {}

  /** Whether signatures count: whether there are keys to check them with. */
  get needsSignature(): boolean {
    return this.trust.verifiers.length > 0;
  }

  get verifiers(): Trust['verifiers'] {
    return this.trust.verifiers;
  }

  /**
   * Why the statement of the event is not to be believed; `undefined` where it is.
   *
   * @param eventId of the event that carries it
   * @param claim what was read of it: whoever may insert a row can have written it
   */
  async doubt(
    eventId: string,
    claim: Pick<OpenedStatement, 'origin' | 'isTrusted'> & { readonly eventId: string },
  ): Promise<string | undefined> {
    const { origin, eventId: meant, isTrusted } = claim;
    if (meant !== eventId) return `is that of event ${showValue(meant)}`;
    // Where nothing is sealed yet, nobody may know the name of the log.
    const known = (await (this.known ??= originOf(this.ledger, this.trust))) ?? origin;
    if (!isSameLog(origin, known)) return `is of the log ${showValue(origin)}, not of ${known}`;
    if (isTrusted || !this.needsSignature || (await this.isBeforeKeys(eventId))) return undefined;
    return 'has no signature by a trusted key';
  }

  /** Whether the event was sealed before the log had its first key, as checkpoints of then are believed. */
  async isBeforeKeys(eventId: string): Promise<boolean> {
    const { unsignedUntil } = this.trust;
    if (unsignedUntil === 0) return false;
    this.proven ??= unlessBroken(ProvenLeaves.newest(this.ledger, this.trust));
    return (await (await this.proven)?.hasEvent(eventId, unsignedUntil)) ?? false;
  }
}
