import { present } from '../event/present.js';
import type { CaptureOptions } from '../capture/capture-options.js';
import { isUnrouted } from '../capture/request-event.js';
import type { FoundRoute, Platform } from '../capture/request-audit.js';
import { rawPathOf } from '../capture/request-target.js';
import type { CapturedRequest } from '../capture/resolvers.js';
import { routeOfPattern } from '../capture/route-audit.js';
import type { AuditRouteOptions, RouteAudit } from '../capture/route-audit.js';

/** What one `audited()` says. */
export interface Said {
  /** Of all that are said in the process. */
  readonly number: number;
  /** `false`: not to be recorded. */
  readonly options: AuditRouteOptions | false;
}

/** Under which a request has what was said of it: the application's first, the router's, the route's last. */
const SAID = Symbol('nest-audit-trail said');

/** What Express puts on its requests. */
interface ExpressRequest extends CapturedRequest {
  readonly method: string;
  readonly baseUrl?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  /** Its path is a text, an expression, or a list of these. */
  readonly route?: { readonly path?: unknown };
  [SAID]?: Said[];
}

/** A pattern of which each part is fixed or one parameter: `/invoices/:id`. */
const PLAIN = /^(\/([\p{L}\p{N}._~-]+|:\w+))*\/?$/u;
/** A router that is mounted on a parameter has a pattern for each of its values: these must not fill the memory. */
const MOST_KNOWN = 10_000;

/** Adds what is said of the request. */
export function say(request: CapturedRequest, said: Said): void {
  ((request as ExpressRequest)[SAID] ??= []).push(said);
}

/** The routes of an application, as Express tells them of a request. */
export class ExpressRoutes implements Platform {
  /** Where `audited()` does not stand nobody does. */
  readonly guardsRoutes = false;
  private readonly known = new Map<string, RouteAudit>();

  constructor(private readonly options: CaptureOptions) {}

  routeOf(captured: CapturedRequest, statusCode = 200): FoundRoute | undefined {
    const request = captured as ExpressRequest;
    const said = request[SAID] ?? [];
    const path = request.route?.path;
    if (path === undefined && said.length === 0) return undefined;
    const { pattern, params } = path === undefined ? NO_PATTERN : wholeOf(request, [path].flat().map(String));
    return {
      route: this.read(request.method, pattern, said, path === undefined && isUnrouted(statusCode)),
      pattern,
      params: params ?? request.params ?? {},
      isWhole: true,
    };
  }

  /** Remembered, so that the same route is the same object. */
  private read(
    method: string,
    pattern: string | undefined,
    said: readonly Said[],
    isNone: boolean,
  ): RouteAudit {
    const key = [isNone, method, pattern, ...said.map(({ number }) => number)].join(' ');
    const before = this.known.get(key);
    if (before) return before;
    const own = Object.assign({}, ...said.map(({ options }) => options || {})) as AuditRouteOptions;
    // What is left out further out is recorded again where something is said further in.
    const silenced = said.at(-1)?.options === false;
    const recorded = !silenced && (said.length > 0 || (this.options.requests ?? 'all') === 'all');
    const kept = isNone ? present('delivery', own.delivery) : own;
    const route = { ...routeOfPattern(method, pattern, kept, recorded), silenced, isNone };
    if (this.known.size < MOST_KNOWN) this.known.set(key, route);
    return route;
  }
}

const NO_PATTERN = { pattern: undefined, params: undefined };

/**
 * The pattern of a route below where its router is mounted, and the values of its parameters. Express tells both only as long as the
 * request is in that router: of a request that has failed there, the end of its path still fits the pattern.
 *
 * @param paths of the route, which may have several
 */
function wholeOf(
  request: ExpressRequest,
  paths: readonly string[],
): { readonly pattern: string; readonly params?: Readonly<Record<string, string>> } {
  const segments = partsOf(rawPathOf(request));
  for (const path of paths) {
    const parts = partsOf(path);
    const base = segments.length - parts.length;
    const own = segments.slice(base);
    const fits = parts.every((part, index) => part.startsWith(':') || isSame(part, own[index]!));
    if (base < 0 || !PLAIN.test(path) || !fits) continue;
    const named = parts.flatMap((part, index) =>
      part.startsWith(':') ? [[part.slice(1), decoded(own[index]!)]] : [],
    );
    return {
      pattern: `/${[...segments.slice(0, base), ...parts].join('/')}`,
      params: { ...request.params, ...Object.fromEntries(named) },
    };
  }
  return { pattern: `${request.baseUrl ?? ''}${paths[0]}` };
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '');
}

function isSame(part: string, segment: string): boolean {
  return part.toLowerCase() === decoded(segment).toLowerCase();
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
