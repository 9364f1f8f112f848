import { RateLimitedLog } from '../event/audit-logger.js';
import type { AuditLogger } from '../event/audit-logger.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { AtRest } from './at-rest.js';

/** Events kept for those who listen from the application's start. */
const MAX_RECOVERED = 1_000;

type Listener = (event: AuditLogEvent) => void;
type Observer = (event: AuditLogEvent, shown: AuditLogEvent) => void;

/** Who hears of each event as it is recorded. One that throws costs nobody else anything. */
export class Listeners {
  private readonly listeners = new Set<Listener>();
  private readonly observers = new Set<Observer>();
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
   * Calls `listener` with each event recorded from now on. Answers how to stop.
   *
   * @param recovered also with what was found at the start, such as interrupted requests, before anybody could listen; once,
   *   for the first who asks
   */
  subscribe(listener: Listener, recovered = false): () => void {
    this.listeners.add(listener);
    if (recovered) for (const event of this.recovered?.splice(0) ?? []) this.tell(listener, event);
    if (recovered) this.recovered = undefined;
    return () => this.listeners.delete(listener);
  }

  /** Calls `observer` with each event recorded from now on, with its protected values, and with what others see of it. */
  observe(observer: Observer): void {
    this.observers.add(observer);
  }

  /** @param clear the event with its protected values */
  announce(event: AuditLogEvent, clear = event): void {
    const shown = this.atRest.shown(event);
    for (const observer of this.observers) this.tell(observer, clear, shown);
    for (const listener of this.listeners) this.tell(listener, shown);
  }

  /** As {@link announce}, in the next turn: whoever makes the event enters it in this one. */
  announceSoon(event: AuditLogEvent): void {
    queueMicrotask(() => {
      if (this.recovered && this.recovered.length < MAX_RECOVERED)
        this.recovered.push(this.atRest.shown(event));
      this.announce(event);
    });
  }

  private tell<E extends AuditLogEvent[]>(listener: (...events: E) => void, ...events: E): void {
    try {
      listener(...events);
    } catch {
      this.warnings.warn('listener', 'A listener to audit events threw; the event is recorded anyway.');
    }
  }
}
