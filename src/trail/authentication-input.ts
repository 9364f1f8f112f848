import { AuditError } from '../event/audit-error.js';
import type { AuditEventInput } from '../event/audit-event-input.js';

/**
 * What every authentication helper takes. Who, where and in which request is taken from the current request or `runAs`
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

export interface TokenInput extends AuthenticationInput {
  /** The token's id (`jti`) or a fingerprint, never the token itself. */
  readonly tokenId: string;
  /** Whose token, where that is not who acts. Becomes `details.targetUserId`. */
  readonly targetUserId?: string;
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

export interface PermissionChangeInput extends AuthenticationInput {
  /** Whose rights. */
  readonly targetUserId: string;
  /** The rights or roles before and after. Become `details.from` and `details.to`. */
  readonly from?: string | readonly string[];
  readonly to?: string | readonly string[];
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

export interface PrivilegeChangeInput extends AuthenticationInput {
  /** What is guarded otherwise now, for example `report`. */
  readonly resource: string;
  readonly resourceId?: string;
  /** The level of access before and after. Become `details.from` and `details.to`. */
  readonly from?: string | readonly string[];
  readonly to?: string | readonly string[];
}

export interface SessionInput extends AuthenticationInput {
  readonly sessionId: string;
  /** Whose session, where that is not who acts. Becomes `details.targetUserId`. */
  readonly targetUserId?: string;
}

export interface LogoutInput extends AuthenticationInput {
  /** Whose session, where that is not who acts. Becomes `details.targetUserId`. */
  readonly targetUserId?: string;
}

/** What changed goes into `details`. */
export interface UserChangeInput extends AuthenticationInput {
  /** Which account. */
  readonly targetUserId: string;
}

export interface ImpersonationInput extends Omit<AuthenticationInput, 'userId'> {
  /** Who acts: the event's `userId`, and `metadata.impersonatorId` as in all events that follow. */
  readonly impersonatorId: string;
  /** In whose name. */
  readonly targetUserId: string;
}

const COMMON: Readonly<Record<keyof AuthenticationInput, PropertyKind>> = {
  // Those without a rule of their own go to record() as they are, which has one.
  tenantId: 'any',
  userId: 'any',
  sessionId: 'any',
  ipAddress: 'any',
  userAgent: 'any',
  timestamp: 'any',
  severity: 'any',
  details: 'facts',
  metadata: 'facts',
  reason: 'text',
  actorType: 'text',
  impersonatorId: 'text',
};

/** What a property must be; each completes "must be …". */
const KINDS = {
  any: { accepts: () => true, what: 'anything' },
  text: { accepts: isText, what: 'a text that is not empty' },
  texts: {
    accepts: (value: unknown) => isText(value) || (Array.isArray(value) && value.every(isText)),
    what: 'a text or a list of texts',
  },
  count: {
    accepts: (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0,
    what: 'an integer from 0',
  },
  outcome: {
    accepts: (value: unknown) => value === 'success' || value === 'failure',
    what: "'success' or 'failure'",
  },
  time: {
    accepts: (value: unknown) =>
      (typeof value === 'number' || value instanceof Date) && !Number.isNaN(new Date(value).getTime()),
    what: 'a time: milliseconds or a Date',
  },
  facts: {
    accepts: (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value),
    what: 'an object',
  },
} as const;

export type PropertyKind = keyof typeof KINDS;

/** What one helper takes besides what all take: each property's kind, and those that it can't do without. */
export interface InputRules {
  readonly own: Readonly<Record<string, PropertyKind>>;
  readonly needs?: readonly string[];
  readonly not?: readonly string[];
}

/**
 * Checks what `record()` would not see, since it becomes part of something else.
 *
 * @param helper the method's name, for the message
 * @throws AuditError `AUDIT_INVALID_EVENT` naming the property
 */
export function checkAuthenticationInput(helper: string, input: unknown, rules: InputRules): void {
  if (!KINDS.facts.accepts(input)) {
    throw invalid(`${helper}() takes an object`);
  }
  const { own, needs = [], not = [] } = rules;
  const kinds: Readonly<Record<string, PropertyKind>> = { ...COMMON, ...own };
  for (const [name, value] of Object.entries(input as object) as [string, unknown][]) {
    if (!Object.hasOwn(kinds, name) || not.includes(name)) {
      const known = Object.keys(kinds).filter((other) => !not.includes(other));
      throw invalid(`${helper}() has no property "${name}"; it takes ${known.join(', ')}`, name);
    }
    if (value === undefined || value === null) continue;
    const { accepts, what } = KINDS[kinds[name]!];
    if (!accepts(value)) throw invalid(`${name} of ${helper}() must be ${what}`, name);
  }
  for (const name of needs) {
    if (isText((input as Record<string, unknown>)[name])) continue;
    throw invalid(`${helper}() needs ${name}, a text that is not empty`, name);
  }
}

export function invalid(what: string, field?: string): AuditError {
  return new AuditError(
    'AUDIT_INVALID_EVENT',
    `The audit event was not recorded: ${what}.`,
    field === undefined ? {} : { field },
  );
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}
