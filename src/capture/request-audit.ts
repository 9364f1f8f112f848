import { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { types } from 'node:util';
import { AuditError } from '../event/audit-error.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { RateLimitedLog } from '../event/audit-logger.js';
import type { AuditLogger } from '../event/audit-logger.js';
import { FACT_LIMITS, flattenFacts, readEntries } from '../event/flatten.js';
import type { SecretTest } from '../event/flatten.js';
import { MARGIN, withinReach } from '../event/within-reach.js';
import type { AuditRecorder } from '../recorder/audit-recorder.js';
import type { BlockingRule, BlockJudge } from '../recorder/block-judge.js';
import type { EventCompleter } from '../recorder/event-completer.js';
import type { AuditPolicy } from '../features/policy/audit-policy.js';
import { currentContext, runInContext } from './audit-context.js';
import type { CaptureOptions } from './capture-options.js';
import { HeldAnswer } from './held-answer.js';
import type { ResponseFunctions } from './held-answer.js';
import { IdentityReader } from './identity-reader.js';
import { readSaid } from './read-said.js';
import { RecordingChoice } from './recording-choice.js';
import { conclusionOf, draftOf } from './request-event.js';
import {
  endingIfLost,
  endingIfSent,
  endingOf,
  forgetSaid,
  hasChanged,
  noteEntered,
  noteError,
  noteFault,
  noteHeaders,
  noteSent,
  outdate,
  RequestRecord,
  statusOf,
  stopWatching,
  watchStream,
} from './request-record.js';
import type { AuditAnnotation, RequestEnding, SafePath } from './request-record.js';
import { parsedQueryOf, queryOf, rawPathOf } from './request-target.js';
import type { CapturedRequest } from './resolvers.js';
import type { RouteAudit } from './route-audit.js';
import { SafePaths } from './route-path.js';
import { SentValues } from './sent-values.js';

/** How long a request that may change something runs without a route before the journal has it. A route's comes from its last guard. */
const UNROUTED_INTENT_MS = 200;

/** Methods that change nothing (RFC 9110, section 9.2.1). */
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

/** A request that is audited: its record, and who fills it. Hangs on the request and on its response. */
export interface AuditedRequest {
  readonly record: RequestRecord;
  readonly audit: RequestAudit;
}

/** The route that a request found, as the platform tells it. */
export interface FoundRoute {
  /** What `@Audit()` says of it. */
  readonly route: RouteAudit | undefined;
  readonly pattern: string | undefined;
  readonly params: Readonly<Record<string, unknown>>;
  /** `false` where something of it could not be read. */
  readonly isWhole: boolean;
}

const AUDITED = Symbol('nest-audit-trail');

/** The request's record and its audit; `undefined` where nobody has seen it. A weak map would cost each request more than all of this. */
export function auditedOf(request: unknown): AuditedRequest | undefined {
  return typeof request === 'object' && request !== null
    ? (request as { [AUDITED]?: AuditedRequest })[AUDITED]
    : undefined;
}

/**
 * The way of a request, from top to bottom: {@link open} its record, {@link route}, {@link identify}, {@link answer}, {@link close}.
 * What the application says on the way stands after that, then what becomes of the record, and last what is put on the response.
 *
 * Nothing here may throw into the application, change its answer, or wait, except as the delivery mode promises: a strict request is
 * refused, or its answer waits, where its event is not safe.
 */
export class RequestAudit {
  private readonly identities: IdentityReader;
  private readonly choice: RecordingChoice;
  private readonly paths: SafePaths;
  private readonly warnings: RateLimitedLog;
  private readonly records = new Set<RequestRecord>();
  private readonly bySocket = new WeakMap<Socket, Set<RequestRecord>>();
  /** What rules read of what clients send, for as long as they are the same. */
  private sentValues = new SentValues([]);
  private unhookedRequests = 0;
  /** No answer leaves and no request goes on: the process is about to end under them, and nobody can record any more what happens. */
  isFrozen = false;

  constructor(
    private readonly recorder: AuditRecorder,
    private readonly completer: EventCompleter,
    options: CaptureOptions,
    private readonly isSecretKey: SecretTest,
    private readonly logger: AuditLogger,
    policy?: AuditPolicy,
    private readonly blockJudge?: BlockJudge,
  ) {
    this.identities = new IdentityReader(options.resolve);
    this.choice = new RecordingChoice(options, policy);
    this.paths = new SafePaths(isSecretKey);
    this.warnings = new RateLimitedLog(logger);
  }

  // 1. Open: the request arrives.

  /**
   * Opens the record of a request, where it has none. For a listener of the server: it calls nothing of the application, and leaves
   * the context as it is. Never throws.
   */
  readonly open = (request: CapturedRequest, response: ServerResponse): RequestRecord => {
    // Seen twice, or an application within an application: the outermost audit has the request.
    const seen = auditedOf(request);
    if (seen) return seen.record;
    const record = new RequestRecord(request, response);
    const audited: AuditedRequest = { record, audit: this };
    (request as { [AUDITED]?: AuditedRequest })[AUDITED] = audited;
    try {
      this.records.add(record);
      wrapResponse(response, audited, this.recorder.delivery.hasJournal);
      if (this.recorder.delivery.hasJournal && mayChange(record)) {
        // Where a route takes the request, its last guard writes the intent; else nobody does.
        const noteUnrouted = () => {
          if (!record.route && !record.intent) this.begin(record);
        };
        record.intentTimer = setTimeout(noteUnrouted, UNROUTED_INTENT_MS).unref();
      }
      this.watchSocket(record);
    } catch (error) {
      this.noteInternalError(error);
    }
    return record;
  };

  /** The middleware, which gives what follows its context. Mount it before everything else that can answer a request. */
  readonly middleware = (request: CapturedRequest, response: ServerResponse, next: () => void): void => {
    const record = this.open(request, response);
    if (this.isFrozen) return;
    this.identities.readAddress(record);
    if (currentContext()?.record === record) return next();
    runInContext({ record }, next);
  };

  /**
   * Opens the record of a request that has reached a guard and that neither listener nor middleware has seen: something has taken
   * them away. Says so once.
   */
  openUnhooked(request: CapturedRequest, response: ServerResponse): AuditedRequest {
    if (this.unhookedRequests === 0) {
      this.logger.error(
        "A request has reached the audit's guard that the audit's middleware has not seen: something has removed it from the application. Such requests are recorded from their guard on, and those that are refused before it are not. Find what removes middleware; status().unhooked counts the requests.",
      );
    }
    this.unhookedRequests += 1;
    const record = this.open(request, response);
    this.identities.readAddress(record);
    return { record, audit: this };
  }

  // 2. Route: the first guard knows the route.

  /**
   * Learns the route that the request found.
   *
   * @returns once the request may go on to its other guards; `undefined` where it may at once
   * @throws AuditError `AUDIT_UNAVAILABLE`, at once or by the promise
   */
  route(record: RequestRecord, { route, pattern, params, isWhole }: FoundRoute): void | Promise<void> {
    if (pattern !== record.pattern) record.safePath = undefined;
    record.route = route;
    record.pattern = pattern;
    record.params = params;
    if (!isWhole) noteFault(record, 'route');
    outdate(record);
    // The client has gone, but the request goes on: whoever may refuse it knows its route.
    if (record.closed) return;
    const strict = this.isStrict(record);
    if (!strict && !this.recorder.delivery.rejects && !record.intent) return;
    if (!this.choice.isRecorded(record)) return this.cancelIntent(record);
    if (strict) noteHeaders(record);
    return this.unlessRefused(record, () => this.recorder.delivery.admit(strict));
  }

  // 3. Identify: every guard has let the request through, and its handler is next.

  /**
   * Reads who acts, asks the rules that may refuse the request, and has the journal note that its handler is about to run.
   *
   * @returns the compliance rule that refuses it; a promise where the handler has to wait for the disk
   * @throws AuditError `AUDIT_UNAVAILABLE`, by the promise
   */
  identify(record: RequestRecord): BlockingRule | void | Promise<void> {
    record.passedGuards = true;
    this.identities.readIdentity(record);
    const blockedBy = this.judge(record);
    if (record.closed || record.answered) return blockedBy;
    const strict = this.isStrict(record);
    // Guards may have added to them.
    if (strict) noteHeaders(record);
    if (strict || record.intent || mayChange(record)) this.begin(record);
    if (!strict || blockedBy || !this.choice.isRecorded(record)) return blockedBy;
    return this.unlessRefused(record, () => this.recorder.delivery.secure(record.intent));
  }

  private judge(record: RequestRecord): BlockingRule | undefined {
    if (!this.blockJudge?.canBlock || record.route?.silenced) return undefined;
    try {
      const blockedBy = this.blockJudge.blocking(this.withSent(record, this.blockJudge.sentKeys));
      if (blockedBy) record.blockedBy = blockedBy;
      if (blockedBy && record.closed) this.noteLateBlock(record, blockedBy);
      return blockedBy;
    } catch (error) {
      // Only what is promised may refuse a request, never a fault of the audit's own.
      noteFault(record, 'block');
      this.noteInternalError(error);
      return undefined;
    }
  }

  /** The event if the request succeeds, with what is asked for of what the client sent. It is judged, and never stored. */
  private withSent(record: RequestRecord, sentKeys: readonly string[]): AuditLogEvent {
    const { request } = record;
    const event = this.describe(record);
    if (this.sentValues.keys !== sentKeys) this.sentValues = new SentValues(sentKeys);
    const sent =
      sentKeys.length === 0
        ? {}
        : this.sentValues.read(
            // The query first as the handler reads it, where the platform parses it otherwise.
            { query: [parsedQueryOf(request), queryOf(request)], body: [request['body']] },
            this.isSecretKey,
          );
    const { method } = event.metadata;
    return {
      ...event,
      details: { ...event.details, ...sent },
      // Platforms give HEAD to the handlers of GET.
      metadata: { ...event.metadata, ...(method === 'HEAD' && { method: ['HEAD', 'GET'] }) },
    };
  }

  /** The request was refused when its client had gone, and its event was made without that. */
  private noteLateBlock(record: RequestRecord, blockedBy: BlockingRule): void {
    const wasRecorded = record.recording?.recorded !== false;
    const event = this.eventOf(record, endingOf(record, false));
    if (!event) return;
    if (wasRecorded) this.recorder.amend(event, blockedBy);
    else this.enterClosed(event);
  }

  /** Has the journal know that the request has begun, and what is known of it. */
  private begin(record: RequestRecord): void {
    if (!this.recorder.delivery.hasJournal || record.answered || record.closed) return;
    if (!this.choice.isRecorded(record)) return this.cancelIntent(record);
    const begun = this.made(record, () => {
      const { details, metadata, ...known } = this.describe(record);
      const event = { ...known, details: { ...details }, metadata: { ...metadata } };
      this.completer.conclude(event, conclusionOf(record, endingIfLost(record)));
      return this.recorder.begin(event, record.blockedBy, record.intent);
    });
    record.intent = begun ?? record.intent;
  }

  private cancelIntent(record: RequestRecord): void {
    if (record.intent) this.recorder.delivery.cancel(record.intent);
    record.intent = undefined;
  }

  // 4. Answer: the application has ended its response, and nothing of the end has left.

  /**
   * Makes the event, and hands it over.
   *
   * @returns what the answer has to wait for, and whether it may leave then; `undefined` where it need not wait
   */
  private answer(record: RequestRecord): Promise<boolean> | undefined {
    if (record.answered || record.closed) return undefined;
    record.answered = true;
    this.readRequest(record, statusOf(record));
    if (!this.choice.isRecorded(record)) {
      this.cancelIntent(record);
      return undefined;
    }
    const room = this.recorder.delivery.room();
    if (!room) return this.enter(record);
    return room.then(() => (record.closed ? true : (this.enter(record) ?? true)));
  }

  /** Reads all that must be read while the request is still whole. */
  private readRequest(record: RequestRecord, statusCode: number | undefined): void {
    try {
      this.identities.readAddress(record);
      this.identities.readIfChanged(record);
      this.choice.settle(record, statusCode);
      if (this.choice.isRecorded(record)) readSaid(record, this.choice.fieldsOf(record));
    } catch (error) {
      noteFault(record, 'request');
      this.noteInternalError(error);
    }
  }

  private enter(record: RequestRecord): Promise<boolean> | undefined {
    const strict = this.isStrict(record) && !record.refused;
    const { intent } = record;
    record.intent = undefined;
    const event = this.eventOf(record, endingIfSent(record));
    const ticket = event && this.recorder.enter(event, intent, record.refused);
    noteEntered(record, ticket);
    if (ticket) return this.recorder.wait(ticket, strict);
    return strict ? Promise.resolve(false) : undefined;
  }

  /** The answer waits. @param args what `end()` was called with */
  private hold(record: RequestRecord, safe: Promise<boolean>, args: readonly unknown[]): void {
    const { response } = record;
    const held = new HeldAnswer(response);
    record.held = held;
    const leave = (mayLeave: boolean) => {
      // Its event says that it was interrupted, so it must be.
      if (this.isFrozen) return;
      record.held = undefined;
      // Of a request that is closed already, by its client or by a shutdown, all is said.
      if (!record.closed) record.withheld = !mayLeave;
      try {
        if (mayLeave) held.release(() => record.own!.end.apply(response, [...args]));
        else held.refuse(record.own!, record.headersBefore);
        noteSent(record);
      } catch (error) {
        // What can't be sent, such as an object; its sender has gone on and can't be told.
        response.destroy(error as Error);
      }
    };
    safe.then(leave, (error: unknown) => {
      this.noteInternalError(error);
      leave(true);
    });
  }

  // 5. Close: the answer has left, or its connection is gone.

  /** Releases the event, as it turned out. @param interrupted the process is about to end under the request */
  private close(record: RequestRecord, interrupted: boolean): void {
    if (record.closed) return;
    clearTimeout(record.intentTimer);
    if (!record.answered) this.readRequest(record, endingOf(record, interrupted).statusCode);
    record.closed = true;
    this.records.delete(record);
    stopWatching(record);
    if (record.request.socket) this.bySocket.get(record.request.socket)?.delete(record);
    if (!this.choice.isRecorded(record)) return this.cancelIntent(record);
    if (record.dropped) return;
    const { ticket } = record;
    const ending = endingOf(record, interrupted);
    if (ticket && ending.complete && !hasChanged(record)) return this.recorder.release(ticket);
    const event = this.eventOf(record, ending);
    if (ticket) this.recorder.release(ticket, event, record.blockedBy);
    else if (event) this.enterClosed(event, record);
  }

  private enterClosed(event: AuditLogEvent, record?: RequestRecord): void {
    const ticket = this.recorder.enter(event, record?.intent);
    if (ticket) this.recorder.release(ticket);
  }

  /**
   * A response that waits after others on a pipelined connection never closes when the connection does, so the
   * connection itself is watched: one listener for all its requests.
   */
  private watchSocket(record: RequestRecord): void {
    const { socket } = record.request;
    // Adapters of serverless platforms make requests without a real connection.
    if (typeof socket?.once !== 'function') return;
    const waiting = this.bySocket.get(socket);
    if (waiting) {
      waiting.add(record);
      return;
    }
    const records = new Set([record]);
    this.bySocket.set(socket, records);
    socket.once('close', () => {
      // The response's own close event comes first where there is one.
      process.nextTick(() => {
        for (const open of records) this.close(open, false);
      });
    });
  }

  // What the application and the process say on the way.

  /** Adds to the event of an open request. A copy: the caller may go on to change its object. */
  annotate(record: RequestRecord, annotation: AuditAnnotation): void {
    const copy: Record<string, unknown> = Object.fromEntries(readEntries(annotation));
    for (const name of ['details', 'metadata']) {
      const facts = copy[name];
      if (typeof facts === 'object' && facts !== null && !Array.isArray(facts)) {
        // Redacted where it becomes a part of the event: what is to be a pseudonym there must be whole here.
        copy[name] = flattenFacts(facts as Record<string, unknown>, () => false, {
          limit: FACT_LIMITS.string + MARGIN,
        });
      }
    }
    record.annotations.push(copy);
    record.description = undefined;
    // The policy may ask for these.
    if (copy['userId'] !== undefined || copy['tenantId'] !== undefined) outdate(record);
  }

  /** Reads who acts in an open request, as far as that is known by now. */
  readIdentity(record: RequestRecord): void {
    if (!record.answered && !record.closed) this.identities.readIfChanged(record);
  }

  /** Learns the application's route patterns, of which those with a secret parameter matter. */
  learnRoutes(patterns: readonly string[]): void {
    this.paths.learn(patterns);
  }

  /** Requests that the guard had to open. */
  get unhooked(): number {
    return this.unhookedRequests;
  }

  /** Resolves once every answer that was given has left or lost its connection, at most after `patienceMs`. */
  async settled(patienceMs = 1_000): Promise<void> {
    const deadline = Date.now() + patienceMs;
    while ([...this.records].some((record) => record.answered) && Date.now() < deadline) await delay(2);
  }

  /** From now on no answer leaves, and no request goes on. */
  freeze(): void {
    this.isFrozen = true;
  }

  /** Records every request that is still open as interrupted: the process is about to end under it. */
  interruptOpen(): void {
    for (const record of this.records) this.close(record, true);
  }

  // What becomes of a record.

  /** The whole event; `undefined` where none can be made. */
  private eventOf(record: RequestRecord, ending: RequestEnding): AuditLogEvent | undefined {
    return this.made(record, () => this.conclude(record, ending));
  }

  /** Makes something of the record. Without what the application added, where that fails: the request still happened. */
  private made<T>(record: RequestRecord, make: () => T): T | undefined {
    try {
      return make();
    } catch (error) {
      this.noteInternalError(error);
      forgetSaid(record);
      noteFault(record, 'event');
      record.safePath = { path: record.pattern ?? '', length: 0 };
    }
    try {
      return make();
    } catch (error) {
      this.noteInternalError(error);
      return undefined;
    }
  }

  private conclude(record: RequestRecord, ending: RequestEnding): AuditLogEvent {
    const event = this.describe(record);
    // It becomes the event: a later one needs a description of its own.
    record.description = undefined;
    this.completer.conclude(event, conclusionOf(record, ending));
    return this.completer.judge(event, { blockedBy: record.blockedBy });
  }

  private describe(record: RequestRecord): AuditLogEvent {
    return (record.description ??= this.completer.describe(draftOf(record, this.pathOf(record))));
  }

  /** The request's path without its query, secret parameters redacted, also where no route was found. */
  private pathOf(record: RequestRecord): SafePath {
    if (record.safePath) return record.safePath;
    const { request, pattern } = record;
    const raw = rawPathOf(request);
    const seen = withinReach(raw, FACT_LIMITS.string);
    const path = pattern === undefined ? this.paths.ofNoRoute(seen) : this.paths.ofRoute(seen, pattern);
    return (record.safePath = { path, length: raw.length });
  }

  private isStrict(record: RequestRecord): boolean {
    return (record.route?.delivery ?? this.recorder.delivery.mode) === 'strict';
  }

  /** @throws AuditError which refuses the request: only what is promised may, never a fault of the audit's own */
  private unlessRefused(record: RequestRecord, ask: () => void | Promise<void>): void | Promise<void> {
    const refuse = (error: unknown) => {
      if (!(error instanceof AuditError)) return this.noteInternalError(error);
      record.refused = true;
      throw error;
    };
    try {
      return ask()?.catch(refuse);
    } catch (error) {
      return refuse(error);
    }
  }

  private noteInternalError(error: unknown): void {
    const name = error instanceof Error ? error.name : typeof error;
    this.warnings.warn('internal', `An audit event could not be made whole (${name}). The request went on.`);
  }

  // What the functions on the response tell.

  /** `end()` was called. @returns whether the answer waits */
  noteEnd(record: RequestRecord, args: readonly unknown[]): boolean {
    const safe = this.answer(record);
    if (safe) this.hold(record, safe, args);
    return safe !== undefined;
  }

  /** A part of the answer is about to leave before the whole is ready. */
  noteStreaming(record: RequestRecord): void {
    if (!record.intent) this.begin(record);
  }

  /** The response has left, or its connection is gone. */
  noteClosed(record: RequestRecord): void {
    this.close(record, false);
  }
}

/** Whether the request's method is one that may change something. */
function mayChange({ request }: RequestRecord): boolean {
  return !SAFE_METHODS.has(request.method ?? '');
}

// The functions that are put on a response. They are the same for all of them, so that a request pays for no function of its own, and
// they work on a response that somebody else calls them for.

const NODES = ServerResponse.prototype as unknown as ResponseFunctions;

interface AuditedResponse extends ServerResponse {
  [AUDITED]?: AuditedRequest;
}

/** @param streams also what tells that a part of the answer leaves before the whole is ready */
function wrapResponse(response: AuditedResponse, audited: AuditedRequest, streams: boolean): void {
  // First of all: the functions that are put there need it.
  audited.record.own = {
    end: response.end,
    destroy: response.destroy,
    write: response.write,
    flushHeaders: response.flushHeaders,
    writeHead: response.writeHead,
  } as unknown as ResponseFunctions;
  response[AUDITED] = audited;
  response.end = end as ServerResponse['end'];
  response.destroy = destroy;
  response.writeHead = writeHead as ServerResponse['writeHead'];
  if (streams) {
    response.write = write as ServerResponse['write'];
    response.flushHeaders = flushHeaders;
  }
  response.on('pipe', notePipe);
  // Once everything is handed to the operating system nothing can change the outcome; without that it closes.
  response.on('finish', noteClosed);
  response.on('close', noteClosed);
}

function end(this: AuditedResponse, chunk?: unknown, encoding?: unknown, callback?: unknown): ServerResponse {
  const { record, audit } = this[AUDITED] ?? {};
  if (!record || !audit) return NODES.end.call(this, chunk, encoding, callback);
  // Ended a second time while the first end has not left: what Node would ignore.
  if (record.held || audit.isFrozen) return this;
  // Node throws it back at its sender, who may answer otherwise.
  if (!isSendable(chunk)) return record.own!.end.call(this, chunk, encoding, callback);
  if (audit.noteEnd(record, [chunk, encoding, callback])) return this;
  record.own!.end.call(this, chunk, encoding, callback);
  noteSent(record);
  return this;
}

function destroy(this: AuditedResponse, error?: Error): ServerResponse {
  const record = this[AUDITED]?.record;
  // The application destroyed the response while its client was still there.
  if (record && !record.closed && !record.request.socket.destroyed && !this.writableFinished) {
    record.brokenStream = true;
    if (error) noteError(record, error);
  }
  return (record?.own ?? NODES).destroy.call(this, error);
}

function write(this: AuditedResponse, ...args: unknown[]): boolean {
  const { record, audit } = this[AUDITED] ?? {};
  if (record) audit?.noteStreaming(record);
  return (record?.own ?? NODES).write.apply(this, args);
}

function flushHeaders(this: AuditedResponse): void {
  const { record, audit } = this[AUDITED] ?? {};
  if (record) audit?.noteStreaming(record);
  (record?.own ?? NODES).flushHeaders.call(this);
}

/** Every status leaves by this function: Node calls it itself where nobody else does. */
function writeHead(this: AuditedResponse, ...args: unknown[]): ServerResponse {
  const record = this[AUDITED]?.record;
  const answered = (record?.own ?? NODES).writeHead.apply(this, args);
  // Not reached where the head can't be written.
  if (record) record.sentStatus = this.statusCode;
  return answered;
}

function notePipe(this: AuditedResponse, source: Readable): void {
  const record = this[AUDITED]?.record;
  if (record) watchStream(record, source);
}

function noteClosed(this: AuditedResponse): void {
  const { record, audit } = this[AUDITED] ?? {};
  if (record && !record.closed) audit?.noteClosed(record);
}

/** What `end()` takes as its first argument: a chunk, a callback, or nothing. */
function isSendable(chunk: unknown): boolean {
  return (
    chunk === undefined ||
    chunk === null ||
    typeof chunk === 'string' ||
    typeof chunk === 'function' ||
    types.isUint8Array(chunk)
  );
}
