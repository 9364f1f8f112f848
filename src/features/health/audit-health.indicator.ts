import type { DeliveryMode } from '../../delivery/delivery-options.js';
import type { AuditEventRepository } from '../../store/audit-event.repository.js';
import { within } from '../../store/within.js';
import type { AuditService } from '../../trail/audit.service.js';

/** How long the database may take to answer a check. */
const PATIENCE_MS = 1_000;

/** When {@link AuditHealthIndicator} says `down` besides. */
export interface AuditHealthOptions {
  /**
   * Milliseconds: where the oldest pending event has waited for longer, as when the database is slower than events come.
   * Choose more than `delivery.flushIntervalMs`.
   */
  readonly maxPendingMs?: number;
}

/** What {@link AuditHealthIndicator} tells. */
export interface AuditHealth {
  readonly status: 'up' | 'down';
  /** Why it is `down`: of `database away`, `journal can not be written`, `no room`, `events wait too long`. */
  readonly reason?: string;
  readonly mode: DeliveryMode;
  readonly pending: number;
  readonly oldestPendingMs: number;
  readonly dropped: number;
  readonly dead: number;
}

/**
 * The audit as a health indicator for `@nestjs/terminus`; works without that, too. Injected by Nest.
 *
 * `down` while the database does not answer or takes no events, the journal can't be written, or there is no room: also
 * where requests go on anyway, as in durable mode while the database is away. A probe that takes the application
 * out of service at that would make of an outage of the audit database one of the application: give the indicator an
 * endpoint that raises an alarm, and ask it in such a probe only in `strict` mode.
 *
 * A health endpoint may be public, so it tells counts and a short reason. What the driver or the file
 * system says may name hosts, users and paths: that is in the log, and in `AuditService.status()`.
 *
 * @example
 * ```ts
 * @Get('audit') @HealthCheck()
 * check() {
 *   return this.health.check([() => this.audit.isHealthy('audit', { maxPendingMs: 300_000 })]);
 * }
 * ```
 */
export class AuditHealthIndicator {
  private asking: Promise<void> | undefined;

  constructor(
    private readonly audit: Pick<AuditService, 'status'>,
    private readonly events: Pick<AuditEventRepository, 'ping'>,
  ) {}

  /**
   * Asks the database too, for at most a second, since delivery hears of it only where it has something to store.
   *
   * @param key the name in Terminus' answer
   */
  async isHealthy<Key extends string = 'audit'>(
    key = 'audit' as Key,
    { maxPendingMs = Infinity }: AuditHealthOptions = {},
  ): Promise<Record<Key, AuditHealth>> {
    const answers = this.audit.status().lastError === undefined && (await this.databaseAnswers());
    const { healthy, mode, pending, oldestPendingMs, dropped, dead, lastError, journalError } =
      this.audit.status();
    const reasons: string[] = [];
    if (!answers || lastError !== undefined) reasons.push('database away');
    if (journalError !== undefined) reasons.push('journal can not be written');
    // After the end there is none either.
    if (!healthy && reasons.length === 0) reasons.push('no room');
    if (oldestPendingMs > maxPendingMs) reasons.push('events wait too long');
    const health: AuditHealth = {
      status: reasons.length === 0 ? 'up' : 'down',
      ...(reasons.length > 0 && { reason: reasons.join(', ') }),
      mode,
      pending,
      oldestPendingMs,
      dropped,
      dead,
    };
    return { [key]: health } as Record<Key, AuditHealth>;
  }

  private async databaseAnswers(): Promise<boolean> {
    // One question at a time: a silent database is not to be asked with every connection that there is.
    const signal = AbortSignal.timeout(PATIENCE_MS);
    this.asking ??= this.events.ping(signal).finally(() => (this.asking = undefined));
    return within(PATIENCE_MS, this.asking).catch(() => false);
  }
}
