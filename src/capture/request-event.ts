// What a request's event says: its draft, and its conclusion. Both are made of the record alone.
import type { AuditCategory, AuditFacts, AuditOutcome } from '../event/audit-log-event.js';
import { FACT_LIMITS } from '../event/flatten.js';
import { mergeFacts } from '../event/merge-facts.js';
import { REDACTED, safeText } from '../event/safe-text.js';
import type { AuditEventDraft } from '../recorder/audit-event-draft.js';
import type { EventConclusion } from '../recorder/event-completer.js';
import type { SafePaths } from '../recorder/redaction/safe-paths.js';
import { annotationOf } from './annotation.js';
import { hasLeft, requestIdOf, sentStatusOf, statusOf } from './request-record.js';
import type { RequestRecord } from './request-record.js';
import { rawPathOf } from './request-target.js';
import { property } from './resolvers.js';
import type { AuditAnnotation } from './route-audit.js';

/**
 * How a request ends, as far as is known when its event is made. `lost`: nothing more is heard of it. `sent`: its answer, which is ready,
 * arrives. `closed`: its connection tells. `interrupted`: the process is about to end under it.
 */
export type Ending = 'lost' | 'sent' | 'closed' | 'interrupted';

/**
 * Who does what to which thing, as far as it is known: the event if the request succeeds.
 *
 * @param paths know which part of a path is secret
 */
export function draftOf(record: RequestRecord, paths: SafePaths): AuditEventDraft {
  const { route, identity } = record;
  const annotated = annotationOf(record);
  // Written out rather than put together from parts: every request passes here.
  return {
    id: record.id,
    timestamp: record.startedAt,
    tenantId: annotated.tenantId ?? identity.tenantId,
    userId: annotated.userId ?? identity.userId,
    action: annotated.action ?? route?.action ?? 'http.request',
    resource: annotated.resource ?? route?.resource ?? 'http',
    resourceId: annotated.resourceId ?? idOf(record.params),
    details: annotated.details,
    ipAddress: record.ipAddress,
    userAgent: record.request.headers['user-agent'],
    sessionId: annotated.sessionId ?? identity.sessionId,
    severity: annotated.severity ?? route?.severity,
    category: annotated.category ?? route?.category ?? categoryOf(record, undefined),
    outcome: annotated.outcome,
    metadata: annotated.metadata,
    captured: factsOf(record, annotated, paths),
  };
}

/** How the request ended, and what its answer adds to the draft. */
export function conclusionOf(record: RequestRecord, ending: Ending, paths: SafePaths): EventConclusion {
  const { route, declared } = record;
  const annotated = annotationOf(record);
  const statusCode = statusAt(record, ending);
  return {
    category: annotated.category ?? route?.category ?? categoryOf(record, statusCode),
    outcome: outcomeOf(record, ending),
    severity: annotated.severity ?? route?.severity,
    method: record.request.method ?? '',
    resourceId:
      annotated.resourceId ??
      declared.resourceId ??
      idOf(record.params) ??
      RESULT_IDS.reduce<string | undefined>((id, name) => id ?? idOf(record.result, name), undefined) ??
      (statusCode === 201 ? idInLocation(record, paths) : undefined),
    details: declared.details && mergeFacts(annotated.details, declared.details),
    blockedBy: record.blockedBy,
    captured: endFactsOf(record, ending, statusCode),
  };
}

/** What the capture itself says in `metadata` at the end. The platform may have given the request its id after it was described. */
function endFactsOf(record: RequestRecord, ending: Ending, statusCode: number | undefined): AuditFacts {
  const { blockedBy, errorName, brokenStream, withheld, stageErrors } = record;
  const facts: AuditFacts = { requestId: requestIdOf(record) };
  // An application may set what it likes; Node then sends a number anyway.
  if (statusCode !== undefined) facts['statusCode'] = Number(statusCode) || 0;
  if (ending !== 'lost') facts['durationMs'] = Math.round((performance.now() - record.startedTick) * 10) / 10;
  if (errorName !== undefined) facts['errorName'] = errorName;
  const stage = stageOf(record, statusCode);
  if (stage !== undefined) facts['stage'] = stage;
  if (blockedBy) facts['blockedBy'] = bounded(blockedBy.id);
  if (ending === 'closed' && !hasLeft(record) && !brokenStream && !withheld) facts['aborted'] = true;
  if (ending === 'lost' || ending === 'interrupted') facts['interrupted'] = true;
  if (withheld) facts['withheld'] = true;
  if (stageErrors) facts['stageErrors'] = [...stageErrors];
  return facts;
}

/**
 * What the capture itself says in `metadata`, see `docs/reference/format.md`, before the end. Within bounds, except what others can say: that
 * is cut once no secret is in it. Key by key, since V8 keeps an object that grows by computed keys as a hash table, which is slow to copy
 * and to write.
 */
function factsOf(record: RequestRecord, annotated: AuditAnnotation, paths: SafePaths): AuditFacts {
  const { request, route, pattern, identity } = record;
  const facts: AuditFacts = { method: bounded(request.method ?? ''), path: pathOf(record, paths) };
  if (pattern !== undefined) facts['route'] = bounded(pattern);
  facts['requestId'] = requestIdOf(record);
  const traceId = traceIdOf(request.headers['traceparent']);
  if (traceId !== undefined) facts['traceId'] = traceId;
  if (route?.handler) facts['handler'] = bounded(route.handler);
  const actorType = actorTypeOf(annotated, identity.actorType);
  if (actorType !== undefined) facts['actorType'] = actorType;
  // Whoever tried to log in and could not is nobody, whoever was logged in before.
  if (annotated.userId === '') return facts;
  if (identity.impersonatorId !== undefined) facts['impersonatorId'] = identity.impersonatorId;
  if (identity.roles?.length) facts['roles'] = identity.roles.map(bounded);
  return facts;
}

/** Without its query, secret parameters redacted, also where no route was found. */
function pathOf({ request, pattern }: RequestRecord, paths: SafePaths): string {
  try {
    const raw = rawPathOf(request);
    return pattern === undefined ? paths.ofNoRoute(raw) : paths.ofRoute(raw, pattern);
  } catch {
    return pattern ?? '';
  }
}

function bounded(text: string): string {
  return safeText(text, FACT_LIMITS.string);
}

/** What the application says itself counts; whom it names is no longer anonymous, as at a login. */
function actorTypeOf(
  { metadata, userId }: AuditAnnotation,
  resolved: string | undefined,
): string | undefined {
  const given: unknown = metadata?.['actorType'];
  // Any other value is the annotation's own, as it is.
  if (given !== undefined && given !== null) return typeof given === 'string' ? given : undefined;
  return resolved === 'anonymous' && userId !== undefined ? 'user' : resolved;
}

function isAnswerWhole(record: RequestRecord, ending: Ending): boolean {
  return ending === 'sent' || (ending !== 'lost' && hasLeft(record));
}

function statusAt(record: RequestRecord, ending: Ending): number | undefined {
  return ending === 'sent' ? statusOf(record) : sentStatusOf(record);
}

export function outcomeOf(record: RequestRecord, ending: Ending): AuditOutcome {
  const declared = annotationOf(record).outcome ?? record.declared.outcome;
  const statusCode = statusAt(record, ending);
  // An answer that did not arrive is never the success that the handler thought it was.
  if (!isAnswerWhole(record, ending)) return declared === 'failure' ? 'failure' : 'partial';
  // Nor is a handler that never ran.
  if (record.blockedBy) return 'failure';
  if (declared) return declared;
  if (record.errorName !== undefined || (statusCode ?? 0) >= 400) return 'failure';
  return statusCode === 207 ? 'partial' : 'success';
}

function categoryOf({ request, route }: RequestRecord, statusCode: number | undefined): AuditCategory {
  if (statusCode === 401) return 'authentication';
  if (statusCode === 403) return 'authorization';
  if (statusCode === 429) return 'security';
  const { method } = request;
  if (!route || route.isNone) {
    if (method === 'OPTIONS' || statusCode === undefined) return 'system';
    if (statusCode >= 400) return isUnrouted(statusCode) || statusCode >= 500 ? 'system' : 'security';
  }
  return method === 'GET' || method === 'HEAD' ? 'data_access' : 'data_modification';
}

/** Where a request was refused before its interceptors, pipes and handler. */
function stageOf(
  { blockedBy, route, passedGuards }: RequestRecord,
  statusCode: number | undefined,
): 'parser' | 'middleware' | 'router' | 'guard' | 'compliance' | undefined {
  if (blockedBy) return 'compliance';
  if (statusCode === undefined || statusCode < 400) return undefined;
  if (route && !route.isNone) return passedGuards ? undefined : 'guard';
  if (isUnrouted(statusCode)) return 'router';
  return [400, 413, 415].includes(statusCode) ? 'parser' : 'middleware';
}

/** Whether a status says that no route has taken the request, where none is known. */
export function isUnrouted(statusCode: number): boolean {
  return statusCode === 404 || statusCode === 405 || statusCode === 501;
}

/** Under which a returned object has its id; the first that is there counts. */
const RESULT_IDS = ['id', 'uuid', '_id', 'slug'] as const;

function idOf(holder: unknown, name = 'id'): string | undefined {
  try {
    return property(holder, name);
  } catch {
    return undefined;
  }
}

/** The last part of the path to what was created (RFC 9110, section 15.3.2). */
function idInLocation({ response, location }: RequestRecord, paths: SafePaths): string | undefined {
  try {
    const given = location ?? response.getHeader('location');
    if (typeof given !== 'string') return undefined;
    const { pathname } = new URL(given, 'http://localhost');
    const last = paths
      .ofNoRoute(pathname)
      .split('/')
      .findLast((part) => part !== '');
    return last === undefined || last === REDACTED ? undefined : decodeURIComponent(last);
  } catch {
    return undefined;
  }
}

/** The trace id of a W3C `traceparent` header (Trace Context, section 3.2). */
function traceIdOf(traceparent: unknown): string | undefined {
  if (typeof traceparent !== 'string') return undefined;
  const id = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/.exec(traceparent)?.[1];
  return id === '0'.repeat(32) ? undefined : id;
}
