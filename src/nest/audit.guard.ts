import { ForbiddenException, ServiceUnavailableException } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { auditedOf } from '../capture/request-audit.js';
import type { AuditedRequest, FoundRoute, RequestAudit } from '../capture/request-audit.js';
import { noteFault } from '../capture/request-record.js';
import type { RequestRecord } from '../capture/request-record.js';
import type { CapturedRequest } from '../capture/resolvers.js';
import type { AuditError } from '../event/audit-error.js';
import type { BlockingRule } from '../recorder/block-judge.js';
import type { RouteAuditReader } from './route-audit.reader.js';

/**
 * Tells the record which route the request found. First among all global guards, so that a request that any
 * other guard refuses still has its route's action. Refuses only what the delivery mode promises to refuse: a strict
 * request that can't be recorded, or one that finds no room where `overflow` is `reject`.
 */
export class AuditGuard implements CanActivate {
  constructor(
    private readonly routes: RouteAuditReader,
    private readonly requests: RequestAudit,
  ) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const audited = auditedBy(context) ?? this.openHere(context);
    if (!audited) return true;
    const { record, audit } = audited;
    return audit.route(record, this.routeOf(context, record))?.then(() => true, refuse) ?? true;
  }

  /** What was read before something failed is kept: `@NoAudit()` and `delivery` first of all. */
  private routeOf(context: ExecutionContext, record: RequestRecord): FoundRoute {
    let route: FoundRoute['route'];
    try {
      const request = context.switchToHttp().getRequest<PlatformRequest>();
      route = this.routes.read(context.getClass(), context.getHandler(), request.method);
      const pattern = patternOf(request);
      return { route: this.routes.at(route, pattern), pattern, params: request.params ?? {} };
    } catch {
      noteFault(record, 'route');
      return { route, pattern: undefined, params: {} };
    }
  }

  /** @returns nothing of what is no request of a server, as where something else calls a handler by Nest's external contexts */
  private openHere(context: ExecutionContext): AuditedRequest | undefined {
    if (context.getType() !== 'http') return undefined;
    const http = context.switchToHttp();
    const request = rawOf(http.getRequest<CapturedRequest | undefined>());
    const response = rawOf(http.getResponse<ServerResponse | undefined>());
    return isEmitter(request) && isEmitter(response)
      ? this.requests.openUnhooked(request, response)
      : undefined;
  }
}

/** Node's own object: Express's is it, Fastify's wraps it. Middleware of Express may put something else there, such as a body. */
function rawOf<T extends EventEmitter>(platforms: (T & { readonly raw?: T }) | undefined): T | undefined {
  return isEmitter(platforms?.raw) ? platforms.raw : platforms;
}

function isEmitter<T extends EventEmitter>(value: T | undefined): value is T {
  return typeof value?.on === 'function';
}

/** As Nest's own exception, so that an application's filters take it as any other. */
function refuse(error: unknown): never {
  const { code, message } = error as AuditError;
  throw new ServiceUnavailableException(
    { statusCode: 503, code, error: 'Service Unavailable', carriedOut: false, message },
    { cause: error },
  );
}

/**
 * The last guard of a handler: whatever comes by it was let through by all others. Has the record learn who the user is,
 * since a handler may log the user out, and refuses what a compliance rule blocks: also where the client has gone, which keeps
 * no handler from running. Without state, so that one instance serves every application of the process.
 */
export class GuardsPassed implements CanActivate {
  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const audited = auditedBy(context);
    if (!audited) return true;
    const blockedBy = audited.audit.identify(audited.record);
    if (blockedBy instanceof Promise) return blockedBy.then(() => true, refuse);
    if (blockedBy) block(blockedBy);
    return true;
  }
}

function block({ id, name }: BlockingRule): never {
  throw new ForbiddenException({
    statusCode: 403,
    code: 'AUDIT_BLOCKED',
    error: 'Forbidden',
    message: `The request was refused by the compliance rule ${name}.`,
    rule: id,
  });
}

/** The audited request of the platform's: Express's is Node's own, Fastify's wraps it. */
export function auditedBy(context: ExecutionContext): AuditedRequest | undefined {
  return context.getType() === 'http' ? auditedOf(context.switchToHttp().getRequest()) : undefined;
}

interface PlatformRequest {
  readonly method: string;
  readonly baseUrl?: string;
  readonly params?: Record<string, unknown>;
  readonly route?: { readonly path?: unknown };
  readonly routeOptions?: { readonly url?: string };
}

function patternOf(request: PlatformRequest): string | undefined {
  const path = request.route?.path ?? request.routeOptions?.url;
  return path === undefined ? undefined : `${request.baseUrl ?? ''}${String(path)}`;
}
