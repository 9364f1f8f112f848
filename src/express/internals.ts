// What the audit uses of Express that is not its public API. Nothing of it is changed; it is tested when the first request arrives, and
// where it is not as expected that costs what the sentence says.

interface Router {
  readonly stack?: readonly {
    readonly route?: { readonly path?: unknown };
    /** A router or an application that is mounted within. */
    readonly handle?: Router & { readonly router?: Router };
  }[];
}

/** An Express application: the router is `router` in version 5, and `_router` in version 4. */
interface Application {
  readonly router?: Router;
  readonly _router?: Router;
}

const DEEPEST = 5;

/** The patterns of an application's routes, each below where its router is mounted. */
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
