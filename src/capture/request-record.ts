import { errorMonitor } from 'node:events';
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { asId } from '../event/as-id.js';
import { errorNameOf } from '../event/audit-error.js';
import type { AuditEventInput } from '../event/audit-event-input.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { createEventId } from '../event/event-id.js';
import { safeText } from '../event/safe-text.js';
import type { Intent, Ticket } from '../recorder/audit-recorder.js';
import type { BlockingRule } from '../recorder/block-judge.js';
import type { PolicyRule } from '../features/policy/policy-rule.js';
import type { HeldAnswer, ResponseFunctions } from './held-answer.js';
import type { CapturedRequest } from './resolvers.js';
import type { RouteAudit } from './route-audit.js';

/** What `AuditService.annotate()` may add to the event of the current request. */
export type AuditAnnotation = Partial<
  Pick<
    AuditEventInput,
    | 'action'
    | 'resource'
    | 'resourceId'
    | 'userId'
    | 'tenantId'
    | 'sessionId'
    | 'severity'
    | 'category'
    | 'outcome'
    | 'details'
    | 'metadata'
  >
>;

/** Who acted and where from, as far as it is known. */
export interface RequestIdentity {
  readonly userId?: string;
  readonly tenantId?: string;
  readonly sessionId?: string;
  readonly actorType?: string;
  readonly impersonatorId?: string;
  /** Known once there is a user; empty for a user without roles. */
  readonly roles?: readonly string[];
}

/** A request's path without secrets, as much of it as is looked at. */
export interface SafePath {
  readonly path: string;
  /** Of the path as it was sent. */
  readonly length: number;
}

/** How a request's response ended, as its connection tells. */
export interface RequestEnding {
  /** The whole answer was handed to the operating system. */
  readonly complete: boolean;
  /** The connection was gone before that. */
  readonly aborted: boolean;
  /** The process is shutting down under the open request, or died. */
  readonly interrupted: boolean;
  /** Absent where no status was sent. */
  readonly statusCode: number | undefined;
  /** Milliseconds; absent where nobody knows. */
  readonly durationMs: number | undefined;
}

/** What was decided of a request: whether it is recorded. */
export interface Recording {
  readonly recorded: boolean;
  /** The policy's rule that decided; without one, `@Audit()` and the options did. */
  readonly rule?: PolicyRule;
}

/** What the application's functions and the selected fields of a request added to its event. */
export type SaidFacts = Partial<Pick<AuditEventInput, 'details' | 'outcome' | 'resourceId'>>;

// What most requests have, made once for all of them.
/** Nobody has asked yet who acts. */
export const NOT_IDENTIFIED: RequestIdentity = Object.freeze({});
const NO_FACTS: SaidFacts = Object.freeze({});
const NO_PARAMETERS = Object.freeze({});
const NO_HEADERS = Object.freeze({});
/** Of one request; the names come from annotations too, so their number is the application's. */
const MOST_FAULTS = 20;
const LONGEST_FAULT = 64;

/**
 * One request as plain data, from its arrival until its response closes. `RequestAudit` fills it step by step; each part stands under
 * the step that fills it first.
 */
export class RequestRecord {
  // Opened: when the request arrives.
  readonly startedAt = Date.now();
  readonly startedTick = performance.now();
  readonly id = createEventId(this.startedAt);
  /** The other end of the connection: the client, or the last proxy. */
  readonly peerAddress: string | undefined;
  /** Canonical address of the client, as soon as the platform can say it. */
  ipAddress: string | undefined = undefined;
  knowsAddress = false;
  /** What the response itself had before its functions were wrapped. */
  own: ResponseFunctions | undefined = undefined;

  // Routed: when a guard knows the route.
  /** What `@Audit()` says of the route that the request found. */
  route: RouteAudit | undefined = undefined;
  /** The platform's pattern of that route. */
  pattern: string | undefined = undefined;
  params: Readonly<Record<string, unknown>> = NO_PARAMETERS;
  /** Of a strict request: the response's headers before its handler ran. */
  headersBefore: OutgoingHttpHeaders = NO_HEADERS;
  /** The delivery mode refused it before its handler. */
  refused = false;

  // Identified: when every guard has let it through.
  passedGuards = false;
  identity: RequestIdentity = NOT_IDENTIFIED;
  /** What the identity was read from: `request.user`, `request.session`, and the values that the user had. */
  seenUser: unknown = undefined;
  seenSession: unknown = undefined;
  seenValues: readonly unknown[] | undefined = undefined;
  /** The compliance rule that refused it before its handler. */
  blockedBy: BlockingRule | undefined = undefined;
  /** The journal's note that the request has begun. */
  intent: Intent | undefined = undefined;
  /** Until the journal gets its intent, where no route takes the request before. */
  intentTimer: NodeJS.Timeout | undefined = undefined;

  // Said by the application, at any time until the end.
  readonly annotations: AuditAnnotation[] = [];
  /** What the handler returned, once it did. */
  result: unknown = undefined;
  hasResult = false;
  /** The class name of the last error thrown on the request's way, or of the stream that broke. */
  errorName: string | undefined = undefined;
  /** The answer broke on the server's side: its stream failed, or the application destroyed the response. */
  brokenStream = false;
  /** Streams that are piped into the response, with our listener on each. */
  streams: [source: Readable, note: (error: unknown) => void][] | undefined = undefined;
  /** What failed while the event was made, by the names of the fields it cost. */
  stageErrors: Set<string> | undefined = undefined;

  // Made of all that, and made again where it changed.
  recording: Recording | undefined = undefined;
  /** Whether it is recorded is decided for good. */
  isSettled = false;
  safePath: SafePath | undefined = undefined;
  /** The event without its end; it becomes the event. */
  description: AuditLogEvent | undefined = undefined;

  // Answered: when `end()` was called on the response.
  answered = false;
  said: SaidFacts = NO_FACTS;
  /** Its event, once that was entered. */
  ticket: Ticket | undefined = undefined;
  /** What was known then, and can still change the event. */
  enteredStatus: number | undefined = undefined;
  enteredAnnotations = 0;
  enteredError: string | undefined = undefined;
  enteredBlock: BlockingRule | undefined = undefined;
  /** There was no room for its event. */
  dropped = false;
  /** The answer that waits for its event. */
  held: HeldAnswer | undefined = undefined;
  /** Its answer was replaced by 503, since its event was not committed in time. */
  withheld = false;

  // Closed: when the answer has left, or its connection is gone.
  /** Of the head that was written: what the application does to the response's own status later never leaves. */
  sentStatus: number | undefined = undefined;
  /** Node has the whole answer. */
  isSent = false;
  /** The operating system took all of the answer at once. */
  handedOver = false;
  closed = false;

  constructor(
    readonly request: CapturedRequest,
    readonly response: ServerResponse,
  ) {
    this.peerAddress = request.socket?.remoteAddress;
  }
}

/** Something that the event or its recording is made of has changed. */
export function outdate(record: RequestRecord): void {
  record.description = undefined;
  if (!record.isSettled) record.recording = undefined;
}

/** @param name of what failed while the event was made */
export function noteFault(record: RequestRecord, name: string): void {
  const faults = (record.stageErrors ??= new Set());
  if (faults.size < MOST_FAULTS) faults.add(safeText(name, LONGEST_FAULT));
}

/** Forgets what the application added to the event. */
export function forgetSaid(record: RequestRecord): void {
  record.annotations.length = 0;
  record.said = NO_FACTS;
  record.result = undefined;
  record.hasResult = false;
  record.params = NO_PARAMETERS;
  outdate(record);
}

/** The platform's or a proxy's id of the request, as claimed; else the event's own. */
export function requestIdOf({ request, id }: RequestRecord): string {
  try {
    const claimed = asId(request['id']) ?? asId(request.headers['x-request-id']);
    return claimed === undefined ? id : safeText(claimed, 200);
  } catch {
    return id;
  }
}

/** The status that was sent, or that the response has now. */
export function statusOf({ sentStatus, response }: RequestRecord): number {
  return sentStatus ?? response.statusCode;
}

/** How the request ends if nothing more is heard of it. */
export function endingIfLost(record: RequestRecord): RequestEnding {
  return {
    complete: false,
    aborted: false,
    interrupted: true,
    statusCode: sentStatusOf(record),
    durationMs: undefined,
  };
}

/** How the request ends if its answer, which is ready, arrives. */
export function endingIfSent(record: RequestRecord): RequestEnding {
  return {
    complete: true,
    aborted: false,
    interrupted: false,
    statusCode: statusOf(record),
    durationMs: durationOf(record),
  };
}

/** How the response ended. Only meaningful once it closed, or at a shutdown. */
export function endingOf(record: RequestRecord, interrupted: boolean): RequestEnding {
  const { response, request, handedOver, brokenStream, withheld } = record;
  // Node calls a response finished also when its connection was destroyed while a part of it still waited.
  const isSent = response.writableFinished && (handedOver || !request.socket?.destroyed);
  const complete = isSent && !brokenStream && !withheld;
  return {
    complete,
    aborted: !complete && !brokenStream && !interrupted && !withheld,
    interrupted,
    statusCode: sentStatusOf(record),
    durationMs: durationOf(record),
  };
}

/** What was thrown on the request's way, or broke its stream. */
export function noteError(record: RequestRecord, thrown: unknown): void {
  record.errorName = errorNameOf(thrown);
}

/** What was to be the answer failed: one that has begun is broken, another can still be answered by an error. */
export function noteBroken(record: RequestRecord, error: unknown): void {
  if (record.closed) return;
  record.brokenStream ||= record.response.headersSent;
  noteError(record, error);
}

/** Watches a stream that is piped into the response, without taking its errors from whoever handles them. */
export function watchStream(record: RequestRecord, source: Readable): void {
  const note = (error: unknown) => noteBroken(record, error);
  source.once(errorMonitor, note);
  (record.streams ??= []).push([source, note]);
}

/** Lets go of the streams: one that serves many responses outlives this request. */
export function stopWatching(record: RequestRecord): void {
  for (const [source, note] of record.streams ?? []) source.off(errorMonitor, note);
  record.streams = undefined;
}

/** Remembers the response's headers as they are. */
export function noteHeaders(record: RequestRecord): void {
  const headers = Object.entries(record.response.getHeaders());
  // Lists as well: Node's `appendHeader` adds to the one that is there.
  record.headersBefore = Object.fromEntries(
    headers.map(([name, value]) => [name, Array.isArray(value) ? [...value] : value]),
  );
}

/** Node has the whole answer. */
export function noteSent(record: RequestRecord): void {
  const { response } = record;
  // Ended again, it is another answer to nobody.
  if (record.isSent) return;
  record.isSent = true;
  record.sentStatus ??= response.statusCode;
  record.handedOver = Boolean(response.socket) && response.writableLength === 0;
}

/** Remembers what was known when the event was entered. */
export function noteEntered(record: RequestRecord, ticket: Ticket | undefined): void {
  record.ticket = ticket;
  record.dropped = ticket === undefined;
  record.enteredStatus = statusOf(record);
  record.enteredAnnotations = record.annotations.length;
  record.enteredError = record.errorName;
  record.enteredBlock = record.blockedBy;
}

/** Whether the event would be another one now than the one that was entered. */
export function hasChanged(record: RequestRecord): boolean {
  return (
    record.enteredStatus !== statusOf(record) ||
    record.enteredAnnotations !== record.annotations.length ||
    record.enteredError !== record.errorName ||
    record.enteredBlock !== record.blockedBy
  );
}

function sentStatusOf(record: RequestRecord): number | undefined {
  // An answer that waits only looks as if it had left.
  const isSent = record.sentStatus !== undefined || (record.response.headersSent && !record.held);
  return isSent ? statusOf(record) : undefined;
}

function durationOf({ startedTick }: RequestRecord): number {
  return Math.round((performance.now() - startedTick) * 10) / 10;
}
