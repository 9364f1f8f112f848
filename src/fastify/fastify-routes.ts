import type { FastifyRequest } from 'fastify';
import { recordsAll } from '../capture/capture-options.js';
import type { CaptureOptions } from '../capture/capture-options.js';
import type { FoundRoute, Platform } from '../capture/request-audit.js';
import type { CapturedRequest } from '../capture/resolvers.js';
import { checkRouteOptions, routeOfPattern, toRouteOptions } from '../capture/route-audit.js';
import type { AuditRouteOptions, RouteAudit } from '../capture/route-audit.js';
import type { DeliveryMode } from '../delivery/delivery-options.js';

/** What a route declares as `config.audit`: a text is the action, and `false` leaves its requests out. */
export type RouteDeclaration = string | AuditRouteOptions | false;

/** The routes of an application, as Fastify tells them of a request. */
export class FastifyRoutes implements Platform {
  readonly guardsRoutes = true;
  /** By the configuration of a route, which is its own, and by method. */
  private readonly known = new WeakMap<object, Map<string, RouteAudit>>();
  private readonly told = new Set<string>();
  private readonly unrouted = new WeakSet<FastifyRequest>();

  /** @param late is told of each route that was made before the audit could hear of it */
  constructor(
    private readonly options: CaptureOptions,
    private readonly late: (route: string) => void,
  ) {}

  /**
   * Learns what a route declares, when it is made.
   *
   * @throws AuditError `AUDIT_INVALID_OPTIONS` naming the route and the option
   */
  learn(
    method: string,
    pattern: string,
    declared: RouteDeclaration | undefined,
    mode: DeliveryMode,
  ): RouteAudit {
    const own = toRouteOptions(declared);
    checkRouteOptions(own, `config.audit of ${method} ${pattern}`, mode);
    const recorded = declared !== false && (declared !== undefined || recordsAll(this.options));
    this.told.add(`${method} ${pattern}`);
    return { ...routeOfPattern(method, pattern, own, recorded), silenced: declared === false };
  }

  /** Its request counts as one that has found no route. */
  unroute(request: FastifyRequest): void {
    this.unrouted.add(request);
  }

  routeOf(captured: CapturedRequest): FoundRoute | undefined {
    const request = captured as unknown as FastifyRequest;
    // Node's own: Fastify has not made its request of it yet.
    const pattern = request.is404 === false ? request.routeOptions.url : undefined;
    if (pattern === undefined || this.unrouted.has(request)) return undefined;
    const params = request.params as Readonly<Record<string, unknown>>;
    return { route: this.read(request, pattern), pattern, params };
  }

  private read({ method, routeOptions: { config } }: FastifyRequest, pattern: string): RouteAudit {
    const byMethod = this.known.get(config) ?? new Map<string, RouteAudit>();
    let route = byMethod.get(method);
    if (!route) {
      if (!this.told.has(`${method} ${pattern}`)) this.late(`${method} ${pattern}`);
      route = this.learn(method, pattern, config.audit, 'strict');
      this.known.set(config, byMethod.set(method, route));
    }
    return route;
  }
}
