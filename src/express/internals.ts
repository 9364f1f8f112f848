// What the audit uses of Express that is not its public API, beside `capture/express-router.ts`, which tests it. Where it is not as
// expected, the mount of a route is not found.
import { DEEPEST, routerOf } from '../capture/express-router.js';
import type { Application, Layer, Match, Router } from '../capture/express-router.js';

/** A text that no path has by chance. */
const PROBE = 'nest-audit-trail-probe';

/** Where a route's router is mounted. */
export interface Mount {
  /** `/tenants/:tenant` */
  readonly pattern: string;
  /** What stands on the way to the route's handler: the middleware of its routers, and of the route itself. */
  readonly middleware: readonly unknown[];
}

/** @param path of one of the route's requests, without the end that is the route's own. @returns `undefined` where it is not found */
export function mountOf(app: unknown, route: object, path: string): Mount | undefined {
  try {
    const mount = mountIn(routerOf(app), route, path, 0);
    return mount && { ...mount, middleware: [...outerOf(app), ...mount.middleware] };
  } catch {
    return undefined;
  }
}

/** What stands on the way to an application in those that it is mounted in. */
function outerOf(app: unknown): unknown[] {
  const { parent } = Object(app) as Application;
  return parent ? [...outerOf(parent), ...(routerOf(parent)?.stack ?? []).map(({ handle }) => handle)] : [];
}

/** Whether Express's route takes the method: it also names a route that a HEAD has only passed. */
export function takesMethod(route: object, method: string): boolean {
  const { methods } = route as { readonly methods?: Readonly<Record<string, boolean>> };
  return method !== 'HEAD' || !methods || ['head', 'get', '_all'].some((name) => methods[name]);
}

/** Whether the middleware stands in a router or a route of the application, or of one that it is mounted in. */
export function hasMiddleware(app: unknown, middleware: unknown): boolean {
  const isIn = (router: Router | undefined, depth: number): boolean =>
    depth <= DEEPEST &&
    Array.isArray(router?.stack) &&
    router.stack.some(
      ({ handle, route }: Layer) =>
        handle === middleware ||
        route?.stack?.some((layer) => layer.handle === middleware) ||
        isIn(handle, depth + 1),
    );
  const { parent } = Object(app) as Application;
  return isIn(routerOf(app), 0) || (parent !== undefined && hasMiddleware(parent, middleware));
}

function mountIn(router: Router | undefined, route: object, path: string, depth: number): Mount | undefined {
  if (depth > DEEPEST || !Array.isArray(router?.stack)) return undefined;
  const layers: readonly Layer[] = router.stack;
  const own = layers.map(({ handle }) => handle);
  for (const layer of layers) {
    if (layer.route === route)
      return { pattern: '', middleware: [...own, ...(layer.route.stack ?? []).map(({ handle }) => handle)] };
    if (!Array.isArray(layer.handle?.stack)) continue;
    const base = matchOf(layer, path)?.path.replace(/\/$/, '');
    if (base === undefined) continue;
    const within = mountIn(layer.handle, route, path.slice(base.length) || '/', depth + 1);
    if (!within) continue;
    return {
      pattern: `${patternOf(layer, base)}${within.pattern}`,
      middleware: [...own, ...within.middleware],
    };
  }
  return undefined;
}

/** With each segment that is a parameter under its name. A layer does not tell its pattern, but what it takes of a path. */
function patternOf(layer: Layer, base: string): string {
  const segments = base.split('/');
  const named = segments.map((segment, index) => {
    const probed = segments
      .map((other, place) => (place === index && segment !== '' ? PROBE : other))
      .join('/');
    const [name] =
      Object.entries(matchOf(layer, probed)?.params ?? {}).find(([, value]) => value === PROBE) ?? [];
    return name === undefined ? segment : `:${name}`;
  });
  return named.join('/');
}

function matchOf({ slash, matchers, regexp, keys = [] }: Layer, path: string): Match | undefined {
  if (slash) return { path: '', params: {} };
  const found = matchers?.map((matches) => matches(path)).find(Boolean);
  if (found) return found;
  const match = regexp?.exec(path);
  if (!match) return undefined;
  return {
    path: match[0],
    params: Object.fromEntries(keys.map(({ name }, index) => [name, match[index + 1]])),
  };
}
