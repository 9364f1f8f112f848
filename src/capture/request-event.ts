// What a request's event says: its draft, and its conclusion. Both are made of the record alone.
import { CATEGORIES, OUTCOMES, SEVERITIES } from '../event/audit-log-event.js';
import type { AuditCategory, AuditFacts, AuditOutcome } from '../event/audit-log-event.js';
import { asId } from '../event/as-id.js';
import { FACT_LIMITS } from '../event/flatten.js';
import { mergeFacts } from '../event/merge-facts.js';
import { safeText } from '../event/safe-text.js';
import { withinReach } from '../event/within-reach.js';
import type { AuditEventDraft } from '../recorder/audit-event-draft.js';
import type { EventConclusion } from '../recorder/event-completer.js';
import { noteFault, requestIdOf } from './request-record.js';
import type { AuditAnnotation, RequestEnding, RequestRecord, SafePath } from './request-record.js';

/** Who does what to which thing, as far as it is known: the event if the request succeeds. */
export function draftOf(record: RequestRecord, { path, length }: SafePath): AuditEventDraft {
  const { request, route, identity } = record;
  const said = mergeAnnotations(record);
  // Written out rather than put together from parts: every request passes here.
  const draft: { -readonly [Name in keyof AuditEventDraft]: AuditEventDraft[Name] } = {
    id: record.id,
    timestamp: record.startedAt,
    action: said.action ?? route?.action ?? 'http.request',
    resource: said.resource ?? route?.resource ?? 'http',
    category: said.category ?? route?.category ?? categoryOf(record, undefined),
    own: ownFacts(record, path, said),
  };
  if (length > path.length) draft.pathLength = length;
  const tenantId = said.tenantId ?? identity.tenantId;
  if (tenantId !== undefined) draft.tenantId = tenantId;
  const userId = said.userId ?? identity.userId;
  if (userId !== undefined) draft.userId = userId;
  const resourceId = said.resourceId ?? idOf(record.params);
  if (resourceId !== undefined) draft.resourceId = resourceId;
  if (record.ipAddress !== undefined) draft.ipAddress = record.ipAddress;
  const userAgent = request.headers['user-agent'];
  if (userAgent !== undefined) draft.userAgent = userAgent;
  const sessionId = said.sessionId ?? identity.sessionId;
  if (sessionId !== undefined) draft.sessionId = sessionId;
  const severity = said.severity ?? route?.severity;
  if (severity !== undefined) draft.severity = severity;
  if (said.outcome !== undefined) draft.outcome = said.outcome;
  if (said.details) draft.details = said.details;
  if (said.metadata) draft.metadata = said.metadata;
  return draft;
}

/** How the request ended, and what its answer adds to the draft. */
export function conclusionOf(record: RequestRecord, ending: RequestEnding): EventConclusion {
  const { route, said } = record;
  const { statusCode } = ending;
  const annotated = mergeAnnotations(record);
  return {
    category: annotated.category ?? route?.category ?? categoryOf(record, statusCode),
    outcome: outcomeOf(record, ending, annotated.outcome ?? said.outcome),
    severity: annotated.severity ?? route?.severity,
    method: record.request.method ?? '',
    requestId: requestIdOf(record),
    resourceId: annotated.resourceId ?? said.resourceId ?? idOf(record.params) ?? idOf(record.result),
    details: said.details && mergeFacts(annotated.details, said.details),
    statusCode,
    durationMs: ending.durationMs,
    errorName: record.errorName,
    stage: stageOf(record, statusCode),
    blockedBy: record.blockedBy,
    aborted: ending.aborted,
    interrupted: ending.interrupted,
    withheld: record.withheld,
    stageErrors: record.stageErrors,
  };
}

/**
 * What the capture itself says in `metadata`, see `docs/format.md`, before the end. Flat and within bounds, except what others can say: that
 * is cut once no secret is in it. Key by key, since V8 keeps an object that grows by computed keys as a hash table, which is slow to copy
 * and to write.
 */
function ownFacts(record: RequestRecord, path: string, said: AuditAnnotation): AuditFacts {
  const { request, route, pattern, identity } = record;
  const facts: AuditFacts = { method: bounded(request.method ?? ''), path };
  if (pattern !== undefined) facts['route'] = bounded(pattern);
  facts['requestId'] = requestIdOf(record);
  const traceId = traceIdOf(request.headers['traceparent']);
  if (traceId !== undefined) facts['traceId'] = traceId;
  if (route) facts['handler'] = bounded(route.handler);
  const actorType = actorTypeOf(said, identity.actorType);
  if (actorType !== undefined) facts['actorType'] = withinReach(actorType, FACT_LIMITS.string);
  if (identity.impersonatorId !== undefined)
    facts['impersonatorId'] = withinReach(identity.impersonatorId, FACT_LIMITS.string);
  if (identity.roles?.length) facts['roles'] = identity.roles.map(bounded);
  return facts;
}

function bounded(text: string): string {
  return safeText(text, FACT_LIMITS.string);
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

/** What the application said last counts; `details` and `metadata` add up. A value that can't be stored is named as a fault. */
function mergeAnnotations(record: RequestRecord): AuditAnnotation {
  if (record.annotations.length === 0) return NOTHING_SAID;
  const merged: Record<string, unknown> = {};
  for (const annotation of record.annotations) {
    for (const [name, value] of Object.entries(annotation)) {
      if (value === undefined || value === null) continue;
      const checked = checkAnnotation(name, value);
      if (checked === undefined) noteFault(record, `annotate.${name}`);
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
  record: RequestRecord,
  { complete, statusCode }: RequestEnding,
  said: AuditOutcome | undefined,
): AuditOutcome {
  // An answer that did not arrive is never the success that the handler thought it was.
  if (!complete) return said === 'failure' ? 'failure' : 'partial';
  // Nor is a handler that never ran.
  if (record.blockedBy) return 'failure';
  if (said) return said;
  if (record.errorName !== undefined || (statusCode ?? 0) >= 400) return 'failure';
  return statusCode === 207 ? 'partial' : 'success';
}

function categoryOf({ request, route }: RequestRecord, statusCode: number | undefined): AuditCategory {
  if (statusCode === 401) return 'authentication';
  if (statusCode === 403) return 'authorization';
  if (statusCode === 429) return 'security';
  const { method } = request;
  if (!route) {
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
  if (route) return passedGuards ? undefined : 'guard';
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
