/**
 * Where the library says what it must say. Nest's `Logger` and `console` both fit. Messages never contain the
 * content of an event.
 */
export interface AuditLogger {
  log(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** Says it on the standard error output, so that what the application prints stays its own. */
export const consoleLogger: AuditLogger = {
  log: (message) => console.error(`[audit] ${message}`),
  warn: (message) => console.error(`[audit] warning: ${message}`),
  error: (message) => console.error(`[audit] error: ${message}`),
};

/** Passes on at most one message of a kind per interval, and says how many it suppressed. */
export class RateLimitedLog {
  private readonly kinds = new Map<string, { since: number; suppressed: number }>();

  constructor(
    private readonly logger: AuditLogger,
    private readonly intervalMs = 10_000,
  ) {}

  warn(kind: string, message: string): void {
    this.say('warn', kind, message);
  }

  error(kind: string, message: string): void {
    this.say('error', kind, message);
  }

  private say(level: 'warn' | 'error', kind: string, message: string): void {
    // Not the clock of the wall, which may be set back.
    const now = performance.now();
    const last = this.kinds.get(kind);
    if (last && now - last.since < this.intervalMs) {
      last.suppressed += 1;
      return;
    }
    this.kinds.set(kind, { since: now, suppressed: 0 });
    this.logger[level](last?.suppressed ? `${message} (and ${last.suppressed} more like it)` : message);
  }
}
