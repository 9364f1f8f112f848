import { invalidEvent } from '../../event/audit-error.js';
import type { AuditEventInput } from '../../event/audit-event-input.js';
import { mergeFacts } from '../../event/merge-facts.js';
import { group } from '../../event/option-schema.js';
import type { OptionGroup, OptionSchema } from '../../event/option-schema.js';
import { defined } from '../../event/present.js';
import { safeId, TEXT_LIMITS } from '../../event/safe-text.js';
import { AUTHENTICATION_ACTIONS } from './actions.js';
import type { AuthenticationActionName } from './actions.js';
import { any, checkInput, COMMON, count, outcome, text, texts, time } from './check-input.js';
import type {
  AuthenticationInput,
  AuthenticationInputs,
  ImpersonationInput,
  LogoutInput,
  TokenInput,
  UserChangeInput,
} from './inputs.js';

/** What an event says of one thing that has happened. */
interface Told {
  readonly action: AuthenticationActionName;
  /** Whom or what it is about. */
  readonly resourceId: string | undefined;
  readonly resource?: string | undefined;
  readonly outcome?: AuditEventInput['outcome'];
  readonly details?: Readonly<Record<string, unknown>>;
  /** Who acted, where that is not the input's `userId`. */
  readonly actor?: Pick<AuthenticationInput, 'userId' | 'actorType'>;
}

/** One thing that can happen: what is taken of it, which of that is needed, and what its event says. */
interface Kind<Input> {
  readonly takes: OptionGroup;
  readonly needs?: readonly (keyof Input)[] | ((input: Partial<Input>) => readonly string[]);
  readonly tell: (input: Input) => Told;
}

const TARGET = { targetUserId: text };
const THING = { resource: text, resourceId: text };
const CHANGE = { from: texts, to: texts };
const { userId: _whoActs, ...OF_IMPERSONATION } = COMMON;

const taking = (more: Readonly<Record<string, OptionSchema>>) => group({ ...COMMON, ...more });

const token = (action: AuthenticationActionName): Kind<TokenInput> => ({
  takes: taking({ tokenId: text, ...TARGET, kind: text, scopes: texts, expiresAt: time }),
  needs: ['tokenId'],
  // The key must not say that it is a token's, or the value would be redacted.
  tell: ({ tokenId, targetUserId, kind, scopes, expiresAt }) => ({
    action,
    resourceId: tokenId,
    details: { targetUserId, kind, scopes, expiresAt: expiresAt && new Date(expiresAt) },
  }),
});

const session = (
  action: AuthenticationActionName,
  needs: readonly 'sessionId'[] = ['sessionId'],
): Kind<LogoutInput> => ({
  takes: taking(TARGET),
  needs,
  tell: ({ sessionId, targetUserId }) => ({ action, resourceId: sessionId, details: { targetUserId } }),
});

const user = (action: AuthenticationActionName): Kind<UserChangeInput> => ({
  takes: taking(TARGET),
  needs: ['targetUserId'],
  tell: ({ targetUserId }) => ({ action, resourceId: targetUserId }),
});

const impersonation = (action: AuthenticationActionName): Kind<ImpersonationInput> => ({
  takes: group({ ...OF_IMPERSONATION, ...TARGET }),
  needs: ['impersonatorId', 'targetUserId'],
  tell: ({ impersonatorId, targetUserId }) => ({
    action,
    resourceId: targetUserId,
    actor: { userId: impersonatorId },
  }),
});

/** Whatever can happen. In all events `userId` is who acted, and `resourceId` whom or what it is about. */
const KINDS: { readonly [Name in keyof AuthenticationInputs]: Kind<AuthenticationInputs[Name]> } = {
  login: {
    takes: taking({ account: any, outcome, attempts: count, maxAttempts: count, method: text }),
    needs: ({ outcome }) => (outcome === 'failure' ? [] : ['userId']),
    tell({ outcome, userId, attempts, maxAttempts, method, actorType, account: entered }) {
      const account = accountOf(entered);
      const said = { attempts, maxAttempts, method };
      if (outcome !== 'failure') {
        const action = attempts ? 'authn_login_successafterfail' : 'authn_login_success';
        return { action, resourceId: userId, details: { account, ...said } };
      }
      const isLast = (attempts ?? 0) >= (maxAttempts ?? Infinity);
      return {
        action: isLast ? 'authn_login_fail_max' : 'authn_login_fail',
        resourceId: userId,
        // An empty text is nobody, even where the request has a user: whoever tried to log in is none.
        actor: { userId: '', actorType: actorType ?? 'anonymous' },
        // Failures are counted by account.
        details: { account: account ?? userId, ...said },
      };
    },
  },
  'login-locked': {
    takes: taking({ ...TARGET, account: any, attempts: count }),
    tell({ targetUserId, attempts, account: entered }) {
      const account = accountOf(entered);
      if (!targetUserId && !account) {
        throw invalidEvent('targetUserId', "record('login-locked') needs a targetUserId or an account");
      }
      return { action: 'authn_login_lock', resourceId: targetUserId, details: { account, attempts } };
    },
  },
  'password-change': {
    takes: taking({ ...TARGET, outcome }),
    needs: ({ targetUserId }) => (targetUserId ? [] : ['userId']),
    tell: ({ outcome, targetUserId, userId }) => ({
      action: outcome === 'failure' ? 'authn_password_change_fail' : 'authn_password_change',
      resourceId: targetUserId ?? userId,
    }),
  },
  'impossible-travel': {
    takes: taking({ from: text, to: text, outcome }),
    needs: ['userId', 'from', 'to'],
    tell: ({ userId, from, to, outcome }) => ({
      action: 'authn_impossible_travel',
      resourceId: userId,
      outcome,
      details: { from, to },
    }),
  },
  'token-created': token('authn_token_created'),
  'token-revoked': token('authn_token_revoked'),
  'token-reused': token('authn_token_reuse'),
  'token-deleted': token('authn_token_delete'),
  'access-denied': {
    takes: taking({ ...THING, attempted: text, permission: texts }),
    needs: ['resource'],
    tell: ({ resource, resourceId, attempted, permission }) => ({
      action: 'authz_fail',
      resource,
      resourceId,
      details: { attempted, permission },
    }),
  },
  'permission-change': {
    takes: taking({ ...TARGET, ...CHANGE }),
    needs: ['targetUserId'],
    tell: ({ targetUserId, from, to }) => ({
      action: 'authz_change',
      resourceId: targetUserId,
      details: { from, to },
    }),
  },
  'admin-action': {
    // AuditService.record() knows the outcomes.
    takes: taking({ activity: text, ...THING, outcome: any }),
    needs: ['activity'],
    tell: ({ activity, resource, resourceId, outcome }) => ({
      action: 'authz_admin',
      resource,
      resourceId,
      outcome,
      details: { activity },
    }),
  },
  'privilege-change': {
    takes: taking({ ...THING, ...CHANGE }),
    needs: ['resource'],
    tell: ({ resource, resourceId, from, to }) => ({
      action: 'privilege_permissions_changed',
      resource,
      resourceId,
      details: { from, to },
    }),
  },
  'session-created': session('session_created'),
  'session-renewed': session('session_renewed'),
  'session-expired': session('session_expired'),
  'session-used-after-expiry': session('session_use_after_expire'),
  // It may well be of an application that keeps no sessions.
  logout: session('session_logout', []),
  'user-created': user('user_created'),
  'user-updated': user('user_updated'),
  'user-archived': user('user_archived'),
  'user-deleted': user('user_deleted'),
  'impersonation-start': impersonation('impersonation.start'),
  'impersonation-end': impersonation('impersonation.end'),
};

export const AUTHENTICATION_KINDS = Object.keys(KINDS) as (keyof AuthenticationInputs)[];

/**
 * The event of what has happened.
 *
 * @throws AuditError `AUDIT_INVALID_EVENT` naming the property
 */
export function authenticationEvent<Name extends keyof AuthenticationInputs>(
  name: Name,
  input: AuthenticationInputs[Name],
): AuditEventInput {
  if (!Object.hasOwn(KINDS, name)) {
    throw invalidEvent(
      'name',
      `record() knows ${AUTHENTICATION_KINDS.map((known) => `'${known}'`).join(', ')}`,
    );
  }
  const { takes, needs = [], tell } = KINDS[name] as Kind<AuthenticationInputs[Name]>;
  const needed = typeof needs === 'function' ? needs(input ?? {}) : (needs as readonly string[]);
  checkInput(`record('${name}')`, input, takes, needed);
  const { action, resourceId, resource, outcome, details, actor } = tell(input);
  const { reason, actorType, impersonatorId, sessionId, ...said }: AuthenticationInput = {
    ...input,
    ...actor,
  };
  const { tenantId, userId, ipAddress, userAgent, timestamp, severity } = said;
  return {
    ...AUTHENTICATION_ACTIONS[action],
    action,
    ...defined({ tenantId, userId, ipAddress, userAgent, timestamp, severity, resource, outcome }),
    ...defined({ resourceId: idOf(resourceId), sessionId: idOf(sessionId) }),
    details: mergeFacts({ reason, ...details }, input.details),
    metadata: mergeFacts({ actorType, impersonatorId }, input.metadata),
  };
}

/** An id that a client may have sent, as that of a session or a token, is made safe to store, not refused. */
function idOf(value: string | undefined): string | undefined {
  return typeof value === 'string' ? safeId(value, TEXT_LIMITS.resourceId) : value;
}

/** What a login form sent as its user's name, whatever it is. A list or an object is no name, but must not be an error. */
export function accountOf(account: unknown): string | undefined {
  if (account === undefined || account === null) return undefined;
  return typeof account === 'object' ? '[object]' : String(account);
}
