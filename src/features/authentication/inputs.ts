import type { AuditEventInput } from '../../event/audit-event-input.js';

/**
 * What is taken of whatever has happened. Who, where and in which request is taken from the current request or `runAs`
 * where it is not given, as by `record()`.
 */
export interface AuthenticationInput extends Pick<
  AuditEventInput,
  | 'tenantId'
  | 'userId'
  | 'sessionId'
  | 'ipAddress'
  | 'userAgent'
  | 'timestamp'
  | 'severity'
  | 'details'
  | 'metadata'
> {
  /** Becomes `details.reason`. */
  readonly reason?: string;
  /** For example `user`, `service`, `job`. Becomes `metadata.actorType`. */
  readonly actorType?: string;
  /** Who acts in the user's name. Becomes `metadata.impersonatorId`. */
  readonly impersonatorId?: string;
}

export interface LoginInput extends AuthenticationInput {
  /**
   * Who logged in: needed on success. On failure, whom the name belongs to, where that is known; it becomes the event's
   * `resourceId`, since nobody was authenticated.
   */
  readonly userId?: string;
  /** The name that was entered, known or not, as the client sent it. Becomes `details.account`. */
  readonly account?: string;
  /** @defaultValue `success` */
  readonly outcome?: 'success' | 'failure';
  /** Failed attempts in a row: this one included on failure, those before on success. Becomes `details.attempts`. */
  readonly attempts?: number;
  /** How many are allowed; a failure that reaches it is `authn_login_fail_max`. Becomes `details.maxAttempts`. */
  readonly maxAttempts?: number;
  /** For example `password`, `passkey`, `sso`. Becomes `details.method`. */
  readonly method?: string;
}

/** One of `targetUserId` and `account` is needed. */
export interface LoginLockedInput extends AuthenticationInput {
  /** Whose login is locked. */
  readonly targetUserId?: string;
  /** The name that was entered. Becomes `details.account`. */
  readonly account?: string;
  /** Failed attempts in a row. Becomes `details.attempts`. */
  readonly attempts?: number;
}

/** One of `targetUserId` and `userId` is needed. */
export interface PasswordChangeInput extends AuthenticationInput {
  /** Whose password. @defaultValue `userId` */
  readonly targetUserId?: string;
  /** @defaultValue `success` */
  readonly outcome?: 'success' | 'failure';
}

export interface ImpossibleTravelInput extends AuthenticationInput {
  /** Who seems to be in two places. */
  readonly userId: string;
  /** The place before and the place now, as precise as is lawful. Become `details.from` and `details.to`. */
  readonly from: string;
  readonly to: string;
  /** Of the login. @defaultValue `success` */
  readonly outcome?: 'success' | 'failure';
}

export interface LogoutInput extends AuthenticationInput {
  /** Whose session or token, where that is not who acts. Becomes `details.targetUserId`. */
  readonly targetUserId?: string;
}

export interface SessionInput extends LogoutInput {
  readonly sessionId: string;
}

export interface TokenInput extends LogoutInput {
  /** The token's id (`jti`) or a fingerprint, never the token itself. */
  readonly tokenId: string;
  /** For example `refresh`, `api-key`. Becomes `details.kind`. */
  readonly kind?: string;
  /** What it allows. Becomes `details.scopes`. */
  readonly scopes?: readonly string[];
  /** Milliseconds or a `Date`. Becomes `details.expiresAt`, as ISO 8601. */
  readonly expiresAt?: number | Date;
}

export interface AccessDeniedInput extends AuthenticationInput {
  /** What access was denied to, for example `invoice`. */
  readonly resource: string;
  readonly resourceId?: string;
  /** What was tried, for example `invoice.approve`. Becomes `details.attempted`. */
  readonly attempted?: string;
  /** What would have been needed for it. Becomes `details.permission`. */
  readonly permission?: string | readonly string[];
}

/** The rights, roles or level of access before and after. Become `details.from` and `details.to`. */
interface FromTo {
  readonly from?: string | readonly string[];
  readonly to?: string | readonly string[];
}

/** What changed goes into `details`. */
export interface UserChangeInput extends AuthenticationInput {
  /** Whose account, or rights. */
  readonly targetUserId: string;
}

export interface PermissionChangeInput extends UserChangeInput, FromTo {}

export interface PrivilegeChangeInput extends AuthenticationInput, FromTo {
  /** What is guarded otherwise now, for example `report`. */
  readonly resource: string;
  readonly resourceId?: string;
}

export interface AdminActionInput extends AuthenticationInput {
  /** What the administrator did, for example `settings.import`. Becomes `details.activity`. */
  readonly activity: string;
  /** What it was done to. @defaultValue `administration` */
  readonly resource?: string;
  readonly resourceId?: string;
  /** @defaultValue `success` */
  readonly outcome?: 'success' | 'failure' | 'partial';
}

export interface ImpersonationInput extends Omit<AuthenticationInput, 'userId'> {
  /** Who acts: the event's `userId`, and `metadata.impersonatorId` as in all events that follow. */
  readonly impersonatorId: string;
  /** In whose name. */
  readonly targetUserId: string;
}

/** What `AuthenticationAudit.record()` takes, by what has happened. */
export interface AuthenticationInputs {
  /** A login that succeeded or failed. Never give it what was entered as a password. */
  readonly login: LoginInput;
  /** Nobody can log in to an account any more, as after too many failures. */
  readonly 'login-locked': LoginLockedInput;
  /** A password was changed, or could not be. */
  readonly 'password-change': PasswordChangeInput;
  /** A login from a place that its user can't have reached since the one before. */
  readonly 'impossible-travel': ImpossibleTravelInput;
  /** A token was issued. */
  readonly 'token-created': TokenInput;
  /** A token is no longer accepted. */
  readonly 'token-revoked': TokenInput;
  /** A token came that was no longer accepted: somebody has a copy of it. */
  readonly 'token-reused': TokenInput;
  readonly 'token-deleted': TokenInput;
  /** Somebody was refused what they may not do. */
  readonly 'access-denied': AccessDeniedInput;
  /** A user's rights or roles were changed. */
  readonly 'permission-change': PermissionChangeInput;
  /** An administrator did what only administrators may. */
  readonly 'admin-action': AdminActionInput;
  /** What is needed to reach a thing was changed. */
  readonly 'privilege-change': PrivilegeChangeInput;
  readonly 'session-created': SessionInput;
  readonly 'session-renewed': SessionInput;
  readonly 'session-expired': SessionInput;
  /** A session was used that had expired. */
  readonly 'session-used-after-expiry': SessionInput;
  readonly logout: LogoutInput;
  readonly 'user-created': UserChangeInput;
  readonly 'user-updated': UserChangeInput;
  readonly 'user-archived': UserChangeInput;
  readonly 'user-deleted': UserChangeInput;
  /** A user begins to act in another's name. */
  readonly 'impersonation-start': ImpersonationInput;
  readonly 'impersonation-end': ImpersonationInput;
}
