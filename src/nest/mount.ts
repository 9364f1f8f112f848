import type { HttpServer, Type } from '@nestjs/common';
import { MetadataScanner } from '@nestjs/core';
import type { ApplicationConfig, DiscoveryService } from '@nestjs/core';
import { AuditError } from '../event/audit-error.js';
import { AuditGuard, GuardsPassed } from './audit.guard.js';
import { AuditInterceptor, ServerSentInterceptor } from './audit.interceptor.js';
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
