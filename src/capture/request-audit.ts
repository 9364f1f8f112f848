// Read the room in this order: this file, the way of a request; `request-record.ts`, what is known of it; `wrapped-response.ts` and
// `waiting-answer.ts`, how its answer is seen; `identity-reader.ts`, `recording-choice.ts` and `read-declared.ts`, what is read once that is
// ready; `event-maker.ts` and `request-event.ts`, what the event says. Doors tell a route as `route-audit.ts` has it.
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { DeliveryMode } from '../delivery/delivery-options.js';
import { AuditError } from '../event/audit-error.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { RateLimitedLog } from '../event/audit-logger.js';
import type { AuditLogger } from '../event/audit-logger.js';
import type { AuditRecorder, Delivery, Intent } from '../recorder/audit-recorder.js';
import type { BlockingRule, BlockJudge } from '../recorder/block-judge.js';
import type { EventCompleter } from '../recorder/event-completer.js';
import type { SafePaths } from '../recorder/redaction/safe-paths.js';
import { currentContext, runInContext } from './audit-context.js';
import type { CaptureOptions } from './capture-options.js';
import { EventMaker } from './event-maker.js';
import { IdentityReader } from './identity-reader.js';
import { readDeclared } from './read-declared.js';
import { RecordingChoice } from './recording-choice.js';
import {
  hasLeft,
  noteFault,
  noteHeaders,
  outdate,
  RequestRecord,
  sentStatusOf,
  statusOf,
  unfollowStreams,
} from './request-record.js';
import { sentPartsOf } from './request-target.js';
import type { CapturedRequest } from './resolvers.js';
import type { RouteAudit } from './route-audit.js';
import { AUDITED, wrapResponse } from './wrapped-response.js';
import type { ResponseObserver } from './wrapped-response.js';

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
}

/** A platform on which the audit has no guards of its own between all others and the handler. */
export interface Platform {
  /** Whether each route asks the guard before its handler, so that a request that has not asked it was refused on its way. */
  readonly guardsRoutes: boolean;
  /**
   * The route that a request has found by now; asked when its answer is ready, since nothing tells it before.
   *
   * @param statusCode of the answer, where there is one
   */
  routeOf(request: CapturedRequest, statusCode?: number): FoundRoute | undefined;
}

/** The request's record and its audit, by Node's own request or Fastify's; `undefined` where nobody has seen it. */
export function auditedOf(request: unknown): AuditedRequest | undefined {
  const given = Object(request) as { [AUDITED]?: AuditedRequest; readonly raw?: unknown };
  return given[AUDITED] ?? (Object(given.raw) as { [AUDITED]?: AuditedRequest })[AUDITED];
}

/**
 * Goes on in the context of the request, where something on its way has gone on in another one, as callback-style session stores do. Never
 * changes the context that it finds: that may be of a connection, which many requests share.
 */
export function inContextOf<T>(record: RequestRecord, next: () => T): T {
  return currentContext()?.record === record ? next() : runInContext({ record }, next);
}

/**
 * The way of a request, from top to bottom: {@link open} its record, {@link route}, {@link identify}, {@link answer}, {@link close}.
 *
 * Nothing here may throw into the application, change its answer, or wait, except as the delivery mode promises: a strict request is
 * refused, or its answer waits, where its event is not safe.
 */
export class RequestAudit implements ResponseObserver {
  /** Requests that the guard had to open. */
  unhooked = 0;
  /** What tells routes, where no guard does. The journal has the intents of its requests when they arrive. */
  platform: Platform | undefined;
  /** No answer leaves and no request goes on: the process is about to end under them, and nobody can record any more what happens. */
  isFrozen = false;
  readonly choice: RecordingChoice;
  /** Who may refuse a request before its handler; the first that does counts. */
  readonly judges: BlockJudge[] = [];
  private readonly delivery: Delivery;
  private readonly events: EventMaker;
  private readonly identities: IdentityReader;
  private readonly warnings: RateLimitedLog;
  private readonly records = new Set<RequestRecord>();
  private readonly bySocket = new WeakMap<Socket, Set<RequestRecord>>();

  constructor(
    private readonly recorder: AuditRecorder,
    completer: EventCompleter,
    options: CaptureOptions,
    paths: SafePaths,
    private readonly logger: AuditLogger,
  ) {
    this.delivery = recorder.delivery;
    this.identities = new IdentityReader(options.resolve);
    this.choice = new RecordingChoice(options);
    this.warnings = new RateLimitedLog(logger);
    this.events = new EventMaker(completer, paths, (error) => this.noteInternalError(error));
  }

  get mode(): DeliveryMode {
    return this.delivery.mode;
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
      wrapResponse(response, audited, this.delivery.hasJournal);
      if (this.delivery.hasJournal && mayChange(record) && !this.platform) {
        // Where a route takes the request, its last guard writes the intent; else nobody does.
        const noteUnrouted = () => {
          if (!record.route && !record.intent) this.begin(record);
        };
        record.intentTimer = setTimeout(noteUnrouted, UNROUTED_INTENT_MS).unref();
      }
      this.followSocket(record);
    } catch (error) {
      this.noteInternalError(error);
    }
    return record;
  };

  /**
   * The middleware, which gives what follows its context. Mount it before everything else that can answer a request.
   *
   * @param platforms the request that the platform has made of Node's, which users and parameters are put on
   */
  readonly middleware = <T>(
    request: CapturedRequest,
    response: ServerResponse,
    next: () => T,
    platforms?: CapturedRequest,
  ): T | undefined => {
    const record = this.open(request, response);
    if (this.isFrozen) return undefined;
    if (platforms) record.request = platforms;
    this.identities.readAddress(record);
    if (this.platform && mayChange(record) && !record.intent) this.begin(record);
    return inContextOf(record, next);
  };

  /**
   * Opens the record of a request that has reached a guard and that neither listener nor middleware has seen: something has taken
   * them away. Says so once.
   */
  openUnhooked(request: CapturedRequest, response: ServerResponse): AuditedRequest {
    if (this.unhooked === 0) {
      this.logger.error(
        "A request has reached the audit's guard without passing the audit's middleware: something has removed the middleware. Such requests are recorded from the guard on; requests that are refused before the guard are not recorded. Find what removes the middleware. status().unhooked counts the requests.",
      );
    }
    this.unhooked += 1;
    const record = this.open(request, response);
    this.identities.readAddress(record);
    return { record, audit: this };
  }

  // 2. Route: the first guard knows the route.

  /**
   * Learns the route that the request found.
   *
   * @returns once the request may go on to its other guards; `undefined` where it may at once
   * @throws AuditError `AUDIT_UNAVAILABLE`, by the promise
   */
  route(record: RequestRecord, found: FoundRoute): void | Promise<void> {
    noteRoute(record, found);
    // The client has gone, but the request goes on: whoever may refuse it knows its route.
    if (record.closed) return;
    const strict = this.isStrict(record);
    if (!strict && !this.delivery.rejects && !record.intent) return;
    if (!this.choice.isRecorded(record)) return this.dropIntent(record);
    if (strict) noteHeaders(record);
    return this.unlessRefused(record, () => this.delivery.admit(strict));
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
    this.identities.readIdentity(record, true);
    const blockedBy = this.judge(record);
    if (record.closed || record.answered) return blockedBy;
    const strict = this.isStrict(record);
    // Guards may have added to them.
    if (strict) noteHeaders(record);
    if (strict || record.intent || mayChange(record)) this.begin(record);
    if (!strict || blockedBy || !this.choice.isRecorded(record)) return blockedBy;
    return this.unlessRefused(record, () => this.delivery.secure(record.intent));
  }

  /**
   * {@link route} and {@link identify} in one, for a platform where the user is known by then.
   *
   * @returns once the request may go on; `undefined` where it may at once
   * @throws AuditError `AUDIT_UNAVAILABLE` or `AUDIT_BLOCKED`, by the promise
   */
  enterRoute(record: RequestRecord, found: FoundRoute): void | Promise<void> {
    const pass = (): void | Promise<void> => {
      const blockedBy = this.identify(record);
      if (blockedBy instanceof Promise || !blockedBy) return blockedBy;
      const message = `The request was refused by the compliance rule ${blockedBy.name}.`;
      return Promise.reject(new AuditError('AUDIT_BLOCKED', message));
    };
    return this.route(record, found)?.then(pass) ?? pass();
  }

  /** {@link enterRoute}, for platforms that go on by a callback. @param next gets the error that refuses the request */
  passRoute(record: RequestRecord, found: FoundRoute, next: (error?: Error) => void): void {
    const admitted = this.enterRoute(record, found);
    const go = (error?: Error) => inContextOf(record, () => (error ? next(error) : next()));
    if (admitted) admitted.then(() => go(), go);
    else go();
  }

  private judge(record: RequestRecord): BlockingRule | undefined {
    if (record.route?.silenced) return undefined;
    try {
      for (const judge of this.judges) {
        if (!judge.canBlock) continue;
        const sent = () => sentPartsOf(record.request);
        const blockedBy = judge.blocking(this.events.describe(record), sent);
        if (!blockedBy) continue;
        record.blockedBy = blockedBy;
        record.hasNews = true;
        if (record.closed) this.noteLateBlock(record, blockedBy);
        return blockedBy;
      }
      return undefined;
    } catch (error) {
      // Only what is promised may refuse a request, never a fault of the audit's own.
      noteFault(record, 'block');
      this.noteInternalError(error);
      return undefined;
    }
  }

  /** The request was refused when its client had gone, and its event was made without that. */
  private noteLateBlock(record: RequestRecord, blockedBy: BlockingRule): void {
    const event = this.events.eventOf(record, 'closed');
    if (!event) return;
    if (record.recorded === false) this.enterClosed(event);
    else this.recorder.amend(event, blockedBy);
  }

  /** Has the journal know that the request has begun, and what is known of it. */
  private begin(record: RequestRecord): void {
    if (!this.delivery.hasJournal || record.answered || record.closed) return;
    if (!this.choice.isRecorded(record)) return this.dropIntent(record);
    const begun = this.events.eventOf(record, 'lost');
    if (begun) record.intent = this.recorder.begin(begun, record.blockedBy, record.intent) ?? record.intent;
  }

  /** On its way to its route a request may pass a router that is left out of the audit: until its route is known, the intent stays. */
  private dropIntent(record: RequestRecord): void {
    if (!this.platform || record.pattern !== undefined) this.cancelIntent(record);
  }

  private cancelIntent(record: RequestRecord): void {
    if (record.intent) this.delivery.cancel(record.intent);
    record.intent = undefined;
  }

  // 4. Answer: the application has ended its response, and nothing of the end has left.

  /** A part of the answer is about to leave before the whole is ready. */
  stream(record: RequestRecord): void {
    if (!record.intent) this.begin(record);
  }

  /**
   * Makes the event, and hands it over.
   *
   * @returns what the answer has to wait for, and whether it may leave then; `undefined` where it need not wait. Never rejects
   */
  answer(record: RequestRecord): Promise<boolean> | undefined {
    if (record.answered || record.closed) return undefined;
    record.answered = true;
    this.readRequest(record, statusOf(record));
    if (!this.choice.isRecorded(record)) {
      this.cancelIntent(record);
      return undefined;
    }
    const room = this.delivery.room();
    const safe = room ? room.then(() => record.closed || (this.enter(record) ?? true)) : this.enter(record);
    return safe?.catch((error: unknown) => {
      this.noteInternalError(error);
      return true;
    });
  }

  /** Reads all that must be read while the request is still whole. */
  private readRequest(record: RequestRecord, statusCode: number | undefined): void {
    try {
      const found = this.platform?.routeOf(record.request, statusCode);
      if (found && (found.route !== record.route || found.pattern !== record.pattern)) {
        noteRoute(record, found);
        record.passedGuards ||= !this.platform!.guardsRoutes;
      }
      this.identities.readAddress(record);
      this.identities.readIdentity(record, false);
      this.choice.settle(record, statusCode);
      if (this.choice.isRecorded(record)) readDeclared(record, this.choice.fieldsOf(record));
    } catch (error) {
      noteFault(record, 'request');
      this.noteInternalError(error);
    }
  }

  private enter(record: RequestRecord): Promise<boolean> | undefined {
    const strict = this.isStrict(record) && !record.refused;
    const { intent } = record;
    record.intent = undefined;
    const event = this.events.eventOf(record, 'sent');
    const ticket = this.recorder.enter(event, intent, record.refused);
    record.ticket = ticket ?? null;
    record.enteredStatus = statusOf(record);
    record.hasNews = false;
    if (ticket) return this.recorder.wait(ticket, strict);
    return strict ? Promise.resolve(false) : undefined;
  }

  // 5. Close: the answer has left, or its connection is gone.

  close(record: RequestRecord, ending: 'closed' | 'interrupted' = 'closed'): void {
    if (record.closed) return;
    clearTimeout(record.intentTimer);
    if (!record.answered) this.readRequest(record, sentStatusOf(record));
    record.closed = true;
    this.records.delete(record);
    unfollowStreams(record);
    if (record.request.socket) this.bySocket.get(record.request.socket)?.delete(record);
    if (!this.choice.isRecorded(record)) return this.cancelIntent(record);
    const { ticket } = record;
    if (ticket === null) return;
    const isAsEntered = hasLeft(record) && !record.hasNews && record.enteredStatus === statusOf(record);
    if (ticket && isAsEntered) return this.recorder.release(ticket);
    const event = this.events.eventOf(record, ending);
    if (ticket) this.recorder.release(ticket, event, record.blockedBy);
    else this.enterClosed(event, record.intent);
  }

  private enterClosed(event: AuditLogEvent | undefined, intent?: Intent): void {
    const ticket = this.recorder.enter(event, intent);
    if (ticket) this.recorder.release(ticket);
  }

  /**
   * A response that waits after others on a pipelined connection never closes when the connection does, so the
   * connection itself is watched: one listener for all its requests.
   */
  private followSocket(record: RequestRecord): void {
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
        for (const open of records) this.close(open);
      });
    });
  }

  // What `AuditService` and the process ask on the way.

  /** Reads who acts in an open request, as far as that is known by now. */
  readIdentity(record: RequestRecord): void {
    if (!record.answered && !record.closed) this.identities.readIdentity(record, false);
  }

  /** Resolves once every answer that was given has left or lost its connection, at most after a second. */
  async settled(): Promise<void> {
    const deadline = Date.now() + 1_000;
    while ([...this.records].some((record) => record.answered) && Date.now() < deadline) await delay(2);
  }

  /** Records every request that is still open as interrupted: the process is about to end under it. */
  interruptOpen(): void {
    for (const record of this.records) this.close(record, 'interrupted');
  }

  private isStrict(record: RequestRecord): boolean {
    return this.delivery.hasJournal && (record.route?.delivery ?? this.delivery.mode) === 'strict';
  }

  /** @throws AuditError which refuses the request, by the promise: only what is promised may, never a fault of the audit's own */
  private unlessRefused(record: RequestRecord, ask: () => void | Promise<void>): void | Promise<void> {
    const refuse = (error: unknown) => {
      if (!(error instanceof AuditError)) return this.noteInternalError(error);
      record.refused = true;
      throw error;
    };
    try {
      return ask()?.catch(refuse);
    } catch (error) {
      return Promise.reject(error as Error).catch(refuse);
    }
  }

  private noteInternalError(error: unknown): void {
    const name = error instanceof Error ? error.name : typeof error;
    this.warnings.warn(
      'internal',
      `A part of an audit event could not be made, since the audit itself failed (${name}). The request went on.`,
    );
  }
}

function noteRoute(record: RequestRecord, { route, pattern, params }: FoundRoute): void {
  record.route = route;
  record.pattern = pattern;
  record.params = params;
  outdate(record);
}

function mayChange({ request }: RequestRecord): boolean {
  return !SAFE_METHODS.has(request.method ?? '');
}
