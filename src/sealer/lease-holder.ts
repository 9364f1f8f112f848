import type { Lease, SealingRepository } from '../store/sealing.repository.js';

/** How long the lease of a process that no longer keeps it is respected. */
const LEASE_MS = 10_000;
/** A holder keeps it this often. */
const RENEWAL_MS = LEASE_MS / 4;

/**
 * Who may seal: one process at a time, as long as it keeps saying so. No clock is compared with another's: a lease is over
 * once it was not kept for ten seconds by the watch of whoever wants it.
 */
export class LeaseHolder {
  private held: { readonly term: number; readonly keptAt: number } | undefined;
  private watched: (Lease & { readonly since: number }) | undefined;

  constructor(
    private readonly sealing: SealingRepository,
    private readonly name: string,
  ) {}

  /**
   * Takes the lease where it is free or over, and keeps it.
   *
   * @returns whether this process has it
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`
   */
  async hold(): Promise<boolean> {
    const now = performance.now();
    if (this.held && now - this.held.keptAt < RENEWAL_MS) return true;
    const lease = await this.sealing.lease();
    const isOwn = this.held !== undefined && lease.holder === this.name && lease.term === this.held.term;
    if (!isOwn && lease.holder !== '' && !this.isOver(lease, now)) {
      this.held = undefined;
      return false;
    }
    const taken = await this.sealing.takeLease(lease.term, this.name);
    this.held = taken ? { term: lease.term + 1, keptAt: now } : undefined;
    return taken;
  }

  /** Lets the next one have it at once. */
  async release(): Promise<void> {
    const { held } = this;
    this.held = undefined;
    if (held) await this.sealing.takeLease(held.term, '');
  }

  private isOver({ term, holder }: Lease, now: number): boolean {
    if (this.watched?.term !== term || this.watched.holder !== holder) {
      this.watched = { term, holder, since: now };
    }
    return now - this.watched.since >= LEASE_MS;
  }
}
