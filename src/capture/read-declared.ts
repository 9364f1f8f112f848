import { asId } from '../event/as-id.js';
import { OUTCOMES } from '../event/audit-log-event.js';
import { isThenable } from '../event/is-thenable.js';
import { mergeFacts } from '../event/merge-facts.js';
import { present } from '../event/present.js';
import { annotationOf, NO_ANNOTATION } from './annotation.js';
import type { RecordedFields } from './recording-choice.js';
import { outcomeOf } from './request-event.js';
import type { Ending } from './request-event.js';
import { noteFault } from './request-record.js';
import type { RequestRecord } from './request-record.js';
import { queryOf } from './request-target.js';
import type { AuditRouteContext } from './route-audit.js';
import { answerFields, selectFields } from './select-fields.js';

/**
 * Reads what `@Audit()` and the recorded fields add to the event, while the request is still whole. Each piece that fails costs itself
 * only, and is named in `metadata.stageErrors`.
 */
export function readDeclared(record: RequestRecord, fields: RecordedFields): void {
  const { request, route, result, errorName } = record;
  const saysNothing = route?.details === undefined && !route?.resourceId && !route?.outcome;
  if (saysNothing && fields.query === false && fields.body === false && fields.response === false) return;
  const context = contextOf(record);
  const attempt = <T>(name: string, ask: () => T): T | undefined => {
    try {
      const value = ask();
      if (isThenable(value)) throw new TypeError('answered a promise');
      return value;
    } catch {
      // A function that reads the result has none to read where the request was refused: that is no fault of its.
      if (record.hasResult || errorName === undefined) noteFault(record, name);
      return undefined;
    }
  };
  const details = attempt('details', () =>
    typeof route?.details === 'function' ? route.details(context) : route?.details,
  );
  const query = attempt('query', () => selectFields(fields.query && queryOf(request), fields.query));
  const body = attempt('body', () => selectFields(request['body'], fields.body));
  // What was thrown instead is no answer of the handler's.
  const isAnswer = record.hasResult && errorName === undefined;
  const response = attempt('response', () => (isAnswer ? answerFields(result, fields.response) : undefined));
  const resourceId = attempt('resourceId', () => asId(route?.resourceId?.(context)));
  const outcome = attempt('outcome', () => {
    const value = route?.outcome?.(context);
    if (value !== undefined && !OUTCOMES.includes(value)) throw new TypeError('is no outcome');
    return value;
  });
  record.declared = {
    // What the application says comes first: what a client sends must not push it out of a full record.
    details: mergeFacts(details, { query, body, response }),
    ...present('resourceId', resourceId),
    ...present('outcome', outcome),
  };
}

/** Asks the route about the outcome; where the end is not known, as of a success. Whatever depends on that is made again. */
export function askRoute(record: RequestRecord, ending?: Ending): void {
  const annotate = record.route?.annotate;
  // What it said could not be stored.
  if (!annotate || record.stageErrors?.has('event')) return;
  const outcome = ending ? outcomeOf(record, ending) : 'success';
  record.description = undefined;
  record.routeAnnotation = NO_ANNOTATION;
  const { userId, tenantId, sessionId } = { ...record.identity, ...annotationOf(record) };
  try {
    const annotation = annotate({ ...contextOf(record), outcome, userId, tenantId, sessionId });
    if (isThenable(annotation)) throw new TypeError('answered a promise');
    if (annotation) record.routeAnnotation = { ...annotation };
  } catch {
    // Before the answer, and where the request was refused, there is no result to read.
    if (record.answered && (record.hasResult || record.errorName === undefined))
      noteFault(record, 'annotate');
  }
}

function contextOf({ request, params, user, result, errorName }: RequestRecord): AuditRouteContext {
  return { request, params, user, result, ...present('errorName', errorName) };
}
