import type { FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify';
import fastifyPlugin from 'fastify-plugin';
import { CurrentAudit } from '../capture/annotation.js';
import { LoginHints } from '../capture/login-hints.js';
import { auditedOf } from '../capture/request-audit.js';
import { noteError } from '../capture/request-record.js';
import type { RequestRecord } from '../capture/request-record.js';
import type { CapturedRequest } from '../capture/resolvers.js';
import { needsResult } from '../capture/route-audit.js';
import { PlainAudit } from '../engine/plain-audit.js';
import type { PlainAuditOptions } from '../engine/plain-audit.js';
import { FastifyRoutes } from './fastify-routes.js';
import type { RouteDeclaration } from './fastify-routes.js';

/** `fastify.audit`. */
export type FastifyAudit = Pick<PlainAudit, 'service' | 'get'>;

declare module 'fastify' {
  interface FastifyInstance {
    readonly audit: FastifyAudit;
  }
  interface FastifyRequest {
    /** The audit of this request. */
    readonly audit: CurrentAudit;
  }
  interface FastifyContextConfig {
    /** What requests of the route mean to the audit; a text is the action, and `false` leaves them out. */
    readonly audit?: RouteDeclaration;
  }
}

/**
 * Audits a Fastify application: register it before routes and other plugins. It starts with the application, which does not start where
 * the audit can't, and closes with it. Options are as for Nest's `AuditModule.forRoot()`.
 *
 * @example
 * ```ts
 * await app.register(auditTrail, { database: { type: 'mysql', url: process.env.AUDIT_DATABASE_URL } });
 * app.post('/invoices/:id/approve', { config: { audit: { severity: 'high' } } }, approve);
 * ```
 */
export const auditTrail = fastifyPlugin(start, { fastify: '5.x', name: 'nest-audit-trail' });

async function start(app: FastifyInstance, options: PlainAuditOptions): Promise<void> {
  const routes = new FastifyRoutes(options.capture ?? {}, (route) =>
    app.log.error(
      `The route ${route} was made before the audit was there: it is recorded, but nothing refuses its requests, whatever its config.audit or a rule says. Write await app.register(auditTrail, …) before all routes.`,
    ),
  );
  const plain = new PlainAudit(options, routes, loggerOf(app));
  const { requests, paths, delivery } = plain.runtime.rooms;
  await plain.ready();
  app.addHook('onClose', () => plain.close());
  app.decorate('audit', { service: plain.service, get: plain.get.bind(plain) });
  app.decorateRequest('audit', {
    getter(this: FastifyRequest) {
      return new CurrentAudit(recordOf(this));
    },
  });

  // 1. Open. The listener sees what Fastify refuses before its hooks, such as a malformed URL; the hook sees what is injected.
  app.server.prependListener('request', requests.open as never);
  app.addHook('onRequest', (request, reply, done) => {
    requests.middleware(request.raw as CapturedRequest, reply.raw, done, captured(request));
  });

  // 2 and 3. The last of a route's guards tells the route, and who acts.
  const patterns = new Set<string>();
  const logins = new LoginHints();
  app.addHook('onRoute', (route) => {
    for (const method of [route.method].flat()) {
      const known = routes.learn(method, route.url, route.config?.audit, delivery.mode);
      logins.note(method, route.url, known);
      if (needsResult(known, route.url))
        route.preSerialization = [noteResult as never, ...[route.preSerialization ?? []].flat()];
    }
    route.preHandler = [route.preHandler ?? []].flat().concat(guard as never);
    patterns.add(route.url);
  });
  app.addHook('onReady', (done) => {
    paths.learn([...patterns]);
    for (const hint of logins.hints(options.features)) app.log.info(hint);
    done();
  });
  function guard(request: FastifyRequest, _reply: FastifyReply, done: HookHandlerDoneFunction): void {
    const record = recordOf(request);
    const found = routes.routeOf(captured(request));
    if (record && found) requests.passRoute(record, found, done);
    else done();
  }

  // 4. What the handler returned, or what was thrown on the way.
  app.addHook('onError', (request, _reply, error, done) => {
    const record = recordOf(request);
    if (record) noteError(record, error);
    // A body that can't be parsed is refused before it means anything, as on platforms that parse before they route.
    if (String(error?.code).startsWith('FST_ERR_CTP_')) routes.unroute(request);
    done();
  });
}

function noteResult(
  request: FastifyRequest,
  _reply: FastifyReply,
  result: unknown,
  done: (error: null, payload: unknown) => void,
): void {
  const record = recordOf(request);
  if (record && !record.closed && record.errorName === undefined) {
    record.result = result;
    record.hasResult = true;
  }
  done(null, result);
}

function recordOf(request: FastifyRequest): RequestRecord | undefined {
  return auditedOf(request.raw)?.record;
}

function captured(request: FastifyRequest): CapturedRequest {
  return request as unknown as CapturedRequest;
}

function loggerOf({ log }: FastifyInstance) {
  return {
    log: (message: string) => log.info(message),
    warn: (message: string) => log.warn(message),
    error: (message: string) => log.error(message),
  };
}
