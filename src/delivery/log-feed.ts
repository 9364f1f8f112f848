import { AsyncResource } from 'node:async_hooks';
import type { Loop } from './delivery-loop.js';
import type { DeliveryOptions } from './delivery-options.js';
import { SENT_AT_ONCE } from './event-log.js';
import type { EventLog } from './event-log.js';

/** Tells the loop what is new in the log: at once where somebody waits or a batch is full, else after the flush interval. */
export class LogFeed {
  /** A loop knows the log. */
  isOpen = false;
  private isClosed = false;
  private isDueSoon = false;
  private timer: NodeJS.Timeout | undefined;
  /** Delivery runs in no request's context, whichever request set it off. */
  private readonly context = new AsyncResource('AuditDelivery');

  constructor(
    private readonly log: EventLog,
    private readonly loop: Loop,
    private readonly options: Required<DeliveryOptions>,
  ) {}

  /** Tells all of the log to a loop that knows nothing yet: the first one, or the next after its thread has died. */
  open(): void {
    if (this.isClosed) return;
    this.loop.open(this.log.begin());
    this.isOpen = true;
    this.tell();
  }

  schedule(): void {
    const { log, options } = this;
    if (this.isClosed || (log.news === 0 && !log.isUrgent)) return;
    // Of what only memory has, no more than that is ever news.
    if (log.isUrgent || log.news >= Math.min(options.batchSize, SENT_AT_ONCE)) this.tellSoon();
    else this.timer ??= setTimeout(() => this.tell(), options.flushIntervalMs);
  }

  /** With whatever else is recorded in the same turn. */
  tellSoon(): void {
    if (this.isDueSoon) return;
    this.isDueSoon = true;
    queueMicrotask(() => this.tell());
  }

  /** @param hurry somebody waits */
  tell(hurry = false): void {
    this.isDueSoon = false;
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.isClosed || !this.isOpen) return;
    this.context.runInAsyncScope(() => this.loop.advance(this.log.tell(hurry)));
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
  }
}
