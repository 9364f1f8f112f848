import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import type { Readable } from 'node:stream';
import { tap } from 'rxjs';
import type { Observable } from 'rxjs';
import { noteBroken, noteFault, followStream } from '../capture/request-record.js';
import type { RequestRecord } from '../capture/request-record.js';
import { auditedBy } from './audit.guard.js';

/**
 * Tells the record what the handler returned, before any other interceptor wraps it. No message of server-sent events is the answer, so
 * of them it tells only when their source fails. Mounted on the handlers whose result can matter. Without state of a request, so that one
 * instance serves every application of the process.
 */
export class AuditInterceptor implements NestInterceptor {
  constructor(private readonly isServerSent: boolean) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const record = auditedBy(context)?.record;
    if (!record || record.closed) return next.handle();
    const observer = this.isServerSent
      ? { error: (error: unknown) => noteBroken(record, error) }
      : { next: (result: unknown) => noteResult(record, result) };
    return next.handle().pipe(tap(observer));
  }
}

function noteResult(record: RequestRecord, result: unknown): void {
  record.result = result;
  record.hasResult = true;
  try {
    const stream = streamOf(result);
    if (stream) followStream(record, stream);
  } catch {
    // Whatever the result is, it is the application's answer and not ours to fail on.
    noteFault(record, 'result');
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
