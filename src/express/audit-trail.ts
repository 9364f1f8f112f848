import type { IncomingMessage, ServerResponse } from 'node:http';
import { learnRoutes } from '../capture/express-router.js';
import { CurrentAudit } from '../capture/annotation.js';
import { LoginHints } from '../capture/login-hints.js';
import { auditedOf } from '../capture/request-audit.js';
import { noteError } from '../capture/request-record.js';
import type { CapturedRequest } from '../capture/resolvers.js';
import type { ServiceClass } from '../engine/audit-feature.js';
import { PlainAudit } from '../engine/plain-audit.js';
import type { PlainAuditOptions } from '../engine/plain-audit.js';
import { consoleLogger } from '../event/audit-logger.js';
import type { AuditLogger } from '../event/audit-logger.js';
import { ExpressRoutes } from './express-routes.js';

export type Next = (error?: unknown) => void;
export type Middleware = (request: IncomingMessage, response: ServerResponse, next: Next) => void;
export type ErrorMiddleware = (
  error: unknown,
  request: IncomingMessage,
  response: ServerResponse,
  next: Next,
) => void;

declare global {
  // oxlint-disable-next-line typescript/no-namespace -- where Express's own types have their requests
  namespace Express {
    interface Request {
      /** The audit of this request, once `app.use(auditTrail())` has seen it. */
      audit: CurrentAudit;
    }
  }
}

/** The audit of an Express application: the middleware that sees every request, and what goes with it. */
export interface AuditTrail extends Middleware, Pick<PlainAudit, 'service' | 'get' | 'ready' | 'close'> {
  /**
   * The guard of all routes after it, where `audited()` does not stand: refuses as that does. Stand it behind what authenticates.
   */
  readonly guard: Middleware;
  /** Records what kind of error a request failed by, and passes it on. Stand it before the application's own error handlers. */
  readonly errors: ErrorMiddleware;
}

/**
 * Audits an Express application: `app.use(audit)` before all else.
 *
 * @param options as for Nest's `AuditModule.forRoot()`
 * @param logger where it says what it must say
 * @throws AuditError `AUDIT_INVALID_OPTIONS`, with what to write instead
 *
 * @example
 * ```ts
 * const audit = auditTrail({ database: { type: 'mysql', url: process.env.AUDIT_DATABASE_URL } });
 * app.use(audit);
 * ```
 */
export function auditTrail(options: PlainAuditOptions = {}, logger: AuditLogger = consoleLogger): AuditTrail {
  const logins = new LoginHints();
  const learned: ConstructorParameters<typeof ExpressRoutes>[1] = (...route) => {
    logins.note(...route);
    for (const hint of logins.hints(options.features)) logger.log(hint);
  };
  const routes = new ExpressRoutes(options.capture ?? {}, learned, (patterns) => paths.learn(patterns));
  const plain = new PlainAudit(options, routes, logger);
  const { requests, paths } = plain.runtime.rooms;
  let knowsRoutes = false;

  const audit: Middleware = (given, response, next) => {
    // What can't be recorded is not to happen.
    if (plain.failure !== undefined) return next(plain.failure);
    const request = given as CapturedRequest & { audit?: CurrentAudit };
    if (!knowsRoutes) learnRoutes(request['app'], paths, logger);
    knowsRoutes = true;
    requests.middleware(request, response, () => {
      request.audit ??= new CurrentAudit(auditedOf(request)!.record);
      next();
    });
  };
  const guard: Middleware = (given, response, next) => {
    const request = given as CapturedRequest;
    const { record } = auditedOf(request) ?? requests.openUnhooked(request, response);
    requests.passRoute(record, routes.routeOf(request) ?? NO_ROUTE, next);
  };
  const errors: ErrorMiddleware = (error, request, _response, next) => {
    const record = auditedOf(request)?.record;
    if (record) noteError(record, error);
    next(error);
  };
  return Object.assign(audit, {
    guard,
    errors,
    service: plain.service,
    get: <Service extends object>(service: ServiceClass<Service>) => plain.get(service),
    ready: () => plain.ready(),
    close: () => plain.close(),
  });
}

const NO_ROUTE = { route: undefined, pattern: undefined, params: {} };
