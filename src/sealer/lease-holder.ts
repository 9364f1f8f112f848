import type { Lease, SealingRepository } from '../store/sealing.repository.js';

/** How long the lease of a process that no longer renews it is respected. */
const LEASE_MS = 10_000;
const RENEWAL_MS = LEASE_MS / 4;

/**
 * Who may seal: one process at a time, as long as it renews its lease. No clock is compared with another's: a lease is over
 * once it was not renewed for ten seconds by the clock of whoever wants it.
 */
export class LeaseHolder {
  private lease: { readonly term: number; readonly renewedAt: number } | undefined;
  /** The lease as it was seen last, and since when it has not changed. */
  private seen: (Lease & { readonly since: number }) | undefined;

  constructor(
    private readonly sealing: SealingRepository,
    private readonly name: string,
  ) {}

  /**
   * Acquires the lease where it is free or over, and renews it.
   *
   * @returns whether this process has it
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`
   */
  async acquire(): Promise<boolean> {
    const now = performance.now();
    if (this.lease && now - this.lease.renewedAt < RENEWAL_MS) return true;
    const { term, holder } = await this.sealing.lease();
    if (this.seen?.term !== term || this.seen.holder !== holder) this.seen = { term, holder, since: now };
    const isRenewal = holder === this.name && term === this.lease?.term;
    const isFree = holder === '' || isRenewal || now - this.seen.since >= LEASE_MS;
    const isAcquired = isFree && (await this.sealing.changeLease(term, this.name));
    this.lease = isAcquired ? { term: term + 1, renewedAt: now } : undefined;
    return isAcquired;
  }

  /** Lets the next one have it at once. */
  async release(): Promise<void> {
    const { lease } = this;
    this.lease = undefined;
    if (lease) await this.sealing.changeLease(lease.term, '');
  }
}
