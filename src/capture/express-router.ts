// What the doors for Express, and for Nest on Express, both use of Express that is not its public API. Nothing of it is changed; it is
// tested when the routes are read, and where it is not as expected that costs what the sentence says.
import type { AuditLogger } from '../event/audit-logger.js';
import type { SafePaths } from '../recorder/redaction/safe-paths.js';

export interface Router {
  readonly stack?: readonly Layer[];
}

export interface Layer {
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

export interface Match {
  readonly path: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** An Express application: the router is `router` in version 5, and `_router` in version 4. */
export interface Application {
  readonly router?: Router;
  readonly _router?: Router;
  /** Public: where it is mounted, and in which application. */
  readonly mountpath?: unknown;
  readonly parent?: Application;
}

export const DEEPEST = 5;

/** The patterns of an application's routes and mounts: with the mounts before them, as far as Express tells these, and without. */
export function patternsOf(app: unknown): string[] {
  const own = patternsIn(routerOf(app), 0);
  const mount = mountPathOf(app);
  return mount ? [...own, mount, ...own.map((pattern) => `${mount}${pattern}`)] : own;
}

/** Has the paths know the routes of an application, or says why they can't. */
export function learnRoutes(app: unknown, paths: SafePaths, logger: AuditLogger): void {
  paths.learn(patternsOf(app));
  if (Array.isArray(routerOf(app)?.stack)) return;
  logger.error(
    "Express's list of routes is not where it was: secret parameters in a path that no route takes are not redacted. Tell the authors of nest-audit-trail your versions.",
  );
}

export function routerOf(app: unknown): Router | undefined {
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

/** The pattern on which an application is mounted in others; `undefined` where it is a list of patterns, or no text. */
export function mountPathOf(app: unknown): string | undefined {
  let pattern = '';
  for (let inner = Object(app) as Application; inner.parent; inner = inner.parent) {
    if (typeof inner.mountpath !== 'string') return undefined;
    pattern = `${inner.mountpath.replace(/\/$/, '')}${pattern}`;
  }
  return pattern;
}
