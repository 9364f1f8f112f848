import type { AuditLogEvent } from '../event/audit-log-event.js';
import type { EventCompleter } from '../recorder/event-completer.js';
import { NO_ANNOTATION } from './annotation.js';
import { askRoute } from './read-declared.js';
import { conclusionOf, draftOf, outcomeOf } from './request-event.js';
import type { Ending } from './request-event.js';
import { noteFault, NO_PARAMETERS, NOTHING_DECLARED, outdate } from './request-record.js';
import type { RequestRecord } from './request-record.js';
import type { SafePaths } from '../recorder/redaction/safe-paths.js';

/** Makes events of the records of requests. Where what the application added can't be stored, the event is made without that. */
export class EventMaker {
  /** @param fail is told of each fault of the audit's own */
  constructor(
    private readonly completer: EventCompleter,
    private readonly paths: SafePaths,
    private readonly fail: (error: unknown) => void,
  ) {}

  /** The event if the request succeeds, as far as it is known. */
  describe(record: RequestRecord): AuditLogEvent {
    if (!record.routeAnnotation) askRoute(record, () => 'success');
    return (record.description ??= this.completer.describe(draftOf(record, this.paths)));
  }

  /** The whole event; `undefined` where none can be made. */
  eventOf(record: RequestRecord, ending: Ending): AuditLogEvent | undefined {
    return this.made(record, () => {
      askRoute(record, () => outcomeOf(record, ending));
      const event = this.describe(record);
      // It becomes the event: a later one needs a description of its own.
      record.description = undefined;
      this.completer.conclude(event, conclusionOf(record, ending, this.paths));
      return this.completer.judge(event, { blockedBy: record.blockedBy });
    });
  }

  /** What the journal is to know of a request that has begun: its event if nothing more is heard of it, not judged yet. */
  begunOf(record: RequestRecord): AuditLogEvent | undefined {
    return this.made(record, () => {
      askRoute(record, () => outcomeOf(record, 'lost'));
      const { details, metadata, ...known } = this.describe(record);
      const event = { ...known, details: { ...details }, metadata: { ...metadata } };
      this.completer.conclude(event, conclusionOf(record, 'lost', this.paths));
      return event;
    });
  }

  private made(record: RequestRecord, make: () => AuditLogEvent): AuditLogEvent | undefined {
    try {
      return make();
    } catch (error) {
      this.fail(error);
      forgetDeclared(record);
      noteFault(record, 'event');
    }
    try {
      return make();
    } catch (error) {
      this.fail(error);
      return undefined;
    }
  }
}

/** Forgets what the application added to the event: the request still happened. */
function forgetDeclared(record: RequestRecord): void {
  record.annotations.length = 0;
  record.routeAnnotation = NO_ANNOTATION;
  record.declared = NOTHING_DECLARED;
  record.result = undefined;
  record.hasResult = false;
  record.params = NO_PARAMETERS;
  outdate(record);
}
