import { errorMonitor } from 'node:events';
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import type { Readable } from 'node:stream';
import { asId } from '../event/as-id.js';
import { errorNameOf } from '../event/audit-error.js';
import type { AuditEventInput } from '../event/audit-event-input.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { createEventId } from '../event/event-id.js';
import { safeText } from '../event/safe-text.js';
import type { Intent, Ticket } from '../recorder/audit-recorder.js';
import type { BlockingRule } from '../recorder/block-judge.js';
import type { ResponseFunctions } from './waiting-answer.js';
import type { RecordingRule } from './recording.js';
import type { CapturedRequest } from './resolvers.js';
import type { AuditAnnotation, RouteAudit } from './route-audit.js';

/** On whose behalf a job runs, see `AuditService.runAs`. */
export interface AuditActor {
  readonly tenantId?: string;
  readonly userId?: string;
  readonly sessionId?: string;
  /** For example `user`, `service`, `job`. Becomes `metadata.actorType`. */
  readonly actorType?: string;
  /** Who acts in the user's name. Becomes `metadata.impersonatorId`. */
  readonly impersonatorId?: string;
}

/** Who acted, as far as it is known. */
export interface RequestIdentity extends AuditActor {
  /** Known once there is a user; empty for a user without roles. */
  readonly roles?: readonly string[];
}

/** What the application's functions and the selected fields of a request added to its event. */
export type DeclaredFacts = Partial<Pick<AuditEventInput, 'details' | 'outcome' | 'resourceId'>>;

// What most requests have, made once for all of them.
/** Nobody has asked yet who acts. */
export const NOT_IDENTIFIED: RequestIdentity = Object.freeze({});
export const NOTHING_DECLARED: DeclaredFacts = Object.freeze({});
export const NO_PARAMETERS = Object.freeze({});
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
  unwrapped: ResponseFunctions | undefined = undefined;

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
  /** The last `request.user` that was there: a handler may log the user out. */
  user: unknown = undefined;
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
  /** What its route says of the outcome for which it was asked last. */
  routeAnnotation: AuditAnnotation | undefined = undefined;
  result: unknown = undefined;
  hasResult = false;
  /** The class name of the last error thrown on the request's way, or of the stream that broke. */
  errorName: string | undefined = undefined;
  /** The answer broke on the server's side: its stream failed, or the application destroyed the response. */
  brokenStream = false;
  /** Streams that are piped into the response, with our listener on each. */
  streams: [stream: Readable, note: (error: unknown) => void][] | undefined = undefined;
  /** What failed while the event was made, by the names of the fields it cost. */
  stageErrors: Set<string> | undefined = undefined;

  // Made of all that, and made again where it changed.
  /** Whether it is recorded, once that is decided. */
  recorded: boolean | undefined = undefined;
  /** The rule of a feature's policy that decided; without one, `@Audit()` and the options did. */
  rule: RecordingRule | undefined = undefined;
  /** Whether it is recorded is decided for good. */
  isSettled = false;
  /** The event without its end; it becomes the event. */
  description: AuditLogEvent | undefined = undefined;

  // Answered: when `end()` was called on the response.
  answered = false;
  declared = NOTHING_DECLARED;
  /** Its event, once that was entered; `null` where there was no room for it. */
  ticket: Ticket | null | undefined = undefined;
  /** What the entered event says was the status. */
  enteredStatus: number | undefined = undefined;
  /** Something that the entered event does not say. */
  hasNews = false;
  /** Its answer waits, and only looks as if it had left. */
  isWaiting = false;
  /** Its answer was replaced by 503, since its event was not committed in time. */
  withheld = false;

  // Closed: when the answer has left, or its connection is gone.
  /** Something of its body was written before the end. */
  begun = false;
  /** Of the head that was written: what the application does to the response's own status later never leaves. */
  sentStatus: number | undefined = undefined;
  /** The `Location` that was given to `writeHead()` alone; the response does not tell it. */
  location: unknown = undefined;
  /** Once Node has the whole answer: whether the operating system took all of it at once. */
  handedOver: boolean | undefined = undefined;
  /** Node says that it has handed the whole answer over. */
  isFinished = false;
  closed = false;

  /** @param request Node's own, until a platform that has requests of its own has made one of it */
  constructor(
    public request: CapturedRequest,
    readonly response: ServerResponse,
  ) {
    this.peerAddress = request.socket?.remoteAddress;
  }
}

/** Something that the event or its recording is made of has changed. */
export function outdate(record: RequestRecord): void {
  record.description = undefined;
  if (record.isSettled) return;
  record.recorded = undefined;
  record.rule = undefined;
}

/** @param name of what failed while the event was made */
export function noteFault(record: RequestRecord, name: string): void {
  const faults = (record.stageErrors ??= new Set());
  if (faults.size < MOST_FAULTS) faults.add(safeText(name, LONGEST_FAULT));
}

/** What Fastify counts requests by, unless it is told otherwise: each process begins again with `req-1`. */
const FASTIFY_COUNT = /^req-[\da-z]+$/;

/** The platform's or a proxy's id of the request, as claimed; else the event's own. */
export function requestIdOf({ request, id }: RequestRecord): string {
  try {
    const [given, sent] = [asId(request['id']), asId(request.headers['x-request-id'])];
    // Fastify's request alone has `raw`.
    const isCount = request['raw'] !== undefined && given !== undefined && FASTIFY_COUNT.test(given);
    const claimed = isCount ? (sent ?? given) : (given ?? sent);
    return claimed === undefined ? id : safeText(claimed, 200);
  } catch {
    return id;
  }
}

/** The status that was sent, or that the response has now. */
export function statusOf({ sentStatus, response }: RequestRecord): number {
  return sentStatus ?? response.statusCode;
}

/** The status that was sent; `undefined` where none was. */
export function sentStatusOf(record: RequestRecord): number | undefined {
  const isSent = record.sentStatus !== undefined || (record.response.headersSent && !record.isWaiting);
  return isSent ? statusOf(record) : undefined;
}

/** Whether the whole answer was handed to the operating system. Only meaningful once it closed, or at a shutdown. */
export function hasLeft(record: RequestRecord): boolean {
  const { response, request, handedOver, brokenStream, withheld } = record;
  if (brokenStream || withheld) return false;
  // What takes the whole answer at once says so before Node does.
  if (isInjected(record)) return record.isFinished || response.writableEnded;
  const { stream } = response as { readonly stream?: ServerHttp2Stream };
  // By HTTP/2, where an answer is finished also when its client has reset the stream.
  if (stream) return response.writableEnded && !stream.aborted && !stream.rstCode;
  if (!response.writableFinished) return false;
  // Node calls a response finished also when its connection was destroyed while a part of it still waited.
  return handedOver === true || !request.socket?.destroyed;
}

/** Whether the request came over no connection, as one that a test gives to a Fastify application. */
export function isInjected({ request }: RequestRecord): boolean {
  // Of a connection by HTTP/2, Node allows this, and throws where it is asked for `write`. What adapters of serverless platforms put
  // there tells nothing.
  const { socket } = request;
  return typeof socket?.destroy !== 'function' || typeof socket.once !== 'function';
}

/** Node has the whole answer. */
export function noteSent(record: RequestRecord): void {
  const { response } = record;
  // Ended again, it is another answer to nobody.
  if (record.handedOver !== undefined) return;
  record.sentStatus ??= response.statusCode;
  // Node takes also what is written to a connection that is gone.
  record.handedOver = response.socket?.destroyed === false && response.writableLength === 0;
}

/** What was thrown on the request's way, or broke its stream. */
export function noteError(record: RequestRecord, thrown: unknown): void {
  if (record.closed) return;
  const name = errorNameOf(thrown);
  if (name !== record.errorName) record.hasNews = true;
  record.errorName = name;
}

/** What was to be the answer failed: one that has begun is broken, another can still be answered by an error. */
export function noteBroken(record: RequestRecord, error: unknown): void {
  if (record.closed) return;
  record.brokenStream ||= record.response.headersSent;
  noteError(record, error);
}

/** Watches a stream that is piped into the response, without taking its errors from whoever handles them. */
export function followStream(record: RequestRecord, stream: Readable): void {
  if (record.closed) return;
  const note = (error: unknown) => noteBroken(record, error);
  stream.once(errorMonitor, note);
  (record.streams ??= []).push([stream, note]);
}

/** Lets go of the streams: one that serves many responses outlives this request. */
export function unfollowStreams(record: RequestRecord): void {
  for (const [stream, note] of record.streams ?? []) stream.off(errorMonitor, note);
  record.streams = undefined;
}

export function noteHeaders(record: RequestRecord): void {
  const headers = Object.entries(record.response.getHeaders());
  // Lists as well: Node's `appendHeader` adds to the one that is there.
  record.headersBefore = Object.fromEntries(
    headers.map(([name, value]) => [name, Array.isArray(value) ? [...value] : value]),
  );
}
