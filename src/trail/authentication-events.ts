import type { AuditEventInput } from '../event/audit-event-input.js';
import { mergeFacts } from '../event/merge-facts.js';
import { present } from '../event/present.js';
import { safeId, TEXT_LIMITS } from '../event/safe-text.js';
import { AUTHENTICATION_ACTIONS } from './authentication-actions.js';
import type { AuthenticationActionName } from './authentication-actions.js';
import { checkAuthenticationInput, invalid } from './authentication-input.js';
import type {
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
} from './authentication-input.js';

// From what a program knows of a login, a session or a right to the event that tells of it. In all of them `userId` is
// who acted, and `resourceId` whom or what it is about. Each throws AuditError `AUDIT_INVALID_EVENT`, naming the property.

export function loginEvent(input: LoginInput): AuditEventInput {
  checkAuthenticationInput('recordLogin', input, {
    own: { account: 'any', outcome: 'outcome', attempts: 'count', maxAttempts: 'count', method: 'text' },
    needs: input?.outcome === 'failure' ? [] : ['userId'],
  });
  const { outcome, userId, attempts, maxAttempts, method } = input;
  const details = { account: accountOf(input.account), attempts, maxAttempts, method };
  if (outcome !== 'failure') {
    const action = attempts ? 'authn_login_successafterfail' : 'authn_login_success';
    return eventOf(action, input, { resourceId: userId }, details);
  }
  const reached = (attempts ?? 0) >= (maxAttempts ?? Infinity);
  return eventOf(
    reached ? 'authn_login_fail_max' : 'authn_login_fail',
    // An empty text is nobody, even where the request has a user: whoever tried to log in is none.
    { ...input, userId: '', actorType: input.actorType ?? 'anonymous' },
    { resourceId: userId },
    // Failures are counted by account.
    { ...details, account: details.account ?? userId },
  );
}

export function loginLockedEvent(input: LoginLockedInput): AuditEventInput {
  checkAuthenticationInput('recordLoginLocked', input, {
    own: { targetUserId: 'text', account: 'any', attempts: 'count' },
  });
  const { targetUserId, attempts } = input;
  const account = accountOf(input.account);
  if (!targetUserId && !account) {
    throw invalid('recordLoginLocked() needs a targetUserId or an account', 'targetUserId');
  }
  return eventOf('authn_login_lock', input, { resourceId: targetUserId }, { account, attempts });
}

export function passwordChangeEvent(input: PasswordChangeInput): AuditEventInput {
  checkAuthenticationInput('recordPasswordChange', input, {
    own: { targetUserId: 'text', outcome: 'outcome' },
    needs: input?.targetUserId ? [] : ['userId'],
  });
  const action = input.outcome === 'failure' ? 'authn_password_change_fail' : 'authn_password_change';
  return eventOf(action, input, { resourceId: input.targetUserId ?? input.userId });
}

export function impossibleTravelEvent(input: ImpossibleTravelInput): AuditEventInput {
  checkAuthenticationInput('recordImpossibleTravel', input, {
    own: { from: 'text', to: 'text', outcome: 'outcome' },
    needs: ['userId', 'from', 'to'],
  });
  const { userId, from, to, outcome } = input;
  return eventOf(
    'authn_impossible_travel',
    input,
    { resourceId: userId, ...present('outcome', outcome) },
    { from, to },
  );
}

const TOKEN_ACTIONS = {
  recordTokenCreated: 'authn_token_created',
  recordTokenRevoked: 'authn_token_revoked',
  recordTokenReused: 'authn_token_reuse',
  recordTokenDeleted: 'authn_token_delete',
} as const satisfies Record<string, AuthenticationActionName>;

export function tokenEvent(helper: keyof typeof TOKEN_ACTIONS, input: TokenInput): AuditEventInput {
  checkAuthenticationInput(helper, input, {
    own: { tokenId: 'text', targetUserId: 'text', kind: 'text', scopes: 'texts', expiresAt: 'time' },
    needs: ['tokenId'],
  });
  const { tokenId, targetUserId, kind, scopes, expiresAt } = input;
  return eventOf(
    TOKEN_ACTIONS[helper],
    input,
    { resourceId: tokenId },
    // The key must not say that it is a token's, or the value would be redacted.
    { targetUserId, kind, scopes, expiresAt: expiresAt && new Date(expiresAt) },
  );
}

export function accessDeniedEvent(input: AccessDeniedInput): AuditEventInput {
  checkAuthenticationInput('recordAccessDenied', input, {
    own: { resource: 'text', resourceId: 'text', attempted: 'text', permission: 'texts' },
    needs: ['resource'],
  });
  const { resource, resourceId, attempted, permission } = input;
  return eventOf('authz_fail', input, { resource, resourceId }, { attempted, permission });
}

export function permissionChangeEvent(input: PermissionChangeInput): AuditEventInput {
  checkAuthenticationInput('recordPermissionChange', input, {
    own: { targetUserId: 'text', from: 'texts', to: 'texts' },
    needs: ['targetUserId'],
  });
  const { targetUserId, from, to } = input;
  return eventOf('authz_change', input, { resourceId: targetUserId }, { from, to });
}

export function adminActionEvent(input: AdminActionInput): AuditEventInput {
  checkAuthenticationInput('recordAdminAction', input, {
    // record() knows the outcomes.
    own: { activity: 'text', resource: 'text', resourceId: 'text', outcome: 'any' },
    needs: ['activity'],
  });
  const { activity, resource, resourceId, outcome } = input;
  const said = { resourceId, ...present('resource', resource), ...present('outcome', outcome) };
  return eventOf('authz_admin', input, said, { activity });
}

export function privilegeChangeEvent(input: PrivilegeChangeInput): AuditEventInput {
  checkAuthenticationInput('recordPrivilegeChange', input, {
    own: { resource: 'text', resourceId: 'text', from: 'texts', to: 'texts' },
    needs: ['resource'],
  });
  const { resource, resourceId, from, to } = input;
  return eventOf('privilege_permissions_changed', input, { resource, resourceId }, { from, to });
}

const SESSION_ACTIONS = {
  recordSessionCreated: 'session_created',
  recordSessionRenewed: 'session_renewed',
  recordSessionExpired: 'session_expired',
  recordSessionUsedAfterExpiry: 'session_use_after_expire',
  recordLogout: 'session_logout',
} as const satisfies Record<string, AuthenticationActionName>;

export function sessionEvent(
  helper: keyof typeof SESSION_ACTIONS,
  input: SessionInput | LogoutInput,
): AuditEventInput {
  checkAuthenticationInput(helper, input, {
    own: { targetUserId: 'text' },
    // A logout may well be of an application that keeps no sessions.
    needs: helper === 'recordLogout' ? [] : ['sessionId'],
  });
  const { sessionId, targetUserId } = input;
  return eventOf(SESSION_ACTIONS[helper], input, { resourceId: sessionId }, { targetUserId });
}

const USER_ACTIONS = {
  recordUserCreated: 'user_created',
  recordUserUpdated: 'user_updated',
  recordUserArchived: 'user_archived',
  recordUserDeleted: 'user_deleted',
} as const satisfies Record<string, AuthenticationActionName>;

export function userEvent(helper: keyof typeof USER_ACTIONS, input: UserChangeInput): AuditEventInput {
  checkAuthenticationInput(helper, input, { own: { targetUserId: 'text' }, needs: ['targetUserId'] });
  return eventOf(USER_ACTIONS[helper], input, { resourceId: input.targetUserId });
}

const IMPERSONATION_ACTIONS = {
  recordImpersonationStart: 'impersonation.start',
  recordImpersonationEnd: 'impersonation.end',
} as const satisfies Record<string, AuthenticationActionName>;

export function impersonationEvent(
  helper: keyof typeof IMPERSONATION_ACTIONS,
  input: ImpersonationInput,
): AuditEventInput {
  checkAuthenticationInput(helper, input, {
    own: { targetUserId: 'text' },
    needs: ['impersonatorId', 'targetUserId'],
    not: ['userId'],
  });
  const { impersonatorId, targetUserId } = input;
  return eventOf(
    IMPERSONATION_ACTIONS[helper],
    { ...input, userId: impersonatorId },
    { resourceId: targetUserId },
  );
}

const TAKEN_OVER = [
  'tenantId',
  'userId',
  'ipAddress',
  'userAgent',
  'timestamp',
  'severity',
] as const satisfies readonly (keyof AuthenticationInput & keyof AuditEventInput)[];

function eventOf(
  action: AuthenticationActionName,
  input: AuthenticationInput,
  said: Pick<AuditEventInput, 'resource' | 'outcome'> & { readonly resourceId: string | undefined },
  details: Readonly<Record<string, unknown>> = {},
): AuditEventInput {
  const { reason, actorType, impersonatorId, sessionId } = input;
  const { resourceId, ...rest } = said;
  return {
    ...AUTHENTICATION_ACTIONS[action],
    action,
    ...withValue(Object.fromEntries(TAKEN_OVER.map((name) => [name, input[name]]))),
    ...rest,
    ...withValue({ resourceId: idOf(resourceId), sessionId: idOf(sessionId) }),
    details: mergeFacts({ reason, ...details }, input.details),
    metadata: mergeFacts({ actorType, impersonatorId }, input.metadata),
  };
}

/** An id that a client may have sent, as that of a session or a token, is made safe to store, not refused. */
function idOf(value: string | undefined): string | undefined {
  return typeof value === 'string' ? safeId(value, TEXT_LIMITS.resourceId) : value;
}

/** What a login form sent as its user's name, whatever it is. A list or an object is no name, but must not be an error. */
function accountOf(account: unknown): string | undefined {
  if (account === undefined || account === null) return undefined;
  return typeof account === 'object' ? '[object]' : String(account);
}

function withValue(facts: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(facts).filter(([, value]) => value !== undefined && value !== null),
  );
}
