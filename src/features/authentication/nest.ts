// The routes of authentication as decorators of Nest's handlers. They need no package of Nest, so that the other doors can import them.
import { ROUTE_AUDIT_KEY } from '../../capture/route-audit.js';
import type { AuditRouteOptions } from '../../capture/route-audit.js';
import { authenticationRoute, login, logout, passwordChange, tokenRefresh } from './routes.js';

/**
 * Marks the handler by which people log in: {@link login} as a decorator.
 *
 * @example
 * ```ts
 * class AuthController {
 *   @Post('login') @AuditLogin({ account: 'email' }) logIn() {}
 * }
 * ```
 */
export const AuditLogin = decoratorOf(login);

/** Marks the handler by which people log out: {@link logout} as a decorator. */
export const AuditLogout = decoratorOf(logout);

/** Marks the handler that gives a new access token for a refresh token: {@link tokenRefresh} as a decorator. */
export const AuditTokenRefresh = decoratorOf(tokenRefresh);

/** Marks the handler by which people change a password: {@link passwordChange} as a decorator. */
export const AuditPasswordChange = decoratorOf(passwordChange);

/** Marks the handler of any action of the vocabulary: {@link authenticationRoute} as a decorator. */
export const AuditAuthentication = decoratorOf(authenticationRoute);

function decoratorOf<Said extends unknown[]>(
  route: (...said: Said) => AuditRouteOptions,
): (...said: Said) => MethodDecorator {
  return (...said) =>
    (_controller, _name, { value }: PropertyDescriptor) =>
      Reflect.defineMetadata(ROUTE_AUDIT_KEY, route(...said), value as object);
}
