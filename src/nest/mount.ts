import type { HttpServer, Type } from '@nestjs/common';
import { MetadataScanner } from '@nestjs/core';
import type { ApplicationConfig, DiscoveryService } from '@nestjs/core';
import type { Server, ServerResponse } from 'node:http';
import { LoginHints } from '../capture/login-hints.js';
import { auditedOf, inContextOf } from '../capture/request-audit.js';
import type { RequestAudit } from '../capture/request-audit.js';
import type { CapturedRequest } from '../capture/resolvers.js';
import { AuditError } from '../event/audit-error.js';
import { AuditGuard, GuardsPassed } from './audit.guard.js';
import { AuditInterceptor } from './audit.interceptor.js';
import { appendToHandler, askFirst, hasInterceptors, NEST_METADATA, putFirst } from './internals.js';
import { methodOf, pathOf } from './route-audit.reader.js';
import type { RouteAuditReader } from './route-audit.reader.js';
import { ThrownErrorFilter } from './thrown-error.filter.js';

// One instance for every application of the process: what is put on a controller class stays there.
const interceptor = new AuditInterceptor(false);
const serverSent = new AuditInterceptor(true);
const filter = new ThrownErrorFilter();
const guardsPassed = new GuardsPassed();
const mounted = new WeakSet<ApplicationConfig>();

/**
 * Puts the guard first among all global guards, and the exception observer before all other filters. The
 * last guard goes on every handler that may be recorded or refused, the interceptor on those that need it.
 * Must run before Nest builds its routes, which read these lists.
 *
 * @returns what is to be said of routes that look like logins
 * @throws AuditError `AUDIT_INVALID_OPTIONS` where an `@Audit()` is wrong, or the module was imported twice
 */
export function mountOnRoutes(
  config: ApplicationConfig,
  discovery: DiscoveryService,
  routes: RouteAuditReader,
  requests: RequestAudit,
): LoginHints {
  if (mounted.has(config)) {
    throw new AuditError(
      'AUDIT_INVALID_OPTIONS',
      'AuditModule.forRoot() is imported twice: import it once, in the root module; it is global.',
    );
  }
  mounted.add(config);
  putFirst(config, new AuditGuard(routes, requests));
  askFirst(config, filter);
  const scanner = new MetadataScanner();
  const logins = new LoginHints();
  for (const { metatype } of discovery.getControllers()) {
    const controller = metatype as Type | undefined;
    if (!controller?.prototype) continue;
    for (const name of scanner.getAllMethodNames(controller.prototype as object)) {
      const handler = (controller.prototype as Record<string, unknown>)[name];
      if (typeof handler !== 'function' || !Reflect.hasMetadata(NEST_METADATA.path, handler)) continue;
      routes.learnName(handler, name);
      const route = routes.read(controller, handler, 'GET');
      if (!routes.follows(route)) continue;
      const pattern = `/${pathOf(controller)}/${pathOf(handler)}`.replace(/\/+/g, '/');
      logins.note(methodOf(handler, 'GET'), pattern, route);
      // A handler's guards come after all others.
      appendToHandler(NEST_METADATA.guards, handler, guardsPassed);
      const isServerSent = Reflect.getMetadata(NEST_METADATA.sse, handler) === true;
      // With an interceptor Nest sends the head of an event stream without waiting for the handler: ours must not be the only one.
      const [own, isNeeded] = isServerSent
        ? [serverSent, hasInterceptors(config, controller, handler)]
        : [interceptor, routes.seesResult(route, handler)];
      if (isNeeded) appendToHandler(NEST_METADATA.interceptors, handler, own);
      // A handler's filters are asked before its controller's and the global ones.
      appendToHandler(NEST_METADATA.filters, handler, filter);
    }
  }
  return logins;
}

/**
 * Has each request be seen before everything else that the application does with it: by a middleware, which the platform calls first and
 * which gives the context.
 *
 * @param patterns gets those of Fastify's routes when they are declared
 */
export function mountMiddleware(
  adapter: HttpServer,
  { middleware }: RequestAudit,
  patterns: Set<string>,
): void {
  adapter.use((request: CapturedRequest, response: ServerResponse, next: () => void) =>
    middleware(request, response, next),
  );
  if (adapter.getType() !== 'fastify') return;
  // Before all other hooks: users, parameters and bodies are put on Fastify's own request, which a middleware does not get.
  const fastify = adapter.getInstance() as unknown as FastifyHooks;
  fastify.addHook('onRoute', ({ url }) => void patterns.add(url));
  fastify.addHook('onRequest', (request, reply, done) => {
    middleware(request.raw, reply.raw, done, request);
  });
}

/**
 * Gives the guards and the handler the context of their request again: by the last of the application's middleware, or hooks. In Express it
 * opens the record where somebody has taken the first middleware away.
 */
export function mountContext(adapter: HttpServer, requests: RequestAudit): void {
  if (adapter.getType() !== 'fastify') {
    adapter.use((request: CapturedRequest, response: ServerResponse, next: () => void) => {
      const { record } = auditedOf(request) ?? requests.openUnhooked(request, response);
      inContextOf(record, next);
    });
    return;
  }
  const fastify = adapter.getInstance() as unknown as FastifyHooks;
  fastify.addHook('preHandler', (request, _reply, done) => {
    const record = auditedOf(request)?.record;
    if (record) inContextOf(record, done);
    else done();
  });
}

interface FastifyHooks {
  addHook(name: 'onRoute', hook: (route: { readonly url: string }) => void): void;
  addHook(
    name: 'onRequest' | 'preHandler',
    hook: (
      request: CapturedRequest & { readonly raw: CapturedRequest },
      reply: { readonly raw: ServerResponse },
      done: () => void,
    ) => void,
  ): void;
}

/**
 * Has the server tell of each request before the platform hears of it: what an Express application of the user's own answers, by a
 * route from before Nest, meets no middleware of ours.
 */
export function listenToServer(adapter: HttpServer, { open }: RequestAudit): void {
  const server = adapter.getHttpServer() as Server | undefined;
  server?.prependListener?.('request', open as never);
}
