import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import type { Readable } from 'node:stream';
import { tap } from 'rxjs';
import type { Observable } from 'rxjs';
import type { RequestCapture } from '../capture/request-capture.js';
import { captureOf } from './audit.guard.js';

/**
 * Tells the open capture what the handler returned, before any other interceptor wraps it. Mounted on the handlers
 * whose result can matter, see `RouteAuditReader`. Without state, so that one instance serves every application of the
 * process.
 */
export class AuditInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const capture = context.getType() === 'http' ? captureOf(context) : undefined;
    if (!capture || capture.closed) return next.handle();
    return next.handle().pipe(tap((result: unknown) => noteResult(capture, result)));
  }
}

/** Tells the open capture when the source of server-sent events fails. None of the messages is the answer. */
export class ServerSentInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const capture = context.getType() === 'http' ? captureOf(context) : undefined;
    if (!capture || capture.closed) return next.handle();
    return next.handle().pipe(tap({ error: (error: unknown) => capture.noteBroken(error) }));
  }
}

function noteResult(capture: RequestCapture, result: unknown): void {
  capture.result = result;
  capture.hasResult = true;
  try {
    const stream = streamOf(result);
    if (stream) capture.watchSource(stream);
  } catch {
    // Whatever the result is, it is the application's answer and not ours to fail on.
    capture.noteFault('result');
  }
}

/** The stream of a `StreamableFile`, known by its shape: the application's `@nestjs/common` may be another copy. */
function streamOf(result: unknown): Readable | undefined {
  if (typeof result !== 'object' || result === null) return undefined;
  const { getStream, getHeaders } = result as { getStream?: unknown; getHeaders?: unknown };
  if (typeof getStream !== 'function' || typeof getHeaders !== 'function') return undefined;
  const stream = getStream.call(result) as Partial<Readable> | undefined;
  return typeof stream?.once === 'function' && typeof stream.pipe === 'function'
    ? (stream as Readable)
    : undefined;
}
