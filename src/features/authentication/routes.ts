// Routes at which people log in and out, and change what they log in with: options for `audited()`, `config.audit` and `@Audit()`.
import { DEFAULT_RESOLVERS } from '../../capture/resolvers.js';
import type { CapturedRequest } from '../../capture/resolvers.js';
import type { AuditAnnotation, AuditOutcomeContext, AuditRouteOptions } from '../../capture/route-audit.js';
import { selectFields } from '../../capture/select-fields.js';
import { asId } from '../../event/as-id.js';
import { defined } from '../../event/present.js';
import { AUTHENTICATION_ACTIONS, FAILURES } from './actions.js';
import type { AuthenticationAction, AuthenticationActionName } from './actions.js';
import { accountOf } from './kinds.js';

type IdOf = (context: AuditOutcomeContext) => string | number | bigint | undefined | null;

/** What a route of authentication says of its requests, besides its action. All but these is as for `@Audit()`. */
export interface AuthenticationRouteOptions extends Omit<
  AuditRouteOptions,
  'action' | 'category' | 'annotate'
> {
  /** Who acted, asked on success. @defaultValue of a login `result.user`, else `result.userId`; else as on all routes */
  readonly user?: IdOf;
  /** Of which tenant, asked on success. @defaultValue of a login that of `result.user`; else as on all routes */
  readonly tenant?: IdOf;
  /** In which session, asked on success. @defaultValue as on all routes */
  readonly session?: IdOf;
}

/** What a route at which people log in says of its requests. */
export interface LoginRouteOptions extends AuthenticationRouteOptions {
  /** The body's field with the name that was entered, dotted where it is nested; or a function. Becomes `details.account`. */
  readonly account?: string | ((context: AuditOutcomeContext) => unknown);
  /** For example `password`, `passkey`, `sso`. Becomes `details.method`. */
  readonly method?: string;
}

/**
 * The route at which people log in. What is answered by 400 or more, whichever status, is a failed login.
 *
 * @example
 * ```ts
 * app.post('/login', audited(login({ account: 'email' })), logIn);
 * ```
 */
export function login({ account, method, ...options }: LoginRouteOptions = {}): AuditRouteOptions {
  return routeOf('authn_login_success', options, (context) => ({
    method,
    account: accountOf(
      typeof account === 'string' ? bodyField(context.request, account) : account?.(context),
    ),
  }));
}

/** The route at which people log out. */
export function logout(options: AuthenticationRouteOptions = {}): AuditRouteOptions {
  return routeOf('session_logout', options);
}

/** The route at which a refresh token gets a new access token. */
export function tokenRefresh(options: AuthenticationRouteOptions = {}): AuditRouteOptions {
  return routeOf('authn_token_created', options, () => ({ kind: 'refresh' }));
}

/** The route at which people change a password: that of the parameter `id`, else their own. */
export function passwordChange(options: AuthenticationRouteOptions = {}): AuditRouteOptions {
  return routeOf('authn_password_change', options);
}

/** A route of any action of the vocabulary, such as `user_created` at a registration. */
export function authenticationRoute(
  action: AuthenticationActionName,
  options: AuthenticationRouteOptions = {},
): AuditRouteOptions {
  return routeOf(action, options);
}

function routeOf(
  action: AuthenticationActionName,
  { user, tenant, session, ...said }: AuthenticationRouteOptions,
  detailsOf: (context: AuditOutcomeContext) => Readonly<Record<string, unknown>> = () => ({}),
): AuditRouteOptions {
  const { category, resource }: AuthenticationAction = AUTHENTICATION_ACTIONS[action];
  const isLogin = action === 'authn_login_success';

  function actorOf(context: AuditOutcomeContext): Pick<AuditAnnotation, 'userId' | 'tenantId' | 'sessionId'> {
    const loggedIn = isLogin ? loggedInBy(context.result) : {};
    return {
      userId: asId(user?.(context)) ?? loggedIn.userId ?? context.userId,
      tenantId: asId(tenant?.(context)) ?? loggedIn.tenantId ?? context.tenantId,
      sessionId: asId(session?.(context)) ?? context.sessionId,
    } as AuditAnnotation;
  }

  function annotate(context: AuditOutcomeContext): Omit<AuditAnnotation, 'outcome'> {
    const { outcome, params } = context;
    const isDone = outcome === 'success';
    const ended = isDone ? action : (FAILURES[action] ?? action);
    const { severity, outcome: usual } = AUTHENTICATION_ACTIONS[ended];
    // Whoever could not log in is nobody, also where somebody else was logged in already.
    const actor = isDone ? actorOf(context) : isLogin ? NOBODY : {};
    const resourceId = resource === 'session' ? context.sessionId : (actor.userId ?? context.userId);
    const isAboutActor =
      isLogin || resource === 'session' || (action in FAILURES && params['id'] === undefined);
    return {
      ...actor,
      action: ended,
      // An empty text: what the answer has under `id` is not whom it is about.
      ...(isAboutActor && !said.resource && !said.resourceId && { resourceId: resourceId ?? '' }),
      // The vocabulary has a level only for what usually happens.
      ...(!said.severity && usual === outcome && { severity }),
      details: isDone ? detailsOf(context) : unlessThrown(() => detailsOf(context)),
    };
  }
  return { ...defined({ resource }), ...said, action, category, annotate };
}

/** A request that fails may lack what a function of the application's reads: it is still a failure. */
function unlessThrown<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch {
    return undefined;
  }
}

const NOBODY: Pick<AuditAnnotation, 'userId' | 'metadata'> = {
  userId: '',
  metadata: { actorType: 'anonymous' },
};

/** Who logged in, by what the handler returned: `{ user: { id: 7 }, … }` or `{ userId: 7, … }`. */
function loggedInBy(result: unknown): Pick<AuditAnnotation, 'userId' | 'tenantId'> {
  const { user, userId } = Object(result) as { readonly user?: unknown; readonly userId?: unknown };
  const request = { user } as CapturedRequest;
  return defined({
    userId: asId(DEFAULT_RESOLVERS.user(request)) ?? asId(userId),
    tenantId: asId(DEFAULT_RESOLVERS.tenant(request)),
  });
}

function bodyField(request: CapturedRequest, name: string): unknown {
  return Object.values(Object(selectFields(request['body'], [name])))[0];
}
