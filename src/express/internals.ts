// What the audit uses of Express that is not its public API. Nothing of it is changed; it is tested when the first request arrives, and
// where it is not as expected that costs what the sentence says.

interface Router {
  readonly stack?: readonly Layer[];
}

interface Layer {
  /** The pattern, or a list of patterns, in the newest versions. */
  readonly rawPath?: unknown;
  readonly route?: { readonly path?: unknown; readonly stack?: readonly { readonly handle?: unknown }[] };
  /** A router or an application that is mounted within, or a middleware. */
  readonly handle?: Router;
  /** Mounted without a path, in version 5: it takes every path, though its matchers do not. */
  readonly slash?: boolean;
  /** What tells whether a path begins as the layer's does, in version 5. */
  readonly matchers?: readonly ((path: string) => false | Match)[];
  /** The same in version 4, with the parameters of its groups. */
  readonly regexp?: RegExp;
  readonly keys?: readonly { readonly name: string | number }[];
}

interface Match {
  readonly path: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** An Express application: the router is `router` in version 5, and `_router` in version 4. */
interface Application {
  readonly router?: Router;
  readonly _router?: Router;
  /** Public: where it is mounted, and in which application. */
  readonly mountpath?: unknown;
  readonly parent?: Application;
}

const DEEPEST = 5;

/** The patterns of an application's routes and mounts: with the mounts before them, as far as Express tells these, and without. */
export function patternsOf(app: unknown): string[] {
  const own = patternsIn(routerOf(app), 0);
  const mount = mountPathOf(app);
  return mount ? [...own, mount, ...own.map((pattern) => `${mount}${pattern}`)] : own;
}

/** What is not as expected, and what that costs. */
export function faultsOf(app: unknown): string[] {
  if (Array.isArray(routerOf(app)?.stack)) return [];
  return [
    "Express's list of routes is not where it was: secret parameters in a path that no route takes are not redacted.",
  ];
}

function routerOf(app: unknown): Router | undefined {
  const { _router } = Object(app) as Application;
  if (_router) return _router;
  try {
    return (Object(app) as Application).router;
  } catch {
    // As in version 4, where an application has no routes yet.
    return undefined;
  }
}

function patternsIn(router: Router | undefined, depth: number): string[] {
  if (depth > DEEPEST || !Array.isArray(router?.stack)) return [];
  const layers: readonly Layer[] = router.stack;
  return layers.flatMap(({ route, rawPath, regexp, keys, handle }) => {
    const own = textsOf(route ? route.path : (rawPath ?? (regexp && pathsOf(regexp, keys ?? []))));
    const within = [...patternsIn(handle, depth + 1), ...patternsIn(routerOf(handle), depth + 1)];
    const mounts = own.filter((path) => path.length > 1);
    return [...own, ...within, ...mounts.flatMap((mount) => within.map((pattern) => `${mount}${pattern}`))];
  });
}

/** The path of a route or a mount may be a text, an expression, or a list of these. */
function textsOf(paths: unknown): string[] {
  return [paths].flat(Infinity).filter((path) => typeof path === 'string');
}

/** The paths of a mount as version 4 keeps them, one after the other: `^\/reset(?:\/([^/]+?))\/?(?=\/|$)`. */
function pathsOf({ source }: RegExp, keys: NonNullable<Layer['keys']>): string[] {
  let index = 0;
  const named = source.replaceAll(String.raw`(?:\/([^/]+?))`, () => `/:${keys[index++]?.name}`);
  return named
    .split(String.raw`\/?(?=\/|$)`)
    .map((path) => path.replace(/^\|?\^/, '').replace(/\\(.)/g, '$1'));
}

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

/** The pattern on which an application is mounted in others; `undefined` where it is a list of patterns, or no text. */
export function mountPathOf(app: unknown): string | undefined {
  let pattern = '';
  for (let inner = Object(app) as Application; inner.parent; inner = inner.parent) {
    if (typeof inner.mountpath !== 'string') return undefined;
    pattern = `${inner.mountpath.replace(/\/$/, '')}${pattern}`;
  }
  return pattern;
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
