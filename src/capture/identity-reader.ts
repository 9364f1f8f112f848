import { asId } from '../event/as-id.js';
import { canonicalIp } from '../event/ip-address.js';
import { isThenable } from '../event/is-thenable.js';
import { present } from '../event/present.js';
import { NOT_IDENTIFIED, noteFault, outdate } from './request-record.js';
import type { RequestIdentity, RequestRecord } from './request-record.js';
import { DEFAULT_RESOLVERS, rolesOf } from './resolvers.js';
import type { ResolveOptions } from './resolvers.js';

/** The resolvers that read `request.user` and `request.session` alone, where the application has none of its own. */
const IDENTITY = ['user', 'tenant', 'session', 'actorType', 'impersonator', 'roles'] as const;
/** What the default resolvers read of `request.user`. */
const USER = [
  'id',
  'sub',
  'userId',
  'tenantId',
  'tenant',
  'organizationId',
  'sid',
  'sessionId',
  'session',
  'jti',
  'actorType',
  'impersonatorId',
  'roles',
  'role',
] as const;
const UNREADABLE = Symbol('unreadable');
const ANONYMOUS: RequestIdentity = Object.freeze({ actorType: 'anonymous' });

/** Reads who acts, and from where. A resolver that fails costs its own fact only, and is named in `metadata.stageErrors`. */
export class IdentityReader {
  private readonly resolvers: Required<ResolveOptions>;
  /** No resolver is the application's: without a user and a session the request is anonymous, and nothing need be asked. */
  private readonly areDefaults: boolean;

  constructor(resolvers: ResolveOptions | undefined) {
    this.resolvers = { ...DEFAULT_RESOLVERS, ...resolvers };
    this.areDefaults = IDENTITY.every((name) => this.resolvers[name] === DEFAULT_RESOLVERS[name]);
  }

  /** Reads the client's address, once, as soon as the platform can say it: a closed connection has none. */
  readAddress(record: RequestRecord): void {
    if (record.knowsAddress) return;
    record.knowsAddress = true;
    const isOurs = this.resolvers.ip === DEFAULT_RESOLVERS.ip;
    record.ipAddress = this.resolve(record, 'ip', addressIn);
    // A claim that is no address must not hide where the connection comes from.
    if (record.ipAddress === undefined && (isOurs || record.stageErrors?.has('resolve.ip')))
      record.ipAddress = addressIn(record.peerAddress);
    outdate(record);
  }

  /**
   * Reads user, tenant and session. What was found stays known: a handler may log the user out before the answer is ready.
   *
   * @param anyway `false` to read them again only where something has changed: the user or the session is another one, the user has
   *   other values, or the application's own resolvers found no user
   */
  readIdentity(record: RequestRecord, anyway: boolean): void {
    const { identity } = record;
    const isKnown = identity !== NOT_IDENTIFIED && (this.areDefaults || identity.userId !== undefined);
    if (!this.noteSource(record) && isKnown && !anyway) return;
    if (this.areDefaults && !record.seenUser && !record.seenSession) {
      // Whoever was known before is not made anonymous by a logout.
      if (identity !== NOT_IDENTIFIED) return;
      record.identity = ANONYMOUS;
    } else record.identity = this.ask(record);
    outdate(record);
  }

  /** Name by name: every request of a user passes here. */
  private ask(record: RequestRecord): RequestIdentity {
    const userId = this.resolve(record, 'user', asId);
    const { identity } = record;
    const isOther = userId !== undefined && identity.userId !== undefined && userId !== identity.userId;
    // Another user, who has taken the place of the one before, takes over nothing but the tenant in which the request acts.
    const known: { -readonly [Name in keyof RequestIdentity]: RequestIdentity[Name] } = isOther
      ? present('tenantId', identity.tenantId)
      : { ...identity };
    if (userId !== undefined) known.userId = userId;
    // A logout leaves them.
    const roles = this.resolve(record, 'roles', rolesOf, []);
    if (roles && (userId !== undefined || roles.length > 0)) known.roles = roles;
    // Whoever was known before is not made anonymous by a logout.
    const actorType = this.resolve(record, 'actorType', asId);
    if (actorType !== undefined && !(actorType === 'anonymous' && known.actorType))
      known.actorType = actorType;
    const tenantId = this.resolve(record, 'tenant', asId);
    if (tenantId !== undefined) known.tenantId = tenantId;
    const sessionId = this.resolve(record, 'session', asId);
    if (sessionId !== undefined) known.sessionId = sessionId;
    const impersonatorId = this.resolve(record, 'impersonator', asId);
    if (impersonatorId !== undefined) known.impersonatorId = impersonatorId;
    return known;
  }

  /**
   * Remembers what an identity is read from.
   *
   * @returns whether it is not what it was
   */
  private noteSource(record: RequestRecord): boolean {
    const { request, seenUser, seenSession, seenValues } = record;
    try {
      const { user, session } = request as Readonly<Record<string, unknown>>;
      const values = typeof user === 'object' && user !== null ? this.valuesOf(user) : undefined;
      record.seenUser = user;
      if (user) record.user = user as object;
      record.seenSession = session;
      record.seenValues = values;
      return user !== seenUser || session !== seenSession || !haveSameItems(values, seenValues);
    } catch {
      // What can't be read may be another one each time; the resolvers find out what it costs.
      record.seenUser = UNREADABLE;
      return true;
    }
  }

  /** What the defaults read of a user; where the application has a resolver, all that the user holds, without calling a getter. */
  private valuesOf(user: object): readonly unknown[] {
    if (this.areDefaults) return USER.map((name) => (user as Readonly<Record<string, unknown>>)[name]);
    return Object.values(Object.getOwnPropertyDescriptors(user)).map(({ value }) => value as unknown);
  }

  /**
   * @param read what the value is, `undefined` where it is none of that
   * @param absent where the resolver answers nothing
   */
  private resolve<T>(
    record: RequestRecord,
    name: keyof ResolveOptions,
    read: (value: unknown) => T | undefined,
    absent?: T,
  ): T | undefined {
    try {
      const value: unknown = this.resolvers[name](record.request);
      if (value === undefined || value === null) return absent;
      const found = isThenable(value) ? undefined : read(value);
      if (found !== undefined || value === '') return found;
    } catch {
      // Its fault is the same as that of a value that is of no use.
    }
    noteFault(record, `resolve.${name}`);
    return undefined;
  }
}

function addressIn(value: unknown): string | undefined {
  const text = asId(value);
  return text === undefined ? undefined : canonicalIp(text);
}

function haveSameItems(a: readonly unknown[] | undefined, b: readonly unknown[] | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((item, index) => Object.is(item, b[index]));
}
