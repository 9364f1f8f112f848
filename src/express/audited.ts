import { auditedOf } from '../capture/request-audit.js';
import { checkRouteOptions, toRouteOptions } from '../capture/route-audit.js';
import type { CapturedRequest } from '../capture/resolvers.js';
import type { AuditRouteOptions } from '../capture/route-audit.js';
import { AuditError } from '../event/audit-error.js';
import type { Middleware } from './audit-trail.js';
import { declare } from './express-routes.js';

let count = 0;

/**
 * Names and details what requests of a route or a router mean, instead of Nest's `@Audit()`; a text is the action, and `false` leaves
 * them out of the audit. What a route says counts over what its router says. It is the guard as well: stand it behind what authenticates.
 * It refuses a `strict` request that can't be recorded by 503 `AUDIT_UNAVAILABLE`, and what a compliance rule blocks by 403
 * `AUDIT_BLOCKED`, each as an `AuditError` for the application's error handlers.
 *
 * @example
 * ```ts
 * app.post('/invoices/:id/approve', audited({ severity: 'high' }), approve);
 * ```
 * @throws AuditError `AUDIT_INVALID_OPTIONS` naming the option
 */
export function audited(declared: string | AuditRouteOptions | false = {}): Middleware {
  const options = declared !== false && toRouteOptions(declared);
  if (options !== false) checkRouteOptions(options, 'audited()', 'durable');
  let checkedFor: unknown;
  const middleware: Middleware = (given, _response, next) => {
    const request = given as CapturedRequest;
    const found = auditedOf(request);
    if (!found) return next(NO_AUDIT);
    const { audit, record } = found;
    try {
      // Only now it is known how its events are delivered.
      if (options !== false && checkedFor !== audit) checkRouteOptions(options, 'audited()', audit.mode);
      checkedFor = audit;
    } catch (error) {
      return next(error);
    }
    declare(request, declaration);
    const route = audit.platform?.routeOf(request);
    if (route) audit.passRoute(record, route, next);
    else next();
  };
  count += 1;
  const declaration = { number: count, options, middleware };
  return middleware;
}

const NO_AUDIT = new AuditError(
  'AUDIT_INVALID_OPTIONS',
  'audited() has no audit that would record the request: write app.use(auditTrail({ … })) before all else.',
);
