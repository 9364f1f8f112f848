// The feature `authentication`: nest-audit-trail/authentication.
import { defineFeature } from '../../engine/audit-feature.js';
import { AuthenticationAudit } from './authentication-audit.js';

export { AuthenticationAudit } from './authentication-audit.js';
export type { AuthenticationActionName } from './actions.js';
export {
  AuditAuthentication,
  AuditLogin,
  AuditLogout,
  AuditPasswordChange,
  AuditTokenRefresh,
} from './nest.js';
export { authenticationRoute, login, logout, passwordChange, tokenRefresh } from './routes.js';
export type { AuthenticationRouteOptions, LoginRouteOptions } from './routes.js';
export type {
  AccessDeniedInput,
  AdminActionInput,
  AuthenticationInput,
  ImpersonationInput,
  ImpossibleTravelInput,
  LoginInput,
  LoginLockedInput,
  LogoutInput,
  PasswordChangeInput,
  PermissionChangeInput,
  PrivilegeChangeInput,
  SessionInput,
  TokenInput,
  UserChangeInput,
  AuthenticationInputs,
} from './inputs.js';

/** Records logins, sessions, tokens, rights and accounts by the injected {@link AuthenticationAudit}. It has no options. */
export const authentication = defineFeature(
  'authentication',
  (_options: object, { audit }) => ({ service: new AuthenticationAudit(audit) }),
  { service: AuthenticationAudit },
);
