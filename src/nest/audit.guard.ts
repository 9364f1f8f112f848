import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { RequestCapture } from '../capture/request-capture.js';
import type { RouteAuditReader } from './route-audit.reader.js';

/**
 * Tells the open capture which route the request found. First among all global guards, so that a request that any
 * other guard refuses still has its route's action. Refuses nothing.
 */
export class AuditGuard implements CanActivate {
  constructor(private readonly routes: RouteAuditReader) {}

  canActivate(context: ExecutionContext): boolean {
    if (context.getType() !== 'http') return true;
    const request = context.switchToHttp().getRequest<PlatformRequest>();
    const capture = RequestCapture.of(request) ?? RequestCapture.of(request.raw);
    if (!capture || capture.closed) return true;
    try {
      capture.route = this.routes.read(context.getClass(), context.getHandler(), request.method);
      capture.params = request.params ?? {};
      const pattern = patternOf(request);
      if (pattern !== undefined) capture.pattern = pattern;
    } catch {
      capture.stageErrors.add('route');
    }
    return true;
  }
}

/** What Express and Fastify put on their requests. */
interface PlatformRequest {
  readonly method: string;
  readonly raw?: object;
  readonly baseUrl?: string;
  readonly params?: Record<string, unknown>;
  readonly route?: { readonly path?: unknown };
  readonly routeOptions?: { readonly url?: string };
}

function patternOf(request: PlatformRequest): string | undefined {
  const path = request.route?.path ?? request.routeOptions?.url;
  return path === undefined ? undefined : `${request.baseUrl ?? ''}${String(path)}`;
}
