import { strictlyDecoded } from '../event/percent-encoding.js';
import { present } from '../event/present.js';
import type { CaptureOptions } from '../capture/capture-options.js';
import { mountOf } from './internals.js';
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
  private readonly mounts = new WeakMap<object, string[]>();
  /** Whose routes they are, once a request has told. */
  app: unknown;

  /** @param learned is told of each route once, by a request that it has taken */
  constructor(
    private readonly options: CaptureOptions,
    private readonly learned: (method: string, pattern: string, route: RouteAudit) => void,
  ) {}

  routeOf(captured: CapturedRequest, statusCode = 200): FoundRoute | undefined {
    const request = captured as ExpressRequest;
    const declared = request[DECLARED];
    if (declared?.found && declared.route === request.route) return declared.found;
    const declarations = declared?.declarations ?? [];
    const path = request.route?.path;
    if (path === undefined && declarations.length === 0) return undefined;
    const { pattern, params } =
      path === undefined ? NO_PATTERN : this.wholeOf(request, [path].flat().map(String));
    const found = {
      route: this.read(request.method, pattern, declarations, path === undefined && isUnrouted(statusCode)),
      pattern,
      params: params ?? request.params ?? {},
      isWhole: true,
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
  ): { readonly pattern: string; readonly params?: Readonly<Record<string, string>> } {
    const segments = partsOf(rawPathOf(request));
    for (const path of paths) {
      const own = partsOf(path);
      const base = segments.slice(0, segments.length - own.length);
      if (own.length > segments.length || !PLAIN.test(path) || !fits(own, segments.slice(base.length)))
        continue;
      const parts = [...this.mountedOn(request.route!, base), ...own];
      const named = parts.flatMap((part, index) =>
        part.startsWith(':') ? [[part.slice(1), decoded(segments[index]!)]] : [],
      );
      return {
        pattern: `/${parts.join('/')}`,
        params: { ...request.params, ...Object.fromEntries(named) },
      };
    }
    return { pattern: `${request.baseUrl ?? ''}${paths[0]}` };
  }

  /** The parts of the pattern that the route's router is mounted on; those of the path itself where that is not found. */
  private mountedOn(route: object, base: readonly string[]): readonly string[] {
    if (base.length === 0) return base;
    const known = this.mounts.get(route) ?? [];
    const isIts = (mount: string) => partsOf(mount).length === base.length && fits(partsOf(mount), base);
    let mount = known.find(isIts);
    if (mount === undefined) {
      mount = mountOf(this.app, route, `/${base.join('/')}`);
      if (mount === undefined || !isIts(mount)) return base;
      if (known.length < MOST_MOUNTS) this.mounts.set(route, [...known, mount]);
    }
    return partsOf(mount).map((part, index) => (part.startsWith(':') ? part : base[index]!));
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
    const silenced = declarations.at(-1)?.options === false;
    const recorded = !silenced && (declarations.length > 0 || (this.options.requests ?? 'all') === 'all');
    const kept = isNone ? present('delivery', own.delivery) : own;
    const route = { ...routeOfPattern(method, pattern, kept, recorded), silenced, isNone };
    if (this.known.size < MOST_KNOWN) {
      this.known.set(key, route);
      if (pattern !== undefined) this.learned(method, pattern, route);
    }
    return route;
  }
}

const NO_PATTERN = { pattern: undefined, params: undefined };

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
