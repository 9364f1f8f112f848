import { CATEGORIES, OUTCOMES, SEVERITIES } from '../event/audit-log-event.js';
import { asId } from '../event/as-id.js';
import { mergeFacts } from '../event/merge-facts.js';
import { ownFacts } from './own-facts.js';
import type { AuditCategory, AuditOutcome } from '../event/audit-log-event.js';
import type { AuditEventDraft } from '../pipeline/audit-event-draft.js';
import type { AuditAnnotation, CapturedEnding, RequestCapture } from './request-capture.js';

/**
 * The event of a request that ended, from what its stations saw.
 *
 * @param path the request's path, without query, its secret parameters redacted
 * @param pathLength how long it was, where that is more
 */
export function buildEvent(
  capture: RequestCapture,
  ending: CapturedEnding,
  path: string,
  pathLength = 0,
): AuditEventDraft {
  const { request, route, routeFacts, identity } = capture;
  const said = mergeAnnotations(capture);
  const { statusCode } = ending;
  const details =
    said.details || routeFacts.details ? mergeFacts(said.details, routeFacts.details) : undefined;
  // Written out rather than put together from parts: every request passes here.
  const draft: { -readonly [Name in keyof AuditEventDraft]: AuditEventDraft[Name] } = {
    id: capture.id,
    timestamp: capture.startedAt,
    action: said.action ?? route?.action ?? 'http.request',
    resource: said.resource ?? route?.resource ?? 'http',
    category: said.category ?? route?.category ?? categoryOf(capture, statusCode),
    outcome: outcomeOf(capture, ending, statusCode, said.outcome ?? routeFacts.outcome),
    own: ownFacts({
      method: request.method ?? '',
      path,
      route: capture.pattern,
      statusCode,
      durationMs: ending.durationMs,
      requestId: capture.requestId,
      traceId: traceIdOf(request.headers['traceparent']),
      handler: route?.handler,
      errorName: capture.errorName,
      stage: stageOf(capture, statusCode),
      actorType: actorTypeOf(said, identity.actorType),
      impersonatorId: identity.impersonatorId,
      roles: identity.roles,
      blockedBy: capture.blockedBy?.id,
      aborted: ending.aborted,
      interrupted: ending.interrupted,
      withheld: capture.withheld,
      stageErrors: capture.stageErrors,
    }),
  };
  if (pathLength > path.length) draft.pathLength = pathLength;
  const tenantId = said.tenantId ?? identity.tenantId;
  if (tenantId !== undefined) draft.tenantId = tenantId;
  const userId = said.userId ?? identity.userId;
  if (userId !== undefined) draft.userId = userId;
  const resourceId = said.resourceId ?? routeFacts.resourceId ?? idOf(capture.params) ?? idOf(capture.result);
  if (resourceId !== undefined) draft.resourceId = resourceId;
  if (details) draft.details = details;
  if (capture.ipAddress !== undefined) draft.ipAddress = capture.ipAddress;
  const userAgent = request.headers['user-agent'];
  if (userAgent !== undefined) draft.userAgent = userAgent;
  const sessionId = said.sessionId ?? identity.sessionId;
  if (sessionId !== undefined) draft.sessionId = sessionId;
  const severity = said.severity ?? route?.severity;
  if (severity !== undefined) draft.severity = severity;
  if (said.metadata) draft.metadata = said.metadata;
  if (capture.blockedBy) {
    draft.blockedBy = capture.blockedBy;
    draft.complianceFlags = [capture.blockedBy.id];
  }
  return draft;
}

/** What the application says itself counts; whom it names is no longer anonymous, as at a login. */
function actorTypeOf(
  { metadata, userId }: AuditAnnotation,
  resolved: string | undefined,
): string | undefined {
  const said: unknown = metadata?.['actorType'];
  // Any other value is the annotation's own, as it is.
  if (said !== undefined && said !== null) return typeof said === 'string' ? said : undefined;
  return resolved === 'anonymous' && userId !== undefined ? 'user' : resolved;
}

const NOTHING_SAID: AuditAnnotation = Object.freeze({});

/** What the application said last counts; `details` and `metadata` add up. A value that can't be is noted, not stored. */
function mergeAnnotations(capture: RequestCapture): AuditAnnotation {
  if (capture.annotations.length === 0) return NOTHING_SAID;
  const merged: Record<string, unknown> = {};
  for (const annotation of capture.annotations) {
    for (const [name, value] of Object.entries(annotation)) {
      if (value === undefined || value === null) continue;
      const checked = checkAnnotation(name, value);
      if (checked === undefined) capture.noteFault(`annotate.${name}`);
      else if (name === 'details' || name === 'metadata') {
        // The last word first: it counts, and it is kept.
        merged[name] = mergeFacts(checked as object, merged[name] as object | undefined);
      } else merged[name] = checked;
    }
  }
  return merged as AuditAnnotation;
}

const VOCABULARY: Readonly<Record<string, readonly string[]>> = {
  severity: SEVERITIES,
  category: CATEGORIES,
  outcome: OUTCOMES,
};
const ANNOTATED_TEXT = new Set(['action', 'resource', 'resourceId', 'userId', 'tenantId', 'sessionId']);

function checkAnnotation(name: string, value: unknown): unknown {
  const allowed = VOCABULARY[name];
  if (allowed) return allowed.includes(value as string) ? value : undefined;
  if (ANNOTATED_TEXT.has(name)) return asId(value);
  const isFacts =
    (name === 'details' || name === 'metadata') && typeof value === 'object' && !Array.isArray(value);
  return isFacts ? value : undefined;
}

function outcomeOf(
  capture: RequestCapture,
  ending: CapturedEnding,
  statusCode: number | undefined,
  said: AuditOutcome | undefined,
): AuditOutcome {
  // An answer that did not arrive is never the success that the handler thought it was.
  if (!ending.complete) return said === 'failure' ? 'failure' : 'partial';
  // Nor is what never ran.
  if (capture.blockedBy) return 'failure';
  if (said) return said;
  if (capture.errorName !== undefined || (statusCode ?? 0) >= 400) return 'failure';
  return statusCode === 207 ? 'partial' : 'success';
}

function categoryOf(capture: RequestCapture, statusCode: number | undefined): AuditCategory {
  if (statusCode === 401) return 'authentication';
  if (statusCode === 403) return 'authorization';
  if (statusCode === 429) return 'security';
  const { method } = capture.request;
  if (!capture.route) {
    if (method === 'OPTIONS' || statusCode === undefined) return 'system';
    if (statusCode >= 400) return isUnrouted(statusCode) || statusCode >= 500 ? 'system' : 'security';
  }
  return method === 'GET' || method === 'HEAD' ? 'data_access' : 'data_modification';
}

/** Where a request was refused before its interceptors, pipes and handler. */
function stageOf(
  capture: RequestCapture,
  statusCode: number | undefined,
): 'parser' | 'middleware' | 'router' | 'guard' | 'compliance' | undefined {
  if (capture.blockedBy) return 'compliance';
  if (statusCode === undefined || statusCode < 400) return undefined;
  if (capture.route) return capture.passedGuards ? undefined : 'guard';
  if (isUnrouted(statusCode)) return 'router';
  return [400, 413, 415].includes(statusCode) ? 'parser' : 'middleware';
}

function isUnrouted(statusCode: number): boolean {
  return statusCode === 404 || statusCode === 405 || statusCode === 501;
}

function idOf(holder: unknown): string | undefined {
  if (typeof holder !== 'object' || holder === null) return undefined;
  try {
    return asId((holder as { id?: unknown }).id);
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
