import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { asId } from '../event/as-id.js';
import { OUTCOMES } from '../event/audit-log-event.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { RateLimitedLog } from '../event/audit-logger.js';
import type { AuditLogger } from '../event/audit-logger.js';
import { FACT_LIMITS, flattenFacts, readEntries } from '../event/flatten.js';
import type { SecretTest } from '../event/flatten.js';
import { canonicalIp } from '../event/ip-address.js';
import { mergeFacts } from '../event/merge-facts.js';
import { present } from '../event/present.js';
import { MARGIN, withinReach } from '../event/within-reach.js';
import { AuditError } from '../event/audit-error.js';
import type { AuditEventDraft } from '../pipeline/audit-event-draft.js';
import type { AuditRecorder } from '../pipeline/audit-recorder.js';
import type { BlockingRule, BlockJudge } from '../pipeline/block-judge.js';
import type { AuditPolicy } from '../pipeline/policy/audit-policy.js';
import { selectFields } from '../pipeline/policy/select-fields.js';
import { currentContext, runInContext } from './audit-context.js';
import type { CaptureOptions } from './capture-options.js';
import { answerFields } from './answer-fields.js';
import { buildEvent } from './build-event.js';
import { HeldAnswer } from './held-answer.js';
import { RecordingChoice } from './recording-choice.js';
import { RequestCapture } from './request-capture.js';
import type {
  AuditAnnotation,
  CapturedEnding,
  CapturedIdentity,
  CaptureHost,
  SafePath,
} from './request-capture.js';
import { DEFAULT_RESOLVERS } from './resolvers.js';
import type { CapturedRequest, ResolveOptions } from './resolvers.js';
import { parsedQueryOf, queryOf, rawPathOf } from './request-target.js';
import { rolesOf } from './roles.js';
import { SentValues } from './sent-values.js';
import { watchResponse } from './watch-response.js';
import type { ResponseWatcher } from './watch-response.js';
import type { AuditRouteContext, RouteAudit } from './route-audit.js';
import { SafePaths } from './route-path.js';

/** How a request ends for all that is known before its handler: no one has said that it will not succeed. */
const HOPED_FOR: CapturedEnding = { complete: true, aborted: false, interrupted: false };

/** The resolvers that read the user and the session alone, where the application has none of its own. */
const IDENTITY = ['user', 'tenant', 'session', 'actorType', 'impersonator', 'roles'] as const;
const ANONYMOUS: CapturedIdentity = Object.freeze({ actorType: 'anonymous' });

/** How long a request that may change something runs without a route before the journal has it. A route's comes from its last guard. */
const UNROUTED_INTENT_MS = 200;

/** Methods that change nothing (RFC 9110, section 9.2.1). */
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

/**
 * The capture of requests: opens one {@link RequestCapture} for each, and closes it exactly once, when its response
 * finishes or its connection closes. Nothing here may throw into the application, change its answer, or wait, but for
 * what the delivery mode promises: a strict request is refused, or its answer held, where its event is not safe.
 */
export class RequestAudit implements CaptureHost, ResponseWatcher {
  private readonly resolvers: Required<ResolveOptions>;
  private readonly open = new Set<RequestCapture>();
  private readonly bySocket = new WeakMap<Socket, Set<RequestCapture>>();
  private readonly warnings: RateLimitedLog;
  private readonly choice: RecordingChoice;
  /** What rules read of what clients send, for as long as they are the same. */
  private sentValues = new SentValues([]);
  private readonly paths: SafePaths;
  private frozen = false;
  private unhookedRequests = 0;
  /** Nothing else of a request says who acts: so mostly nobody, and nothing need be asked. */
  private readonly asksOnlyForUserAndSession: boolean;

  constructor(
    private readonly recorder: AuditRecorder,
    options: CaptureOptions,
    private readonly isSecretKey: SecretTest,
    private readonly logger: AuditLogger,
    policy?: AuditPolicy,
    private readonly blockJudge?: BlockJudge,
  ) {
    this.choice = new RecordingChoice(options, policy);
    this.paths = new SafePaths(isSecretKey);
    this.resolvers = { ...DEFAULT_RESOLVERS, ...options.resolve };
    this.asksOnlyForUserAndSession = IDENTITY.every(
      (name) => this.resolvers[name] === DEFAULT_RESOLVERS[name],
    );
    this.warnings = new RateLimitedLog(logger);
  }

  /**
   * Opens the record of a request, where it has none. For a listener of the server: it calls nothing of the application, and leaves
   * the context as it is. Never throws.
   */
  readonly see = (request: CapturedRequest, response: ServerResponse): RequestCapture => {
    // Seen twice, or an application within an application: the outermost capture is the request's.
    const seen = RequestCapture.of(request);
    if (seen) return seen;
    const capture = new RequestCapture(request, response, this);
    try {
      this.openCapture(capture);
    } catch (error) {
      this.noteInternalError(error);
    }
    return capture;
  };

  /** The middleware, which gives what follows its context. Mount it before everything else that can answer a request. */
  readonly middleware = (request: CapturedRequest, response: ServerResponse, next: () => void): void => {
    const capture = this.see(request, response);
    if (this.frozen) return;
    this.noteAddress(capture);
    if (currentContext()?.capture === capture) return next();
    runInContext({ capture }, next);
  };

  /**
   * Opens the record of a request that has reached a guard and that neither listener nor middleware has seen: something has taken
   * them away. Says so once.
   */
  openUnhooked(request: CapturedRequest, response: ServerResponse): RequestCapture {
    if (this.unhookedRequests === 0) {
      this.logger.error(
        "A request has reached the audit's guard that the audit's middleware has not seen: something has removed it from the application. Such requests are recorded from their guard on, and those that are refused before it are not. Find what removes middleware; status().unhooked counts the requests.",
      );
    }
    this.unhookedRequests += 1;
    const capture = this.see(request, response);
    this.noteAddress(capture);
    return capture;
  }

  /** Requests that the guard had to open. */
  get unhooked(): number {
    return this.unhookedRequests;
  }

  /** Learns the application's route patterns, of which those with a secret parameter matter. */
  learnRoutes(patterns: readonly string[]): void {
    this.paths.learn(patterns);
  }

  /** Adds to the event of an open request. A copy: the caller may go on to change its object. */
  annotate(capture: RequestCapture, annotation: AuditAnnotation): void {
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
    capture.annotations.push(copy);
  }

  /** Resolves once every answer that was given has left or lost its connection, at most after `patienceMs`. */
  async settled(patienceMs = 1_000): Promise<void> {
    const deadline = Date.now() + patienceMs;
    while ([...this.open].some((capture) => capture.answered) && Date.now() < deadline) await delay(2);
  }

  /**
   * From now on no answer leaves, and no request goes on: the process is about to end under them, and what nobody can
   * record any more must not happen.
   */
  freeze(): void {
    this.frozen = true;
  }

  /** Records every request that is still open as interrupted: the process is about to end under it. */
  interruptOpen(): void {
    for (const capture of this.open) this.close(capture, true);
  }

  admit(capture: RequestCapture): void | Promise<void> {
    if (!this.choice.isRecorded(capture)) return this.cancelIntent(capture);
    const refuse = (error: unknown) => {
      // Only what is promised may refuse a request, never a fault of the audit's own.
      if (!(error instanceof AuditError)) return this.noteInternalError(error);
      capture.refused = true;
      throw error;
    };
    try {
      const strict = this.isStrict(capture);
      if (strict) {
        capture.noteHeaders();
        this.noteBegun(capture);
      }
      return this.recorder.admit(strict)?.catch(refuse);
    } catch (error) {
      return refuse(error);
    }
  }

  judge(capture: RequestCapture): BlockingRule | undefined {
    if (!this.blockJudge?.canBlock || capture.route?.silenced) return undefined;
    try {
      const blockedBy = this.blockJudge.blocking(this.preview(capture, this.blockJudge.sentKeys));
      if (blockedBy) capture.blockedBy = blockedBy;
      if (blockedBy && capture.closed) this.noteLateBlock(capture);
      return blockedBy;
    } catch (error) {
      // Only what is promised may refuse a request, never a fault of the audit's own.
      capture.noteFault('block');
      this.noteInternalError(error);
      return undefined;
    }
  }

  /** Before the handler: now it is known who asks. */
  noteProgress(capture: RequestCapture): void {
    // Guards may have added to them.
    if (this.isStrict(capture)) capture.noteHeaders();
    if (capture.intent || mayChange(capture)) this.noteBegun(capture);
  }

  /**
   * The event of what is known before the handler, with what is asked for of what the client sent. It is judged, and never
   * stored.
   */
  private preview(capture: RequestCapture, sentKeys: readonly string[]): AuditLogEvent {
    const { request } = capture;
    const event = this.recorder.preview(this.eventOf(capture, HOPED_FOR));
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
  private noteLateBlock(capture: RequestCapture): void {
    const isRecorded = capture.recording?.recorded !== false;
    this.makeEvent(capture, capture.ending(false), (draft) =>
      // Of one that was to leave no event there is one now.
      isRecorded ? this.recorder.amend(draft) : this.recorder.record(draft),
    );
  }

  private openCapture(capture: RequestCapture): void {
    this.open.add(capture);
    capture.own = watchResponse(capture, this, this.recorder.keepsIntents);
    if (this.recorder.keepsIntents && mayChange(capture)) {
      // Where a route takes the request, its last guard says when it begins; else nobody does.
      const noteUnrouted = () => {
        if (!capture.route) this.noteBeginning(capture);
      };
      capture.intentTimer = setTimeout(noteUnrouted, UNROUTED_INTENT_MS).unref();
    }
    this.watchSocket(capture);
  }

  /** Resolved once, as soon as the platform can say it: a closed connection has no address. */
  private noteAddress(capture: RequestCapture): void {
    if (capture.knowsAddress) return;
    capture.knowsAddress = true;
    const { peerAddress } = capture;
    const isOurs = this.resolvers.ip === DEFAULT_RESOLVERS.ip;
    const claimed = this.resolve(capture, 'ip') ?? (isOurs ? peerAddress : undefined);
    let address = claimed === undefined ? undefined : canonicalIp(claimed);
    if (claimed !== undefined && address === undefined) capture.noteFault('resolve.ip');
    // A claim that is no address must not hide where the connection comes from.
    if (capture.stageErrors?.has('resolve.ip')) address = peerAddress && canonicalIp(peerAddress);
    if (address !== undefined) capture.ipAddress = address;
  }

  get isFrozen(): boolean {
    return this.frozen;
  }

  noteBeginning(capture: RequestCapture): void {
    if (!capture.intent) this.noteBegun(capture);
  }

  noteClosed(capture: RequestCapture): void {
    this.close(capture, false);
  }

  noteAnswer(capture: RequestCapture): Promise<boolean> | undefined {
    if (capture.answered || capture.closed) return undefined;
    capture.answered = true;
    this.readSafely(capture, capture.answer());
    if (!this.choice.isRecorded(capture)) {
      this.cancelIntent(capture);
      return undefined;
    }
    const room = this.recorder.room();
    if (!room) return this.enter(capture);
    return room.then(() => (capture.closed ? true : (this.enter(capture) ?? true)));
  }

  private enter(capture: RequestCapture): Promise<boolean> | undefined {
    const strict = this.isStrict(capture) && !capture.refused;
    const { intent } = capture;
    capture.intent = undefined;
    const ticket = this.makeEvent(capture, capture.answer(), (draft) =>
      this.recorder.enter(draft, intent, capture.refused),
    );
    capture.noteEntered(ticket);
    if (ticket) return this.recorder.wait(ticket, strict);
    return strict ? Promise.resolve(false) : undefined;
  }

  hold(capture: RequestCapture, safe: Promise<boolean>, args: readonly unknown[]): void {
    const { response } = capture;
    const held = new HeldAnswer(response);
    capture.held = held;
    const leave = (mayLeave: boolean) => {
      // Its event says that it was interrupted, so it must be.
      if (this.frozen) return;
      capture.held = undefined;
      // Of a request that is closed already, by its client or by a shutdown, all is said.
      if (!capture.closed) capture.withheld = !mayLeave;
      try {
        if (mayLeave) held.release(() => capture.own!.end.apply(response, [...args]));
        else held.refuse(capture.own!, capture.headersBefore);
        capture.noteSent();
      } catch (error) {
        // What is no answer, such as an object; its sender is not there any more to be told.
        response.destroy(error as Error);
      }
    };
    safe.then(leave, (error: unknown) => {
      this.noteInternalError(error);
      leave(true);
    });
  }

  /**
   * A response that waits behind others on a pipelined connection never closes when the connection does, so the
   * connection itself is watched: one listener for all its requests.
   */
  private watchSocket(capture: RequestCapture): void {
    const { socket } = capture.request;
    // Adapters of serverless platforms make requests without a real connection.
    if (typeof socket?.once !== 'function') return;
    const waiting = this.bySocket.get(socket);
    if (waiting) {
      waiting.add(capture);
      return;
    }
    const captures = new Set([capture]);
    this.bySocket.set(socket, captures);
    socket.once('close', () => {
      // The response's own close event comes first where there is one.
      process.nextTick(() => {
        for (const open of captures) this.close(open, false);
      });
    });
  }

  private close(capture: RequestCapture, interrupted: boolean): void {
    if (capture.closed) return;
    clearTimeout(capture.intentTimer);
    if (!capture.answered) this.readSafely(capture, capture.ending(interrupted));
    capture.closed = true;
    this.open.delete(capture);
    capture.stopWatching();
    if (capture.request.socket) this.bySocket.get(capture.request.socket)?.delete(capture);
    if (!this.choice.isRecorded(capture)) return this.cancelIntent(capture);
    if (capture.dropped) return;
    const ending = capture.ending(interrupted);
    const { ticket, intent } = capture;
    if (!ticket) {
      this.makeEvent(capture, ending, (draft) => {
        const entered = this.recorder.enter(draft, intent);
        if (entered) this.recorder.release(entered);
      });
    } else if (ending.complete && !capture.hasChanged) this.recorder.release(ticket);
    else this.makeEvent(capture, ending, (draft) => this.recorder.release(ticket, draft));
  }

  /** Makes the request's event, without what the application added to it where that can't be made an event of. */
  private makeEvent<T>(
    capture: RequestCapture,
    ending: CapturedEnding,
    use: (draft: AuditEventDraft) => T,
  ): T | undefined {
    try {
      return use(this.eventOf(capture, ending));
    } catch (error) {
      // That the request happened still is one.
      this.noteInternalError(error);
      capture.discardAdditions();
      capture.noteFault('event');
      try {
        return use(buildEvent(capture, ending, capture.pattern ?? ''));
      } catch (again) {
        this.noteInternalError(again);
        return undefined;
      }
    }
  }

  /** Has the journal know that the request has begun, and what is known of it. */
  private noteBegun(capture: RequestCapture): void {
    if (!this.recorder.keepsIntents || capture.answered || capture.closed) return;
    if (!this.choice.isRecorded(capture)) return this.cancelIntent(capture);
    capture.intent = this.makeEvent(capture, capture.begun(), (draft) =>
      this.recorder.begin(draft, capture.intent),
    );
  }

  private cancelIntent(capture: RequestCapture): void {
    if (capture.intent) this.recorder.cancel(capture.intent);
    capture.intent = undefined;
  }

  private readSafely(capture: RequestCapture, { statusCode }: CapturedEnding): void {
    try {
      this.noteAddress(capture);
      capture.noteIdentity();
      this.choice.settle(capture, statusCode);
      if (this.choice.isRecorded(capture)) this.readRequest(capture);
    } catch (error) {
      capture.noteFault('request');
      this.noteInternalError(error);
    }
  }

  private isStrict(capture: RequestCapture): boolean {
    return (capture.route?.delivery ?? this.recorder.mode) === 'strict';
  }

  /** All that must be read while the request is still whole. Each piece that fails costs itself only. */
  private readRequest(capture: RequestCapture): void {
    const { route } = capture;
    const fields = this.choice.fieldsOf(capture);
    const asksForNothing = fields.query === false && fields.body === false && fields.response === false;
    if (asksForNothing && (!route || !hasFacts(route))) return;
    const context: AuditRouteContext = {
      request: capture.request,
      params: capture.params,
      result: capture.result,
      ...present('errorName', capture.errorName),
    };
    const said = <T>(name: string, ask: () => T): T | undefined => {
      try {
        const value = ask();
        if (isThenable(value)) throw new TypeError('answered a promise');
        return value;
      } catch {
        // A function that reads the result has none to read where the request was refused: that is no fault of its.
        if (capture.hasResult || capture.errorName === undefined) capture.noteFault(name);
        return undefined;
      }
    };
    const details = said('details', () =>
      typeof route?.details === 'function' ? route.details(context) : route?.details,
    );
    const query = said('query', () =>
      fields.query === false ? undefined : selectFields(queryOf(capture.request), fields.query),
    );
    const body = said('body', () => selectFields(capture.request['body'], fields.body));
    // What was thrown instead is no answer of the handler's.
    const isAnswer = capture.hasResult && capture.errorName === undefined;
    const response = said('response', () =>
      isAnswer ? answerFields(capture.result, fields.response) : undefined,
    );
    const resourceId = said('resourceId', () => asId(route?.resourceId?.(context)));
    const outcome = said('outcome', () => {
      const value = route?.outcome?.(context);
      if (value !== undefined && !OUTCOMES.includes(value)) throw new TypeError('is no outcome');
      return value;
    });
    capture.routeFacts = {
      // What the application says comes first: what a client sends must not push it out of a full record.
      details: mergeFacts(details, { query, body, response }),
      ...present('resourceId', resourceId),
      ...present('outcome', outcome),
    };
  }

  resolveIdentity(capture: RequestCapture): CapturedIdentity {
    if (this.asksOnlyForUserAndSession && isAnonymous(capture.request)) {
      // Whoever was known before is not made anonymous by a logout.
      return capture.identity.actorType === undefined ? ANONYMOUS : capture.identity;
    }
    const userId = this.resolve(capture, 'user');
    const roles = this.resolveRoles(capture);
    return {
      ...present('userId', userId),
      ...present('tenantId', this.resolve(capture, 'tenant')),
      ...present('sessionId', this.resolve(capture, 'session')),
      ...present('actorType', this.resolveActorType(capture)),
      ...present('impersonatorId', this.resolve(capture, 'impersonator')),
      // A user who took another's place does not take over the other's roles; a logout leaves them.
      ...(roles && (userId !== undefined || roles.length > 0) && { roles }),
    };
  }

  private resolveRoles(capture: RequestCapture): readonly string[] | undefined {
    try {
      const value: unknown = this.resolvers.roles(capture.request);
      if (value === undefined || value === null) return [];
      if (isThenable(value)) throw new TypeError('answered a promise');
      const roles = rolesOf(value);
      if (!roles) throw new TypeError('answered no roles');
      return roles;
    } catch {
      capture.noteFault('resolve.roles');
      return undefined;
    }
  }

  /** Whoever was known before is not made anonymous by a logout. */
  private resolveActorType(capture: RequestCapture): string | undefined {
    const actorType = this.resolve(capture, 'actorType');
    return actorType === 'anonymous' && capture.identity.actorType ? undefined : actorType;
  }

  private resolve(capture: RequestCapture, name: Exclude<keyof ResolveOptions, 'roles'>): string | undefined {
    try {
      const value: unknown = this.resolvers[name](capture.request);
      if (value === undefined || value === null) return undefined;
      if (isThenable(value)) throw new TypeError('answered a promise');
      const id = asId(value);
      if (id === undefined && value !== '') throw new TypeError('answered no id');
      return id;
    } catch {
      capture.noteFault(`resolve.${name}`);
      return undefined;
    }
  }

  private eventOf(capture: RequestCapture, ending: CapturedEnding): AuditEventDraft {
    const { path, length } = this.pathOf(capture);
    return buildEvent(capture, ending, path, length);
  }

  /**
   * The request's path without its query, secret parameters redacted, also where no route was found; as much of it as is looked at.
   * Made once, and once more when the route is known.
   */
  private pathOf(capture: RequestCapture): SafePath {
    const { safePath, pattern } = capture;
    if (safePath && safePath.pattern === pattern) return safePath;
    const raw = rawPathOf(capture.request);
    const seen = withinReach(raw, FACT_LIMITS.string);
    const path = pattern === undefined ? this.paths.ofNoRoute(seen) : this.paths.ofRoute(seen, pattern);
    return (capture.safePath = { path, length: raw.length, pattern });
  }

  private noteInternalError(error: unknown): void {
    const name = error instanceof Error ? error.name : typeof error;
    this.warnings.warn('internal', `An audit event could not be made whole (${name}). The request went on.`);
  }
}

/** Whether the route itself has something to say of its requests. */
function hasFacts({ details, resourceId, outcome }: RouteAudit): boolean {
  return details !== undefined || resourceId !== undefined || outcome !== undefined;
}

/** Whether the request's method is one that may change something. */
function mayChange({ request }: RequestCapture): boolean {
  return !SAFE_METHODS.has(request.method ?? '');
}

/** Whether the request has neither user nor session. Where that can't be read, the resolvers find out what it costs. */
function isAnonymous(request: CapturedRequest): boolean {
  try {
    return !request['user'] && !request['session'];
  } catch {
    return false;
  }
}

/** Whether the value is a promise; its rejection is then nobody's, and must not end the process. */
function isThenable(value: unknown): boolean {
  if (
    typeof value !== 'object' ||
    value === null ||
    typeof (value as { then?: unknown }).then !== 'function'
  ) {
    return false;
  }
  Promise.resolve(value as PromiseLike<unknown>).catch(() => undefined);
  return true;
}
