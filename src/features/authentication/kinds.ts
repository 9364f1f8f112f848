// What can happen to logins, sessions, tokens, rights and accounts: what is taken of each, and what its event says.
import { invalidEvent } from '../../event/audit-error.js';
import { group, isFilledText, isObject, option } from '../../event/option-schema.js';
import type { OptionGroup, OptionSchema } from '../../event/option-schema.js';
import type { AuthenticationActionName } from './actions.js';
import type {
  AdminActionInput,
  AuthenticationInput,
  AuthenticationInputs,
  ImpersonationInput,
  LoginInput,
  TokenInput,
} from './inputs.js';

/** What may be given of any of it, once it is checked. */
export type Given = Partial<Omit<LoginInput, 'outcome'> & TokenInput & AdminActionInput & ImpersonationInput>;

/** What an event says in its own way. */
interface Told {
  readonly action?: AuthenticationActionName;
  readonly resourceId?: string | undefined;
  /** Who acted, where that is not the input's `userId`. */
  readonly actor?: Pick<AuthenticationInput, 'userId' | 'actorType'>;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** One thing that can happen. */
export interface Kind {
  readonly action: AuthenticationActionName;
  /** The property that says whom or what it is about: the event's `resourceId`. */
  readonly about: string;
  readonly takes: OptionGroup;
  /** What it takes that no other does, and that has no place of its own in an event. Becomes `details`. */
  readonly facts: readonly string[];
  readonly needs: readonly string[] | ((given: Given) => readonly string[]);
  readonly tell?: (given: Given) => Told;
}

const orNull = (accepts: (value: unknown) => boolean, what: string) =>
  option((value) => value === null || accepts(value), what);
const isTexts = (value: unknown) => Array.isArray(value) && value.every(isFilledText);

/** What a property must be; each completes "must be …". */
const any = orNull(() => true, 'anything');
const text = orNull(isFilledText, 'a text that is not empty');
const texts = orNull((value) => isFilledText(value) || isTexts(value), 'a text or a list of texts');
const count = orNull((value) => Number.isSafeInteger(value) && Number(value) >= 0, 'an integer from 0');
const outcome = orNull((value) => value === 'success' || value === 'failure', "'success' or 'failure'");
const time = orNull(
  (value) => (typeof value === 'number' || value instanceof Date) && !Number.isNaN(new Date(value).getTime()),
  'a time: milliseconds or a Date',
);
const facts = orNull(isObject, 'an object');

/** Those without a rule of their own go to record() as they are, which has one. */
const COMMON = {
  tenantId: any,
  userId: any,
  sessionId: any,
  ipAddress: any,
  userAgent: any,
  timestamp: any,
  severity: any,
  details: facts,
  metadata: facts,
  reason: text,
  actorType: text,
  impersonatorId: text,
} satisfies Record<keyof AuthenticationInput, OptionSchema>;

const TARGET = { targetUserId: text };
const THING = { resource: text, resourceId: text };
const CHANGE = { from: texts, to: texts };
const PLACES: ReadonlySet<string> = new Set(['resource', 'resourceId', 'outcome']);
const { userId: _whoActs, ...OF_IMPERSONATION } = COMMON;

function kind(
  action: AuthenticationActionName,
  about: string,
  needs: Kind['needs'],
  own: Readonly<Record<string, OptionSchema>>,
  common: Readonly<Record<string, OptionSchema>> = COMMON,
): Kind {
  const facts = Object.keys(own).filter((name) => name !== about && !PLACES.has(name));
  return { action, about, needs, takes: group({ ...common, ...own }), facts };
}

const token = (action: AuthenticationActionName) =>
  // The key must not say that it is a token's, or the value would be redacted.
  kind(action, 'tokenId', ['tokenId'], {
    tokenId: text,
    ...TARGET,
    kind: text,
    scopes: texts,
    expiresAt: time,
  });

const session = (action: AuthenticationActionName, needs = ['sessionId']) =>
  kind(action, 'sessionId', needs, TARGET);

const user = (action: AuthenticationActionName) => kind(action, 'targetUserId', ['targetUserId'], TARGET);

const impersonation = (action: AuthenticationActionName): Kind => ({
  ...kind(action, 'targetUserId', ['impersonatorId', 'targetUserId'], TARGET, OF_IMPERSONATION),
  tell: ({ impersonatorId }) => ({ actor: { userId: impersonatorId } }),
});

/** Whatever can happen. In all events `userId` is who acted, and `resourceId` whom or what it is about. */
export const KINDS: Readonly<Record<keyof AuthenticationInputs, Kind>> = {
  login: {
    ...kind('authn_login_success', 'userId', (given) => (given.outcome === 'failure' ? [] : ['userId']), {
      account: any,
      outcome,
      attempts: count,
      maxAttempts: count,
      method: text,
    }),
    tell({ outcome, userId, attempts, maxAttempts, actorType, account }) {
      if (outcome !== 'failure') return attempts ? { action: 'authn_login_successafterfail' } : {};
      const isLast = (attempts ?? 0) >= (maxAttempts ?? Infinity);
      return {
        ...(isLast && { action: 'authn_login_fail_max' }),
        // An empty text is nobody, even where the request has a user: whoever tried to log in is none.
        actor: { userId: '', actorType: actorType ?? 'anonymous' },
        // Failures are counted by account.
        details: { account: accountOf(account) ?? userId },
      };
    },
  },
  'login-locked': {
    ...kind('authn_login_lock', 'targetUserId', [], { ...TARGET, account: any, attempts: count }),
    tell({ targetUserId, account }) {
      if (targetUserId || accountOf(account)) return {};
      throw invalidEvent('targetUserId', "record('login-locked') needs a targetUserId or an account");
    },
  },
  'password-change': {
    ...kind('authn_password_change', 'targetUserId', (given) => (given.targetUserId ? [] : ['userId']), {
      ...TARGET,
      outcome,
    }),
    tell: ({ targetUserId, userId }) => ({ resourceId: targetUserId ?? userId }),
  },
  'impossible-travel': kind('authn_impossible_travel', 'userId', ['userId', 'from', 'to'], {
    from: text,
    to: text,
    outcome,
  }),
  'token-created': token('authn_token_created'),
  'token-revoked': token('authn_token_revoked'),
  'token-reused': token('authn_token_reuse'),
  'token-deleted': token('authn_token_delete'),
  'access-denied': kind('authz_fail', 'resourceId', ['resource'], {
    ...THING,
    attempted: text,
    permission: texts,
  }),
  'permission-change': kind('authz_change', 'targetUserId', ['targetUserId'], { ...TARGET, ...CHANGE }),
  // AuditService.record() knows the outcomes.
  'admin-action': kind('authz_admin', 'resourceId', ['activity'], { activity: text, ...THING, outcome: any }),
  'privilege-change': kind('privilege_permissions_changed', 'resourceId', ['resource'], {
    ...THING,
    ...CHANGE,
  }),
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

/** What a login form sent as its user's name, whatever it is. A list or an object is no name, but must not be an error. */
export function accountOf(account: unknown): string | undefined {
  if (account === undefined || account === null) return undefined;
  return typeof account === 'object' ? '[object]' : String(account);
}
