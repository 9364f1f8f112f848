import type { IncomingMessage } from 'node:http';
import { asId } from '../event/as-id.js';
import { safeText } from '../event/safe-text.js';

/**
 * The type of the application's `request.user`, for all functions that read it. Empty until the application extends it; `user` is `any`
 * until then.
 *
 * @example
 * ```ts
 * declare module 'nest-audit-trail' {
 *   interface AuditRequestUser extends MyUser {}
 * }
 * ```
 */
export interface AuditRequestUser {}

/** `request.user`, as the application has typed it by {@link AuditRequestUser}. */
// oxlint-disable-next-line typescript/no-explicit-any -- nobody has said what it is
export type RequestUser = keyof AuditRequestUser extends never ? any : AuditRequestUser;

/**
 * A request as the platform gives it to the application: Express's own, or Node's. What guards and middleware put on
 * it (`session`, `params`) is read as unknown.
 */
export type CapturedRequest = IncomingMessage &
  Readonly<Record<string, unknown>> & { readonly user?: RequestUser };

/** Reads one fact from a request; nothing (`undefined`) where there is none. May throw: that costs this fact only. */
export type Resolver = (request: CapturedRequest) => string | number | bigint | undefined | null;

/** Reads the names of the user's roles: a text, a list of texts, or of objects with a `name`. Otherwise as {@link Resolver}. */
export type RolesResolver = (
  request: CapturedRequest,
) => string | readonly (string | { readonly name: string })[] | undefined | null;

/**
 * Who acted, in whose data, from where. Each is called when every guard has let the request through,
 * because guards set the user. It is called again when the answer is ready, if `request.user` or
 * `request.session` has changed, or no user was found. `ip` is called when the request begins, since a
 * closed connection has no address. Never resolve them from a header or a token that nobody verified.
 */
export interface ResolveOptions {
  /** `userId`. @defaultValue `request.user.id`, else `.sub`, else `.userId` */
  readonly user?: Resolver;
  /** `tenantId`. @defaultValue `request.user.tenantId`, else `.tenant.id`, else `.organizationId`, else `'default'` */
  readonly tenant?: Resolver;
  /** `sessionId`. @defaultValue `request.session.id`, else `request.user.sid`, `.sessionId`, `.session.id`, `.jti`, the first that is there */
  readonly session?: Resolver;
  /**
   * `ipAddress`; where it is not an address, the socket's is stored.
   * @defaultValue `request.ip` by the platform's trust-proxy setting, else the socket's address
   */
  readonly ip?: Resolver;
  /** `metadata.actorType`. @defaultValue `request.user.actorType`, else `user` where there is a user, else `anonymous` */
  readonly actorType?: Resolver;
  /** `metadata.impersonatorId`. @defaultValue `request.user.impersonatorId` */
  readonly impersonator?: Resolver;
  /**
   * `metadata.roles`: a text, a list of texts, or of objects with a `name`; at most 32.
   * @defaultValue `request.user.roles`, else `.role`: a text or an object with a `name`
   */
  readonly roles?: RolesResolver;
}

function valueOf(holder: unknown, name: string): unknown {
  return typeof holder === 'object' && holder !== null
    ? (holder as Record<string, unknown>)[name]
    : undefined;
}

/** Reads a property as an id; `undefined` where there is none, or the holder is no object. */
export function property(holder: unknown, name: string): string | undefined {
  return asId(valueOf(holder, name));
}

/** Of one user; more are not looked at. */
const MOST_ROLES = 32;
const LONGEST_ROLE = 128;

/**
 * Names of roles from what applications keep them in: a text, a list of texts, or of objects with a `name`. Each once,
 * at most 32.
 *
 * @returns `undefined` for anything else
 */
export function rolesOf(value: unknown): readonly string[] | undefined {
  if (typeof value === 'string') return value === '' ? [] : [safeText(value, LONGEST_ROLE)];
  const isList = Array.isArray(value) || value instanceof Set;
  if (!isList) return undefined;
  const names = new Set<string>();
  for (const item of value as Iterable<unknown>) {
    const name: unknown =
      typeof item === 'object' && item !== null ? (item as { readonly name?: unknown }).name : item;
    if (typeof name === 'string' && name !== '') names.add(safeText(name, LONGEST_ROLE));
    if (names.size === MOST_ROLES) break;
  }
  return [...names];
}

function rolesOfUser(user: unknown): readonly string[] | undefined {
  const roles = valueOf(user, 'roles') ?? undefined;
  if (roles !== undefined) return rolesOf(roles);
  const role = valueOf(user, 'role');
  return role === undefined || role === null ? undefined : rolesOf([role]);
}

/** The defaults of {@link ResolveOptions}. A tenant is only what is called so: a wrong guess would make each user a tenant. */
export const DEFAULT_RESOLVERS: Required<ResolveOptions> = {
  user: ({ user }) => property(user, 'id') ?? property(user, 'sub') ?? property(user, 'userId'),
  tenant: ({ user }) =>
    property(user, 'tenantId') ?? property(valueOf(user, 'tenant'), 'id') ?? property(user, 'organizationId'),
  session: ({ session, user }) =>
    property(session, 'id') ??
    property(user, 'sid') ??
    property(user, 'sessionId') ??
    property(valueOf(user, 'session'), 'id') ??
    property(user, 'jti'),
  ip: (request) => property(request, 'ip') ?? request.socket?.remoteAddress,
  actorType: ({ user }) => property(user, 'actorType') ?? (user ? 'user' : 'anonymous'),
  impersonator: ({ user }) => property(user, 'impersonatorId'),
  roles: ({ user }) => rolesOfUser(user),
};
