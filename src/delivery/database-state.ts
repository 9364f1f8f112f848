import { AuditError } from '../event/audit-error.js';
import type { AuditLogger, RateLimitedLog } from '../event/audit-logger.js';
import { describeStoreError } from '../store/store-error.js';

/** How long an answer of the database proves that it is there. */
const PROOF_MS = 1_000;

/** Whether the database takes events, as far as delivery knows. */
export class DatabaseState {
  /** What it said last; `undefined` while it takes events. */
  lastError: string | undefined;
  failures = 0;
  private answeredAt = -Infinity;
  private probe: Promise<void> | undefined;

  constructor(
    private readonly ping: () => Promise<void>,
    private readonly logger: AuditLogger,
    private readonly warnings: RateLimitedLog,
  ) {}

  noteAnswer(): void {
    this.answeredAt = performance.now();
    if (this.lastError === undefined) return;
    this.lastError = undefined;
    this.logger.log('The audit database takes events again.');
  }

  noteFailure(error: unknown, pending: number): void {
    this.failures += 1;
    this.lastError = describeStoreError(error);
    this.warnings.warn(
      'away',
      `The audit database does not take events: ${this.lastError}. ${pending} are kept and tried again.`,
    );
  }

  /** Makes sure that it is there; asks it only where nothing proves that. @throws AuditError `AUDIT_UNAVAILABLE` */
  async confirm(pending: number): Promise<void> {
    if (this.lastError !== undefined && pending > 0) throw unavailable(AWAY);
    if (this.lastError === undefined && performance.now() - this.answeredAt < PROOF_MS) return;
    this.probe ??= this.ask().finally(() => (this.probe = undefined));
    try {
      await this.probe;
    } catch (cause) {
      throw unavailable(AWAY, cause);
    }
  }

  private async ask(): Promise<void> {
    try {
      await this.ping();
    } catch (error) {
      this.lastError ??= describeStoreError(error);
      throw error;
    }
    this.noteAnswer();
  }
}

const AWAY = 'the audit database is away';

export function unavailable(why: string, cause?: unknown): AuditError {
  return new AuditError(
    'AUDIT_UNAVAILABLE',
    `The request was refused, and did nothing: ${why}. Its audit is a condition of it; try again later.`,
    { cause },
  );
}
