import type { AuditError } from '../event/audit-error.js';
import type { EventLog, LogMark } from './event-log.js';
import type { Progress } from './messages.js';

interface Flush {
  /** The loop has to know of news after these. */
  readonly turn: number;
  readonly upTo: LogMark;
  readonly resolve: () => void;
  readonly reject: (error: AuditError) => void;
}

/** Those who wait until all is stored that was released when they came. */
export class Flushes {
  private readonly waiting = new Set<Flush>();

  constructor(private readonly log: EventLog) {}

  get areWaiting(): boolean {
    return this.waiting.size > 0;
  }

  /**
   * Resolves once the loop says that all is stored that the log has now. Even where all seems to be stored already, the loop has to
   * say so: it may know of what can't be.
   *
   * @param turn of the news before those that tell of it
   * @throws what {@link fail} is given
   */
  wait(turn: number): Promise<void> {
    const upTo = this.log.mark();
    return new Promise((resolve, reject) => this.waiting.add({ turn, upTo, resolve, reject }));
  }

  /** The loop has come further, and the log knows it. */
  noteProgress({ turn }: Progress): void {
    for (const flush of this.waiting) {
      if (turn <= flush.turn || !this.log.isStoredThrough(flush.upTo)) continue;
      this.waiting.delete(flush);
      flush.resolve();
    }
  }

  fail(error: AuditError): void {
    for (const { reject } of this.waiting) reject(error);
    this.waiting.clear();
  }
}
