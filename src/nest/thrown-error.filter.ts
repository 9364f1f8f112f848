import { Catch } from '@nestjs/common';
import type { ExceptionFilter, Type } from '@nestjs/common';
import { currentContext } from '../capture/audit-context.js';
import { noteError } from '../capture/request-record.js';

/**
 * A type that no error is of, but that is asked about each: Nest finds the filter of an error with
 * `instanceof`, in order. So the first filter sees every error of guards, pipes, interceptors, handlers,
 * the body parser and the router, and takes none from the application's filters.
 */
class AnyThrownError {
  static [Symbol.hasInstance](thrown: unknown): boolean {
    const record = currentContext()?.record;
    if (record) noteError(record, thrown);
    return false;
  }
}

/** Tells the record what was thrown. Catches nothing. Without state, like the interceptor. */
@Catch(AnyThrownError as Type)
export class ThrownErrorFilter implements ExceptionFilter {
  catch(exception: unknown): never {
    // Never selected; rethrown should a Nest of the future ask differently.
    throw exception;
  }
}
