import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { asId } from '../event/as-id.js';
import { OUTCOMES } from '../event/audit-log-event.js';
import { RateLimitedLog } from '../event/audit-logger.js';
import type { AuditLogger } from '../event/audit-logger.js';
import { flattenFacts, readEntries } from '../event/flatten.js';
import { canonicalIp } from '../event/ip-address.js';
import { mergeFacts } from '../event/merge-facts.js';
import { present } from '../event/present.js';
import type { AuditRecorder } from '../pipeline/audit-recorder.js';
import { runInContext } from './audit-context.js';
import { buildEvent } from './build-event.js';
import { RequestCapture } from './request-capture.js';
import type { AuditAnnotation, CapturedIdentity } from './request-capture.js';
import { DEFAULT_RESOLVERS } from './resolvers.js';
import type { CapturedRequest, ResolveOptions } from './resolvers.js';
import type { AuditRouteContext, FieldSelection } from './route-audit.js';
import { hasSecretParameter, redactLikely, redactPath } from './route-path.js';
import { selectFields } from './select-fields.js';

/** What is captured of requests. */
export interface CaptureOptions {
  /** Record every request, or only those of routes under `@Audit()`. @defaultValue `'all'` */
  readonly requests?: 'all' | 'annotated';
  /** Who acted, in whose data, from where; each has a default. */
  readonly resolve?: ResolveOptions;
  /** Query values to store, as `details['query.*']`, redacted by key. @defaultValue `false` */
  readonly query?: FieldSelection;
  /** Body fields to store, as `details['body.*']`, redacted by key. @defaultValue `false` */
  readonly body?: FieldSelection;
}

/**
 * The capture of requests: opens one {@link RequestCapture} for each, and closes it exactly once, when its response
 * finishes or its connection closes. Nothing here may throw into the application, change its answer, or wait.
 */
export class RequestAudit {
  private readonly resolvers: Required<ResolveOptions>;
  private readonly open = new Set<RequestCapture>();
  private readonly bySocket = new WeakMap<Socket, Set<RequestCapture>>();
  private readonly warnings: RateLimitedLog;
  /** For requests that never reach a route, such as a malformed body sent to one. */
  private secretRoutes: readonly string[] = [];

  constructor(
    private readonly recorder: AuditRecorder,
    private readonly options: CaptureOptions,
    private readonly isSecretKey: (key: string) => boolean,
    logger: AuditLogger,
  ) {
    this.resolvers = { ...DEFAULT_RESOLVERS, ...options.resolve };
    this.warnings = new RateLimitedLog(logger);
  }

  /** The middleware. Mount it before everything else that can answer a request. */
  readonly middleware = (request: CapturedRequest, response: ServerResponse, next: () => void): void => {
    // Mounted twice, or an application within an application: the outermost capture is the request's.
    if (RequestCapture.of(request)) return next();
    const capture = new RequestCapture(request, response, (open) => this.resolveIdentity(open));
    try {
      this.openCapture(capture);
    } catch (error) {
      this.noteInternalError(error);
    }
    runInContext({ capture }, next);
  };

  /** Learns the application's route patterns, of which those with a secret parameter matter. */
  learnRoutes(patterns: readonly string[]): void {
    this.secretRoutes = patterns.filter((pattern) => hasSecretParameter(pattern, this.isSecretKey));
  }

  /** Adds to the event of an open request. A copy: the caller may go on to change its object. */
  annotate(capture: RequestCapture, annotation: AuditAnnotation): void {
    const copy: Record<string, unknown> = Object.fromEntries(readEntries(annotation));
    for (const name of ['details', 'metadata']) {
      const facts = copy[name];
      if (typeof facts === 'object' && facts !== null && !Array.isArray(facts)) {
        copy[name] = flattenFacts(facts as Record<string, unknown>, this.isSecretKey);
      }
    }
    capture.annotations.push(copy);
  }

  /** Resolves once every answer that was given has left or lost its connection, at most after `patienceMs`. */
  async settled(patienceMs = 1_000): Promise<void> {
    const deadline = Date.now() + patienceMs;
    while ([...this.open].some((capture) => capture.answered) && Date.now() < deadline) await delay(2);
  }

  /** Records every request that is still open as interrupted: the process is about to end under it. */
  interruptOpen(): void {
    for (const capture of this.open) this.close(capture, true);
  }

  private openCapture(capture: RequestCapture): void {
    this.open.add(capture);
    const address = this.resolve(capture, 'ip');
    if (address !== undefined) {
      const canonical = canonicalIp(address);
      if (canonical === undefined) capture.stageErrors.add('resolve.ip');
      else capture.ipAddress = canonical;
    }
    this.watchAnswer(capture);
    // Once everything is handed to the operating system nothing can change the outcome; without that it closes.
    capture.response.once('finish', () => this.close(capture, false));
    capture.response.once('close', () => this.close(capture, false));
    this.watchSocket(capture);
  }

  /** Notices the answer when it is ready, before its last byte is handed to the socket, in the request's context. */
  private watchAnswer(capture: RequestCapture): void {
    const { response } = capture;
    const end = response.end as (...args: unknown[]) => ServerResponse;
    const noteAnswer = () => {
      if (capture.answered || capture.closed) return;
      capture.answered = true;
      this.readSafely(capture);
    };
    response.end = function (this: ServerResponse, ...args: unknown[]): ServerResponse {
      noteAnswer();
      return end.apply(this, args);
    } as ServerResponse['end'];
    const { destroy } = response;
    response.destroy = function (this: ServerResponse, error?: Error): ServerResponse {
      capture.noteDestroyed(error);
      return destroy.call(this, error);
    };
    response.on('pipe', (source: Readable) => capture.watchSource(source));
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
    if (!capture.answered) this.readSafely(capture);
    capture.closed = true;
    this.open.delete(capture);
    capture.stopWatching();
    if (capture.request.socket) this.bySocket.get(capture.request.socket)?.delete(capture);
    if (!this.isRecorded(capture)) return;
    const ending = capture.ending(interrupted);
    try {
      this.recorder.record(buildEvent(capture, ending, this.pathOf(capture)));
    } catch (error) {
      // Whatever the application added can't be made an event of; that the request happened still is one.
      this.noteInternalError(error);
      capture.discardAdditions();
      capture.stageErrors.add('event');
      try {
        this.recorder.record(buildEvent(capture, ending, capture.pattern ?? ''));
      } catch (again) {
        this.noteInternalError(again);
      }
    }
  }

  private readSafely(capture: RequestCapture): void {
    try {
      this.readRequest(capture);
    } catch (error) {
      capture.stageErrors.add('request');
      this.noteInternalError(error);
    }
  }

  private isRecorded(capture: RequestCapture): boolean {
    return capture.route ? capture.route.recorded : (this.options.requests ?? 'all') === 'all';
  }

  /** All that must be read while the request is still whole. Each piece that fails costs itself only. */
  private readRequest(capture: RequestCapture): void {
    capture.noteIdentity();
    const { route } = capture;
    if (!route?.recorded) return;
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
        if (capture.hasResult || capture.errorName === undefined) capture.stageErrors.add(name);
        return undefined;
      }
    };
    const details = said('details', () =>
      typeof route.details === 'function' ? route.details(context) : route.details,
    );
    const query = said('query', () => {
      const selection = route.query ?? this.options.query ?? false;
      return selection === false ? undefined : selectFields(queryOf(capture.request), selection);
    });
    const body = said('body', () => selectFields(capture.request['body'], route.body ?? this.options.body));
    const resourceId = said('resourceId', () => asId(route.resourceId?.(context)));
    const outcome = said('outcome', () => {
      const value = route.outcome?.(context);
      if (value !== undefined && !OUTCOMES.includes(value)) throw new TypeError('is no outcome');
      return value;
    });
    capture.routeFacts = {
      // What the application says comes first: what a client sends must not push it out of a full record.
      details: mergeFacts(details, { query, body }),
      ...present('resourceId', resourceId),
      ...present('outcome', outcome),
    };
  }

  private resolveIdentity(capture: RequestCapture): CapturedIdentity {
    return {
      ...present('userId', this.resolve(capture, 'user')),
      ...present('tenantId', this.resolve(capture, 'tenant')),
      ...present('sessionId', this.resolve(capture, 'session')),
      ...present('actorType', this.resolveActorType(capture)),
      ...present('impersonatorId', this.resolve(capture, 'impersonator')),
    };
  }

  /** Whoever was known before is not made anonymous by a logout. */
  private resolveActorType(capture: RequestCapture): string | undefined {
    const actorType = this.resolve(capture, 'actorType');
    return actorType === 'anonymous' && capture.identity.actorType ? undefined : actorType;
  }

  private resolve(capture: RequestCapture, name: keyof ResolveOptions): string | undefined {
    try {
      const value: unknown = this.resolvers[name](capture.request);
      if (value === undefined || value === null) return undefined;
      if (isThenable(value)) throw new TypeError('answered a promise');
      const id = asId(value);
      if (id === undefined && value !== '') throw new TypeError('answered no id');
      return id;
    } catch {
      capture.stageErrors.add(`resolve.${name}`);
      return undefined;
    }
  }

  /** The request's path without its query, secret parameters redacted, also where no route was found. */
  private pathOf(capture: RequestCapture): string {
    const path = rawPathOf(capture.request);
    if (capture.pattern !== undefined) return redactPath(path, capture.pattern, this.isSecretKey);
    return this.secretRoutes.reduce((safe, pattern) => redactLikely(safe, pattern, this.isSecretKey), path);
  }

  private noteInternalError(error: unknown): void {
    const name = error instanceof Error ? error.name : typeof error;
    this.warnings.warn('internal', `An audit event could not be made whole (${name}). The request went on.`);
  }
}

function rawPathOf(request: CapturedRequest): string {
  const target = String(request['originalUrl'] ?? request.url ?? '');
  // The absolute form (RFC 9112, section 3.2.2) may carry a user and a password.
  const local = target.startsWith('/')
    ? target
    : target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '') || '/';
  return local.split(/[?#]/, 1)[0] ?? '';
}

function queryOf(request: CapturedRequest): Record<string, unknown> {
  const target = String(request['originalUrl'] ?? request.url ?? '');
  const start = target.indexOf('?');
  const values = new Map<string, string[]>();
  if (start >= 0) {
    for (const [name, value] of new URLSearchParams(target.slice(start + 1))) {
      const before = values.get(name);
      if (before) before.push(value);
      else values.set(name, [value]);
    }
  }
  return Object.fromEntries([...values].map(([name, all]) => [name, all.length === 1 ? all[0] : all]));
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
