import type { HttpServer, Type } from '@nestjs/common';
import { MetadataScanner } from '@nestjs/core';
import type { ApplicationConfig, DiscoveryService } from '@nestjs/core';
import type { ServerResponse } from 'node:http';
import { RequestCapture } from '../capture/request-capture.js';
import type { CapturedRequest } from '../capture/resolvers.js';
import { AuditError } from '../event/audit-error.js';
import { AuditGuard, GuardsPassed } from './audit.guard.js';
import { AuditInterceptor, ServerSentInterceptor } from './audit.interceptor.js';
import { ExpressShapes } from './express-shapes.js';
import { NEST_METADATA } from './route-audit.reader.js';
import type { RouteAuditReader } from './route-audit.reader.js';
import { ThrownErrorFilter } from './thrown-error.filter.js';

// One instance for every application of the process: what is put on a controller class stays there.
const interceptor = new AuditInterceptor();
const serverSent = new ServerSentInterceptor();
const filter = new ThrownErrorFilter();
const guardsPassed = new GuardsPassed();
const mounted = new WeakSet<ApplicationConfig>();

/**
 * Puts the guard first among all global guards, the exception observer where it is asked before all other filters,
 * the last guard on every handler that may be recorded or refused, and the interceptor on those that need it. Must run
 * before Nest builds its routes, which read these lists.
 *
 * @throws AuditError `AUDIT_INVALID_OPTIONS` where an `@Audit()` is wrong, or the module was imported twice
 */
export function mountOnRoutes(
  config: ApplicationConfig,
  discovery: DiscoveryService,
  routes: RouteAuditReader,
): void {
  if (mounted.has(config)) {
    throw new AuditError(
      'AUDIT_INVALID_OPTIONS',
      'AuditModule.forRoot() is imported twice: import it once, in the root module; it is global.',
    );
  }
  mounted.add(config);
  config.getGlobalGuards().unshift(new AuditGuard(routes));
  // Nest asks filters from the last registered to the first.
  config.getGlobalFilters().push(filter);
  const scanner = new MetadataScanner();
  for (const { metatype } of discovery.getControllers()) {
    const controller = metatype as Type | undefined;
    if (!controller?.prototype) continue;
    for (const name of scanner.getAllMethodNames(controller.prototype as object)) {
      const handler = (controller.prototype as Record<string, unknown>)[name];
      if (typeof handler !== 'function' || !Reflect.hasMetadata(NEST_METADATA.path, handler)) continue;
      routes.learnName(handler, name);
      const route = routes.read(controller, handler, 'GET');
      if (!routes.follows(route)) continue;
      // A handler's guards come after all others.
      append(NEST_METADATA.guards, handler, guardsPassed);
      if (isServerSent(handler)) append(NEST_METADATA.interceptors, handler, serverSent);
      else if (route.seesResult) append(NEST_METADATA.interceptors, handler, interceptor);
      // A handler's filters are asked before its controller's and the global ones.
      append(NEST_METADATA.filters, handler, filter);
    }
  }
}

function isServerSent(handler: object): boolean {
  return Reflect.getMetadata(NEST_METADATA.sse, handler) === true;
}

function append(key: string, handler: object, enhancer: object): void {
  const before = (Reflect.getMetadata(key, handler) ?? []) as object[];
  if (!before.includes(enhancer)) Reflect.defineMetadata(key, [...before, enhancer], handler);
}

/** What is used of an Express application. */
interface ExpressApplication {
  readonly request: object;
  handle(request: object, response: object, done?: unknown): void;
}

/**
 * Puts the middleware before everything that a platform does with a request. On Express it stands before Express itself, which
 * gives request and response another prototype, see {@link ExpressShapes}; and a layer of its router costs more than the
 * middleware.
 */
export function mountMiddleware(adapter: HttpServer, middleware: Middleware): void {
  const app = adapter.getInstance?.() as Partial<ExpressApplication> | undefined;
  if (adapter.getType?.() !== 'express' || typeof app?.handle !== 'function' || !app.request) {
    // The adapter's types know requests of every platform; the middleware needs what they have in common.
    (adapter as unknown as { use(middleware: Middleware): void }).use(middleware);
    return;
  }
  const { handle, request: prototype } = app as ExpressApplication;
  const shapes = new ExpressShapes();
  app.handle = function (this: unknown, request, response, done) {
    // As Express does next: `request.ip` is Express's own, and known when the request begins.
    (request as { res?: object }).res = response;
    shapes.prepare(request, response);
    RequestCapture.makeRoom(request);
    Object.setPrototypeOf(request, prototype);
    middleware(request as CapturedRequest, response as ServerResponse, () =>
      handle.call(this, request, response, done),
    );
  };
}

type Middleware = (request: CapturedRequest, response: ServerResponse, next: () => void) => void;

/** The patterns of an Express application's routes; nothing on other platforms. */
export function expressPatterns(adapter: HttpServer | undefined): string[] {
  if (adapter?.getType?.() !== 'express') return [];
  const { router } = adapter.getInstance() as { router?: ExpressRouter };
  return patternsOf(router, 0);
}

interface ExpressRouter {
  readonly stack?: readonly {
    readonly route?: { readonly path?: unknown };
    /** A router or an application that is mounted within. */
    readonly handle?: ExpressRouter & { readonly router?: ExpressRouter };
  }[];
}

function patternsOf(router: ExpressRouter | undefined, depth: number): string[] {
  if (depth > 5 || !Array.isArray(router?.stack)) return [];
  return router.stack.flatMap((layer) => [
    ...(typeof layer.route?.path === 'string' ? [layer.route.path] : []),
    ...patternsOf(layer.handle, depth + 1),
    ...patternsOf(layer.handle?.router, depth + 1),
  ]);
}
