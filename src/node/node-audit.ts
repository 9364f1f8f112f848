import type { IncomingMessage, ServerResponse } from 'node:http';
import { auditedOf } from '../capture/request-audit.js';
import type { CapturedRequest } from '../capture/resolvers.js';
import { checkRouteOptions, routeOfPattern } from '../capture/route-audit.js';
import type { AuditRouteOptions } from '../capture/route-audit.js';
import type { AuditLogger } from '../event/audit-logger.js';
import { AuditError } from '../event/audit-error.js';
import { PlainAudit } from '../engine/plain-audit.js';
import type { PlainAuditOptions } from '../engine/plain-audit.js';

/** What is known of the route that takes a request. */
export interface ToldRoute extends AuditRouteOptions {
  /** Its pattern, `/invoices/:id`: action and resource are read from it, where they are not given. */
  readonly pattern?: string;
  /** The values of its parameters. */
  readonly params?: Readonly<Record<string, unknown>>;
  /** Who acts, where the platform keeps that elsewhere than in `request.user`. */
  readonly user?: unknown;
}

/**
 * The audit of any server that has Node's own requests and responses: `node:http`, HTTP/2 in compatibility mode, Koa, or a
 * serverless adapter.
 *
 * @example
 * ```ts
 * const audit = new NodeAudit({ database: { type: 'mysql', url: process.env.AUDIT_DATABASE_URL } });
 * createServer((request, response) => audit.handle(request, response, () => answer(request, response)));
 * ```
 */
export class NodeAudit extends PlainAudit {
  /**
   * @param options as for Nest's `AuditModule.forRoot()`
   * @param logger where it says what it must say. @defaultValue the standard error output
   * @throws AuditError `AUDIT_INVALID_OPTIONS`, with what to write instead
   */
  constructor(options: PlainAuditOptions = {}, logger?: AuditLogger) {
    // Nothing is asked for the route: it is told.
    super(options, { guardsRoutes: false, routeOf: () => undefined }, logger);
  }

  /**
   * Records the request, and runs what answers it in its context, where `service.annotate()` finds it.
   *
   * @returns what `next` returns
   * @throws AuditError where the audit could not start: what can't be recorded is not to happen
   */
  handle<T>(request: IncomingMessage, response: ServerResponse, next: () => T): T | undefined {
    if (this.failure !== undefined) throw this.failure;
    return this.runtime.rooms.requests.middleware(request as CapturedRequest, response, next);
  }

  /**
   * Tells the route that takes the request, before its handler runs and when the user is known; it is the guard as well.
   *
   * @throws AuditError by the promise: `AUDIT_UNAVAILABLE` (status 503) where a `strict` request can't be recorded, `AUDIT_BLOCKED` (403)
   *   where a compliance rule refuses it
   */
  async route(given: IncomingMessage, { pattern, params = {}, user, ...declared }: ToldRoute): Promise<void> {
    const { requests, delivery } = this.runtime.rooms;
    const request = given as CapturedRequest & { user?: unknown };
    const record = auditedOf(request)?.record;
    if (!record) throw new AuditError('AUDIT_INVALID_OPTIONS', NOT_HANDLED);
    checkRouteOptions(declared, 'route()', delivery.mode);
    if (user !== undefined) request.user = user;
    const route = routeOfPattern(request.method ?? '', pattern, declared, true);
    await requests.enterRoute(record, { route, pattern, params });
  }
}

const NOT_HANDLED =
  'route() has a request that the audit has not seen: pass each request through audit.handle(request, response, next) first.';
