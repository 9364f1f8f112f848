import { RateLimitedLog } from '../event/audit-logger.js';
import type { AuditLogger } from '../event/audit-logger.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { AtRest } from './at-rest.js';

/** Events kept for those who listen from the application's start. */
const MAX_RECOVERED = 1_000;

/** @param shown the event as those see it who may not see protected values */
type Listener = (event: AuditLogEvent, shown: AuditLogEvent) => void;

/** Who hears of each event as it is recorded. One that throws costs nobody else anything. */
export class Listeners {
  private readonly listeners = new Set<Listener>();
  private readonly warnings: RateLimitedLog;
  /** What delivery reported before anybody could listen; until somebody asks for it. */
  private recovered: AuditLogEvent[] | undefined = [];

  constructor(
    logger: AuditLogger,
    private readonly atRest = new AtRest(),
  ) {
    this.warnings = new RateLimitedLog(logger);
  }

  /**
   * Calls `listener` with what may be shown of each event recorded from now on. Answers how to stop.
   *
   * @param recovered also with what was found at the start, such as interrupted requests, before anybody could listen; once,
   *   for the first who asks
   */
  subscribe(listener: (shown: AuditLogEvent) => void, recovered = false): () => void {
    const own: Listener = (_event, shown) => listener(shown);
    this.listeners.add(own);
    if (recovered) for (const event of this.recovered?.splice(0) ?? []) this.tell(own, event, event);
    if (recovered) this.recovered = undefined;
    return () => this.listeners.delete(own);
  }

  /** Calls `listener` with each event recorded from now on, with its protected values, and with what others see of it. */
  observe(listener: Listener): void {
    this.listeners.add((event, shown) => listener(event, shown));
  }

  /** @param clear the event with its protected values */
  announce(event: AuditLogEvent, clear = event): void {
    const shown = this.atRest.shown(event);
    for (const listener of this.listeners) this.tell(listener, clear, shown);
  }

  /** As {@link announce}, in the next turn: whoever makes the event enters it in this one. */
  announceSoon(event: AuditLogEvent): void {
    queueMicrotask(() => {
      if (this.recovered && this.recovered.length < MAX_RECOVERED)
        this.recovered.push(this.atRest.shown(event));
      this.announce(event);
    });
  }

  private tell(listener: Listener, event: AuditLogEvent, shown: AuditLogEvent): void {
    try {
      listener(event, shown);
    } catch {
      this.warnings.warn('listener', 'A listener to audit events threw; the event is recorded anyway.');
    }
  }
}
