import type { AuditLogEvent } from '../event/audit-log-event.js';
import type { EventCompleter } from '../recorder/event-completer.js';
import { NO_ANNOTATION } from './annotation.js';
import { askRoute } from './read-declared.js';
import { conclusionOf, draftOf } from './request-event.js';
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
    if (!record.routeAnnotation) askRoute(record);
    return (record.description ??= this.completer.describe(draftOf(record, this.paths)));
  }

  /**
   * The whole event; `undefined` where none can be made.
   *
   * @param ending `lost` for what the journal is to know of a request that has begun: not judged yet
   */
  eventOf(record: RequestRecord, ending: Ending): AuditLogEvent | undefined {
    try {
      return this.make(record, ending);
    } catch (error) {
      this.fail(error);
      forgetDeclared(record);
      noteFault(record, 'event');
    }
    try {
      return this.make(record, ending);
    } catch (error) {
      this.fail(error);
      return undefined;
    }
  }

  private make(record: RequestRecord, ending: Ending): AuditLogEvent {
    askRoute(record, ending);
    let event = this.describe(record);
    if (ending === 'lost')
      event = { ...event, details: { ...event.details }, metadata: { ...event.metadata } };
    // It becomes the event: a later one needs a description of its own.
    else record.description = undefined;
    this.completer.conclude(event, conclusionOf(record, ending, this.paths));
    return ending === 'lost' ? event : this.completer.judge(event, { blockedBy: record.blockedBy });
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
