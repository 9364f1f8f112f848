import { strictlyDecoded } from '../event/percent-encoding.js';
import { present } from '../event/present.js';
import { recordsAll } from '../capture/capture-options.js';
import type { CaptureOptions } from '../capture/capture-options.js';
import { mountPathOf, patternsOf } from '../capture/express-router.js';
import { hasMiddleware, mountOf, takesMethod } from './internals.js';
import type { Mount } from './internals.js';
import { isUnrouted } from '../capture/request-event.js';
import type { FoundRoute, Platform } from '../capture/request-audit.js';
import { rawPathOf } from '../capture/request-target.js';
import type { CapturedRequest } from '../capture/resolvers.js';
import { routeOfPattern } from '../capture/route-audit.js';
import type { AuditRouteOptions, RouteAudit } from '../capture/route-audit.js';

/** What one `audited()` declares. */
export interface Declaration {
  /** Of all declarations in the process. */
  readonly number: number;
  /** `false`: not to be recorded. */
  readonly options: AuditRouteOptions | false;
  readonly middleware: unknown;
}

/** Under which a request has its declarations, and the route that was found by them. */
const DECLARED = Symbol('nest-audit-trail declared');

interface Declared {
  /** The application's first, the router's, the route's last. */
  readonly declarations: Declaration[];
  /** Express's route at the last declaration, and what was found of it: it is asked for again when the answer is ready. */
  route: object | undefined;
  found: FoundRoute | undefined;
}

interface ExpressRequest extends CapturedRequest {
  readonly method: string;
  readonly app?: unknown;
  readonly baseUrl?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  /** Its path is a text, an expression, or a list of these. */
  readonly route?: { readonly path?: unknown };
  [DECLARED]?: Declared;
}

/** A pattern of which each part is fixed or one parameter: `/invoices/:id`. */
const PLAIN = /^(\/([\p{L}\p{N}._~-]+|:\w+))*\/?$/u;
/** A router that is mounted on a parameter has a pattern for each of its values: these must not fill the memory. */
const MOST_KNOWN = 10_000;
const MOST_MOUNTS = 10;

export function declare(request: CapturedRequest, declaration: Declaration): void {
  const declared = ((request as ExpressRequest)[DECLARED] ??= {
    declarations: [],
    route: undefined,
    found: undefined,
  });
  declared.declarations.push(declaration);
  declared.found = undefined;
}

/** The routes of an application, as Express tells them of a request. */
export class ExpressRoutes implements Platform {
  /** Where `audited()` does not stand nobody does. */
  readonly guardsRoutes = false;
  private readonly known = new Map<string, RouteAudit>();
  /** By route: where its router is mounted, which may be in several places. */
  private readonly mounts = new WeakMap<object, Mount[]>();
  /** The applications in which requests were seen: the outer one, and those within. */
  private readonly apps = new Set<unknown>();

  /**
   * @param learned is told of each route once, by a request that it has taken
   * @param mounted is told patterns, where a route is found in an application or on a mount for the first time
   */
  constructor(
    private readonly options: CaptureOptions,
    private readonly learned: (method: string, pattern: string, route: RouteAudit) => void,
    private readonly mounted: (patterns: readonly string[]) => void,
  ) {}

  routeOf(captured: CapturedRequest, statusCode = 200): FoundRoute | undefined {
    const request = captured as ExpressRequest;
    const declared = request[DECLARED];
    if (declared?.found && declared.route === request.route) return declared.found;
    const declarations = declared?.declarations ?? [];
    const { route } = request;
    const path = route && takesMethod(route, request.method) ? route.path : undefined;
    if (path === undefined && declarations.length === 0) return undefined;
    const { pattern, params, middleware } =
      path === undefined ? NO_PATTERN : this.wholeOf(request, [path].flat().map(String));
    const isNone = path === undefined && isUnrouted(statusCode);
    // A request also passes the routers beside that of its route: what they declare is not of it.
    const own = declarations.filter((one) => !middleware || !this.standsBeside(request, middleware, one));
    const found = {
      route: this.read(request.method, pattern, own, isNone),
      pattern,
      params: params ?? request.params ?? {},
    };
    // Without a path it depends on the status.
    if (declared && path !== undefined) {
      declared.found = found;
      declared.route = request.route;
    }
    return found;
  }

  /**
   * The pattern of a route below where its router is mounted, and the values of its parameters. Express tells both only as long as the
   * request is in that router: of a request that has failed there, the end of its path still fits the pattern.
   *
   * @param paths of the route, which may have several
   */
  private wholeOf(
    request: ExpressRequest,
    paths: readonly string[],
  ): Partial<Mount> & { readonly pattern: string; readonly params?: Readonly<Record<string, string>> } {
    const route = request.route!;
    const segments = partsOf(rawPathOf(request));
    for (const path of paths) {
      const own = partsOf(path);
      const base = segments.slice(0, segments.length - own.length);
      if (own.length > segments.length || !PLAIN.test(path) || !fits(own, segments.slice(base.length)))
        continue;
      const mount = this.mountedOn(request, route, base);
      // Where that is not found, the client's own words are not taken for a pattern.
      const parts = [...(mount ? partsOf(mount.pattern) : []), ...own];
      const values = segments.slice(segments.length - parts.length);
      const named = parts.flatMap((part, index) =>
        part.startsWith(':') ? [[part.slice(1), decoded(values[index]!)]] : [],
      );
      return {
        ...mount,
        pattern: `/${parts.join('/')}`,
        params: { ...request.params, ...Object.fromEntries(named) },
      };
    }
    const mount = this.mountedOn(request, route, partsOf(request.baseUrl ?? ''));
    return { ...mount, pattern: `${mount?.pattern ?? ''}${paths[0]}` };
  }

  /** Where the route's router is mounted; `undefined` where that is not found. @param base the parts of the path before the route's own */
  private mountedOn(
    { app }: ExpressRequest,
    route: { readonly path?: unknown },
    base: readonly string[],
  ): Mount | undefined {
    const known = this.mounts.get(route) ?? [];
    const isIts = ({ pattern }: Mount) => {
      const parts = partsOf(pattern);
      return parts.length === base.length && fits(parts, base);
    };
    let mount = known.find(isIts);
    if (!mount) {
      // One that has failed in an application within is back in the outer one by now.
      if (this.apps.size < MOST_MOUNTS) this.apps.add(app);
      const found = [...new Set([app, ...this.apps])].map((one) => mountBelow(one, route, base));
      mount = found.find((one) => one && isIts(one));
      if (!mount) return undefined;
      if (known.length < MOST_MOUNTS) {
        this.mounts.set(route, [...known, mount]);
        const own = [route.path].flat().map((path) => `${mount!.pattern}${path as string}`);
        this.mounted([mount.pattern, ...own, ...[...this.apps].flatMap(patternsOf)]);
      }
    }
    // In the letters of this request: letters of either case are one to Express.
    const parts = partsOf(mount.pattern).map((part, index) => (part.startsWith(':') ? part : base[index]!));
    return { ...mount, pattern: parts.map((part) => `/${part}`).join('') };
  }

  /** Whether the declaration stands in a router of the applications that is not on the way to the route. */
  private standsBeside(
    { app }: ExpressRequest,
    onTheWay: readonly unknown[],
    { middleware }: Declaration,
  ): boolean {
    const isIn = (one: unknown) => hasMiddleware(one, middleware);
    return !onTheWay.includes(middleware) && (isIn(app) || [...this.apps].some(isIn));
  }

  /** Remembered, so that the same route is the same object. */
  private read(
    method: string,
    pattern: string | undefined,
    declarations: readonly Declaration[],
    isNone: boolean,
  ): RouteAudit {
    const key = [isNone, method, pattern, ...declarations.map(({ number }) => number)].join(' ');
    const before = this.known.get(key);
    if (before) return before;
    const own = Object.assign({}, ...declarations.map(({ options }) => options || {})) as AuditRouteOptions;
    // What an outer router leaves out is recorded again where something is declared further in.
    const silenced = !isNone && declarations.at(-1)?.options === false;
    const recorded = !silenced && ((declarations.length > 0 && !isNone) || recordsAll(this.options));
    const kept = isNone ? present('delivery', own.delivery) : own;
    const route = { ...routeOfPattern(method, pattern, kept, recorded), silenced, isNone };
    if (this.known.size < MOST_KNOWN) {
      this.known.set(key, route);
      if (pattern !== undefined) this.learned(method, pattern, route);
    }
    return route;
  }
}

const NO_PATTERN = { pattern: undefined, params: undefined, middleware: undefined };

/** @param base the parts of a path of the route, before its own. @returns where the route is mounted, by all the applications that it is in */
function mountBelow(app: unknown, route: object, base: readonly string[]): Mount | undefined {
  const outer = mountPathOf(app) ?? '';
  const inner = mountOf(app, route, `/${base.slice(partsOf(outer).length).join('/')}`);
  return inner && { ...inner, pattern: `${outer}${inner.pattern}` };
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '');
}

function fits(parts: readonly string[], segments: readonly string[]): boolean {
  return parts.every((part, index) => part.startsWith(':') || isSame(part, segments[index]!));
}

function isSame(part: string, segment: string): boolean {
  return part.toLowerCase() === decoded(segment).toLowerCase();
}

function decoded(segment: string): string {
  return strictlyDecoded(segment) ?? segment;
}
