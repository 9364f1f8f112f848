import type { AuditLogEvent } from '../../event/audit-log-event.js';
import type { LetterBox } from '../../delivery/batch-store.js';
import { EventSink } from '../../delivery/event-sink.js';
import type { Protector } from './protector.js';

/** Delivery that encrypts, under the keys of their subjects, what the journal has under that of the process. */
export class ProtectingSink extends EventSink {
  constructor(
    private readonly sink: EventSink,
    private readonly protector: Protector,
  ) {
    super();
  }

  get whyNotReady(): string | undefined {
    return this.sink.whyNotReady;
  }

  async store(events: readonly AuditLogEvent[], signal: AbortSignal): Promise<void> {
    await this.sink.store(await this.protector.seal(events, { signal }), signal);
  }

  ping(signal: AbortSignal): Promise<void> {
    return this.sink.ping(signal);
  }
}

/** What the database refuses is kept as it would have been stored. */
export class ProtectingDeadLetters implements LetterBox {
  constructor(
    private readonly letters: LetterBox,
    private readonly protector: Protector,
  ) {}

  async keep(event: AuditLogEvent, reason: string, signal?: AbortSignal): Promise<void> {
    const [sealed] = await this.protector.seal([event], { signal });
    await this.letters.keep(sealed!, reason, signal);
  }
}
