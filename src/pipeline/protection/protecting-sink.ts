import type { AuditLogEvent } from '../../event/audit-log-event.js';
import { EventSink } from '../../delivery/event-sink.js';
import type { UnstoredEvent } from '../../delivery/event-sink.js';
import type { DeadLetterRepository } from '../../store/dead-letter.repository.js';
import type { Protector } from './protector.js';

/** Delivery that encrypts, under the keys of their subjects, what the journal has under that of the process. */
export class ProtectingSink extends EventSink {
  readonly takesTexts = false;

  constructor(
    private readonly sink: EventSink,
    private readonly protector: Protector,
  ) {
    super();
  }

  get whyNotReady(): string | undefined {
    return this.sink.whyNotReady;
  }

  async store(unsealed: readonly UnstoredEvent[], signal: AbortSignal): Promise<void> {
    const events = unsealed.map(({ event }) => event);
    const sealed = await this.protector.seal(events, { signal });
    // The text is of the event as it was; and one that has only that is not to be parsed a second time.
    const stored = sealed.map((event, place) =>
      event === events[place] ? { event, text: unsealed[place]!.text } : { event },
    );
    await this.sink.store(stored, signal);
  }

  ping(signal: AbortSignal): Promise<void> {
    return this.sink.ping(signal);
  }
}

/** What the database refuses is kept as it would have been stored. */
export class ProtectingDeadLetters implements Pick<DeadLetterRepository, 'keep'> {
  constructor(
    private readonly letters: Pick<DeadLetterRepository, 'keep'>,
    private readonly protector: Protector,
  ) {}

  async keep(event: AuditLogEvent, reason: string, signal?: AbortSignal): Promise<void> {
    const [sealed] = await this.protector.seal([event], { signal });
    await this.letters.keep(sealed!, reason, signal);
  }
}
