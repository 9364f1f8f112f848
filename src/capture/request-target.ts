import { parse } from 'node:querystring';
import type { SentParts } from '../recorder/block-judge.js';
import type { CapturedRequest } from './resolvers.js';

/** What the client asked for, before the application mounted routers or rewrote it. */
export function targetOf(request: CapturedRequest): string {
  return String(request['originalUrl'] ?? request.url ?? '');
}

/**
 * The path of a request's target, without its query and fragment. Of the absolute form (RFC 9112, section 3.2.2), which
 * may carry a user and a password, only what follows the authority; URL parsers end that at a backslash, too.
 */
export function pathOfTarget(target: string): string {
  const local = target.startsWith('/')
    ? target
    : target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/\\?#]*/i, '') || '/';
  return local.split(/[?#]/, 1)[0] ?? '';
}

export function rawPathOf(request: CapturedRequest): string {
  return pathOfTarget(targetOf(request));
}

/** The query's values by name, a list where a name has several. */
export function queryOf(request: CapturedRequest): Record<string, unknown> {
  const target = targetOf(request);
  const start = target.indexOf('?');
  return start < 0 ? {} : parse(target.slice(start + 1), '&', '=', { maxKeys: 0 });
}

/** The query and the body, for whoever judges them. The query first as the handler reads it, where the platform parses it otherwise. */
export function sentPartsOf(request: CapturedRequest): SentParts {
  return { query: [parsedQueryOf(request), queryOf(request)], body: [request['body']] };
}

/** The query as the platform parses it for the handler; it may be made only now, and refuse. */
function parsedQueryOf(request: CapturedRequest): unknown {
  try {
    return request['query'];
  } catch {
    return undefined;
  }
}
