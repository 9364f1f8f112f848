import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { tap } from 'rxjs';
import type { Observable } from 'rxjs';
import { RequestCapture } from '../capture/request-capture.js';

/**
 * Tells the open capture what the handler returned, before any other interceptor wraps it, and who the user was when
 * all guards had passed. Mounted on the handlers whose result can matter, see `RouteAuditReader`. Without state, so
 * that one instance serves every application of the process.
 */
export class AuditInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType() !== 'http') return next.handle();
    const request = context.switchToHttp().getRequest<{ raw?: object }>();
    const capture = RequestCapture.of(request) ?? RequestCapture.of(request.raw);
    if (!capture || capture.closed) return next.handle();
    capture.passedGuards = true;
    capture.noteIdentity();
    return next.handle().pipe(tap((result: unknown) => (capture.result = result)));
  }
}
