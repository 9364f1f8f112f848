import { errorMonitor } from 'node:events';
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { errorNameOf } from '../event/audit-error.js';
import { asId } from '../event/as-id.js';
import { createEventId } from '../event/event-id.js';
import { safeText } from '../event/safe-text.js';
import type { AuditEventInput } from '../event/audit-event-input.js';
import type { Ticket } from '../journal/delivery.js';
import type { Intent } from '../journal/entry.js';
import type { BlockingRule } from '../pipeline/block-judge.js';
import type { PolicyRule } from '../pipeline/policy/policy-rule.js';
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
export interface CapturedIdentity {
  readonly userId?: string;
  readonly tenantId?: string;
  readonly sessionId?: string;
  readonly actorType?: string;
  readonly impersonatorId?: string;
  /** Known, if only to be none, once there is a user. */
  readonly roles?: readonly string[];
}

/** A request's path without secrets, as much of it as is looked at. */
export interface SafePath {
  readonly path: string;
  /** How long it was. */
  readonly length: number;
  /** Of the route that was known then. */
  readonly pattern: string | undefined;
}

/** How a request's response ended, as its connection tells. */
export interface CapturedEnding {
  /** The whole answer was handed to the operating system. */
  readonly complete: boolean;
  /** The connection was gone before that. */
  readonly aborted: boolean;
  /** The process is shutting down under the open request, or died. */
  readonly interrupted: boolean;
  /** Absent where no status was sent. */
  readonly statusCode?: number;
  /** Absent where nobody knows. */
  readonly durationMs?: number;
}

/** What was decided of a request for good. */
export interface Recording {
  readonly recorded: boolean;
  /** The policy's rule that decided; without one, `@Audit()` and the options did. */
  readonly rule?: PolicyRule;
}

/** What a capture asks of those who opened it. */
export interface CaptureHost {
  resolveIdentity(capture: RequestCapture): CapturedIdentity;
  /** @throws AuditError `AUDIT_UNAVAILABLE`, at once or by the promise */
  admit(capture: RequestCapture): void | Promise<void>;
  noteProgress(capture: RequestCapture): void;
  /** The compliance rule that refuses the request; noted in the capture. Never throws. */
  judge?(capture: RequestCapture): BlockingRule | undefined;
}

// What most requests have, made once for all of them.
const NOBODY: CapturedIdentity = Object.freeze({});
const NO_FACTS = Object.freeze({});
const NO_PARAMETERS = Object.freeze({});

/** What of a request can still change its event. */
interface Knowledge {
  readonly statusCode: number;
  readonly annotations: number;
  readonly errorName: string | undefined;
  readonly blockedBy: BlockingRule | undefined;
}

/** Where a request has its capture. A weak map would keep all of a request alive until the garbage collector's second look. */
const CAPTURE = Symbol('nest-audit-trail');

interface Captured {
  [CAPTURE]?: RequestCapture | undefined;
}

/**
 * One open request: what each station of its way adds, until its response closes. Belongs to the middleware that
 * opened it; the guard, the interceptor, the exception observer and `annotate()` write to it.
 */
export class RequestCapture {
  readonly startedAt = Date.now();
  readonly id = createEventId(this.startedAt);
  private readonly startedTick = performance.now();
  private readonly watched: [source: Readable, note: (error: unknown) => void][] = [];

  /** The route that the request found, with what `@Audit()` says of it; set by the guard. */
  route?: RouteAudit;
  /** The platform's pattern of that route. */
  pattern?: string;
  params: Readonly<Record<string, unknown>> = NO_PARAMETERS;
  /** Made when its event is, for the first time. */
  safePath: SafePath | undefined = undefined;
  /** Every guard let the request through. */
  passedGuards = false;
  /** What the handler returned, once it did. */
  result: unknown;
  hasResult = false;
  /** The class name of the last error thrown on the request's way, or of the stream that broke. */
  errorName?: string;
  /** The answer broke on the server's side: its stream failed, or the application destroyed the response. */
  brokenStream = false;
  /** Canonical address, as soon as the platform can say it. */
  ipAddress?: string;
  knowsAddress = false;
  /** The other end of the connection: the client, or the last proxy. */
  readonly peerAddress: string | undefined;
  /** Resolved when the answer was ready; before, what the interceptor saw. */
  identity: CapturedIdentity = NOBODY;
  /** What the route's functions said when the answer was ready. */
  routeFacts: Partial<Pick<AuditEventInput, 'details' | 'outcome' | 'resourceId'>> = NO_FACTS;
  readonly annotations: AuditAnnotation[] = [];
  /** What failed while the event was made, by the names of the fields it cost; mostly nothing. */
  stageErrors: Set<string> | undefined = undefined;
  /** `end()` was called on the response. */
  answered = false;
  closed = false;
  /** Whether and how it is recorded, once that was decided. */
  recording?: Recording;
  /** The compliance rule that refused it before its handler. */
  blockedBy?: BlockingRule;
  /** The delivery mode refused it before its handler. */
  refused = false;
  /** The journal's word that the request has begun. */
  intent: Intent | undefined;
  /** Until the journal gets it, where no route does so before. */
  intentTimer: NodeJS.Timeout | undefined;
  /** Its event, once that was entered; what was known then. */
  ticket: Ticket | undefined;
  private known: Knowledge | undefined;
  /** Of the head that was written: what the application does to the response's own from then on never leaves. */
  private sentStatusCode?: number;
  private isSent = false;
  /** The operating system took all of the answer at once. */
  private handedOver = false;
  /** There was no room for its event. */
  dropped = false;
  /** What the response itself had before it was watched. */
  own?: ResponseFunctions;
  /** Of a strict request: the response's headers before its handler ran. None where it found no route. */
  headersBefore: OutgoingHttpHeaders = NO_FACTS;
  /** Its answer waits for its event. */
  held: HeldAnswer | undefined;
  /** Its answer was replaced by 503, since its event was not committed in time. */
  withheld = false;

  constructor(
    readonly request: CapturedRequest,
    readonly response: ServerResponse,
    private readonly host: CaptureHost,
  ) {
    (request as Captured)[CAPTURE] = this;
    this.peerAddress = request.socket?.remoteAddress;
  }

  /** The capture of a request that passed the middleware, open or closed. */
  static of(request: unknown): RequestCapture | undefined {
    return typeof request === 'object' && request !== null ? (request as Captured)[CAPTURE] : undefined;
  }

  /**
   * Resolves user, tenant and session now, and keeps what is found: a handler may log the user out before the answer
   * is ready.
   */
  noteIdentity(): void {
    const found = this.host.resolveIdentity(this);
    this.identity = this.identity === NOBODY ? found : { ...this.identity, ...found };
  }

  /**
   * Whether the request may go on to its guards and its handler. Asked once its route is known.
   *
   * @throws AuditError `AUDIT_UNAVAILABLE`, at once or by the promise
   */
  admit(): void | Promise<void> {
    return this.host.admit(this);
  }

  /**
   * Every guard let the request through: its user is known, and its handler is next.
   *
   * @returns the compliance rule that refuses it, where one does
   */
  passGuards(): BlockingRule | undefined {
    this.passedGuards = true;
    this.noteIdentity();
    const blockedBy = this.host.judge?.(this);
    this.host.noteProgress(this);
    return blockedBy;
  }

  private get durationMs(): number {
    return Math.round((performance.now() - this.startedTick) * 10) / 10;
  }

  /** The platform's or a proxy's id of the request, as claimed; else the event's own. */
  get requestId(): string {
    try {
      const claimed = asId(this.request['id']) ?? asId(this.request.headers['x-request-id']);
      return claimed === undefined ? this.id : safeText(claimed, 200);
    } catch {
      return this.id;
    }
  }

  /** @param name of what failed while the event was made */
  noteFault(name: string): void {
    (this.stageErrors ??= new Set()).add(name);
  }

  noteError(thrown: unknown): void {
    this.errorName = errorNameOf(thrown);
  }

  /** Watches a stream that is piped into the response, without taking its errors from whoever handles them. */
  watchSource(source: Readable): void {
    const note = (error: unknown) => this.noteBroken(error);
    source.once(errorMonitor, note);
    this.watched.push([source, note]);
  }

  /** Lets go of the streams: one that serves many responses outlives this request. */
  stopWatching(): void {
    for (const [source, note] of this.watched) source.off(errorMonitor, note);
    this.watched.length = 0;
  }

  /** What was to be the answer failed: one that has begun is broken, another can still be answered by an error. */
  noteBroken(error: unknown): void {
    if (this.closed) return;
    this.brokenStream ||= this.response.headersSent;
    this.noteError(error);
  }

  /** Forgets what the application added to the event. */
  discardAdditions(): void {
    this.annotations.length = 0;
    this.routeFacts = NO_FACTS;
    this.result = undefined;
    this.hasResult = false;
    this.params = NO_PARAMETERS;
  }

  /** The application destroyed the response while its client was still there. */
  noteDestroyed(error: unknown): void {
    if (this.closed || this.request.socket.destroyed || this.response.writableFinished) return;
    this.brokenStream = true;
    if (error) this.noteError(error);
  }

  /** How it will have ended if nothing more is heard of it. */
  begun(): CapturedEnding {
    return { complete: false, aborted: false, interrupted: true, ...this.sentStatus() };
  }

  /** How it ends if its answer, which is ready, arrives. */
  answer(): CapturedEnding {
    const { statusCode } = this;
    return { complete: true, aborted: false, interrupted: false, statusCode, durationMs: this.durationMs };
  }

  /** Remembers the response's headers as they are. */
  noteHeaders(): void {
    const headers = Object.entries(this.response.getHeaders());
    // Lists as well: Node's `appendHeader` adds to the one that is there.
    this.headersBefore = Object.fromEntries(
      headers.map(([name, value]) => [name, Array.isArray(value) ? [...value] : value]),
    );
  }

  /** The head of the answer is written. */
  noteHead(): void {
    this.sentStatusCode = this.response.statusCode;
  }

  /** Node has the whole answer. */
  noteSent(): void {
    const { response } = this;
    // Ended again, it is another answer to nobody.
    if (this.isSent) return;
    this.isSent = true;
    this.sentStatusCode ??= response.statusCode;
    this.handedOver = Boolean(response.socket) && response.writableLength === 0;
  }

  /** Reads how the response ended. Only meaningful once it closed, or at shutdown. */
  ending(interrupted: boolean): CapturedEnding {
    // Node calls a response finished also when its connection was destroyed while a part of it still waited.
    const isSent = this.response.writableFinished && (this.handedOver || !this.request.socket?.destroyed);
    const complete = isSent && !this.brokenStream && !this.withheld;
    return {
      complete,
      aborted: !complete && !this.brokenStream && !interrupted && !this.withheld,
      interrupted,
      ...this.sentStatus(),
      durationMs: this.durationMs,
    };
  }

  /** Remembers what was known when its event was made. */
  noteEntered(ticket: Ticket | undefined): void {
    this.ticket = ticket;
    this.dropped = ticket === undefined;
    const { statusCode, annotations, errorName, blockedBy } = this;
    this.known = { statusCode, annotations: annotations.length, errorName, blockedBy };
  }

  /** Whether its event would be another one now. */
  get hasChanged(): boolean {
    const { known } = this;
    return (
      known?.statusCode !== this.statusCode ||
      known.annotations !== this.annotations.length ||
      known.errorName !== this.errorName ||
      known.blockedBy !== this.blockedBy
    );
  }

  private sentStatus(): { readonly statusCode?: number } {
    // An answer that waits only looks as if it had left.
    const isSent = this.sentStatusCode !== undefined || (this.response.headersSent && !this.held);
    return isSent ? { statusCode: this.statusCode } : {};
  }

  private get statusCode(): number {
    return this.sentStatusCode ?? this.response.statusCode;
  }
}
