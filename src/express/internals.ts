// What the audit uses of Express that is not its public API. Nothing of it is changed; it is tested when the first request arrives, and
// where it is not as expected that costs what the sentence says.

interface Router {
  readonly stack?: readonly Layer[];
}

interface Layer {
  readonly route?: { readonly path?: unknown };
  /** A router or an application that is mounted within. */
  readonly handle?: Router & { readonly router?: Router };
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
}

const DEEPEST = 5;

/** The patterns of an application's routes, without where their routers are mounted: a path may end as one of them does. */
export function patternsOf(app: unknown): string[] {
  return patternsIn(routerOf(app), 0);
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
  // In version 4 `router` throws.
  return _router ?? (Object(app) as Application).router;
}

function patternsIn(router: Router | undefined, depth: number): string[] {
  if (depth > DEEPEST || !Array.isArray(router?.stack)) return [];
  return router.stack.flatMap(({ route, handle }) => [
    ...(typeof route?.path === 'string' ? [route.path] : []),
    ...patternsIn(handle, depth + 1),
    ...patternsIn(handle?.router, depth + 1),
  ]);
}

/** A text that no path has by chance. */
const PROBE = 'nest-audit-trail-probe';

/** The pattern of where a route's router is mounted, `/tenants/:tenant`, by a path of one of its requests. `undefined`: not found. */
export function mountOf(app: unknown, route: object, path: string): string | undefined {
  try {
    return mountIn(routerOf(app), route, path, 0);
  } catch {
    return undefined;
  }
}

function mountIn(router: Router | undefined, route: object, path: string, depth: number): string | undefined {
  if (depth > DEEPEST || !Array.isArray(router?.stack)) return undefined;
  for (const layer of router.stack) {
    if (layer.route === route) return '';
    if (!Array.isArray(layer.handle?.stack)) continue;
    const base = matchOf(layer, path)?.path.replace(/\/$/, '');
    if (base === undefined) continue;
    const within = mountIn(layer.handle, route, path.slice(base.length) || '/', depth + 1);
    if (within !== undefined) return `${patternOf(layer, base)}${within}`;
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

function matchOf({ matchers, regexp, keys = [] }: Layer, path: string): Match | undefined {
  const found = matchers?.map((matches) => matches(path)).find(Boolean);
  if (found) return found;
  const match = regexp?.exec(path);
  if (!match) return undefined;
  return {
    path: match[0],
    params: Object.fromEntries(keys.map(({ name }, index) => [name, match[index + 1]])),
  };
}
