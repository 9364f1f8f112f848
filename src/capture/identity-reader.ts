import { asId } from '../event/as-id.js';
import { canonicalIp } from '../event/ip-address.js';
import { isThenable } from '../event/is-thenable.js';
import { present } from '../event/present.js';
import { NOT_IDENTIFIED, noteFault, outdate } from './request-record.js';
import type { RequestIdentity, RequestRecord } from './request-record.js';
import { DEFAULT_RESOLVERS } from './resolvers.js';
import type { ResolveOptions } from './resolvers.js';
import { rolesOf } from './roles.js';

/** The resolvers that read `request.user` and `request.session` alone, where the application has none of its own. */
const IDENTITY = ['user', 'tenant', 'session', 'actorType', 'impersonator', 'roles'] as const;
/** What the default resolvers read of `request.user`. */
const USER = [
  'id',
  'sub',
  'userId',
  'tenantId',
  'sid',
  'jti',
  'actorType',
  'impersonatorId',
  'roles',
] as const;
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
    const { peerAddress } = record;
    const isOurs = this.resolvers.ip === DEFAULT_RESOLVERS.ip;
    const claimed = this.resolve(record, 'ip') ?? (isOurs ? peerAddress : undefined);
    let address = claimed === undefined ? undefined : canonicalIp(claimed);
    if (claimed !== undefined && address === undefined) noteFault(record, 'resolve.ip');
    // A claim that is no address must not hide where the connection comes from.
    if (record.stageErrors?.has('resolve.ip')) address = peerAddress && canonicalIp(peerAddress);
    record.ipAddress = address;
    outdate(record);
  }

  /** Reads user, tenant and session. What was found stays known: a handler may log the user out before the answer is ready. */
  readIdentity(record: RequestRecord): void {
    this.noteSource(record);
    this.read(record);
  }

  /**
   * Reads them where that was not done, or again where something has changed: the user or the session is another one, the user has other
   * values, or the application's own resolvers found no user.
   */
  readIfChanged(record: RequestRecord): void {
    const { identity } = record;
    const isKnown = identity !== NOT_IDENTIFIED && (this.areDefaults || identity.userId !== undefined);
    if (this.noteSource(record) || !isKnown) this.read(record);
  }

  private read(record: RequestRecord): void {
    const { identity } = record;
    if (this.areDefaults && isAnonymous(record)) {
      // Whoever was known before is not made anonymous by a logout.
      if (identity !== NOT_IDENTIFIED) return;
      record.identity = ANONYMOUS;
    } else record.identity = { ...identity, ...this.ask(record) };
    outdate(record);
  }

  private ask(record: RequestRecord): RequestIdentity {
    const userId = this.resolve(record, 'user');
    const roles = this.resolveRoles(record);
    const actorType = this.resolve(record, 'actorType');
    return {
      ...present('userId', userId),
      ...present('tenantId', this.resolve(record, 'tenant')),
      ...present('sessionId', this.resolve(record, 'session')),
      // Whoever was known before is not made anonymous by a logout.
      ...(!(actorType === 'anonymous' && record.identity.actorType) && present('actorType', actorType)),
      ...present('impersonatorId', this.resolve(record, 'impersonator')),
      // A user who took another's place does not take over the other's roles; a logout leaves them.
      ...(roles && (userId !== undefined || roles.length > 0) && { roles }),
    };
  }

  /**
   * Remembers what an identity is read from.
   *
   * @returns whether it is not what it was
   */
  private noteSource(record: RequestRecord): boolean {
    const { request, seenUser, seenSession, seenValues } = record;
    try {
      const { user, session } = request;
      const values = typeof user === 'object' && user !== null ? this.valuesOf(user) : undefined;
      record.seenUser = user;
      record.seenSession = session;
      record.seenValues = values;
      return user !== seenUser || session !== seenSession || !haveSameItems(values, seenValues);
    } catch {
      // What can't be read may be another one each time.
      return true;
    }
  }

  /** What the defaults read of a user; where the application reads for itself, all that the user holds, without calling a getter. */
  private valuesOf(user: object): readonly unknown[] {
    if (this.areDefaults) return USER.map((name) => (user as Readonly<Record<string, unknown>>)[name]);
    return Object.values(Object.getOwnPropertyDescriptors(user)).map(({ value }) => value as unknown);
  }

  private resolveRoles(record: RequestRecord): readonly string[] | undefined {
    try {
      const value: unknown = this.resolvers.roles(record.request);
      if (value === undefined || value === null) return [];
      if (isThenable(value)) throw new TypeError('answered a promise');
      const roles = rolesOf(value);
      if (!roles) throw new TypeError('answered no roles');
      return roles;
    } catch {
      noteFault(record, 'resolve.roles');
      return undefined;
    }
  }

  private resolve(record: RequestRecord, name: Exclude<keyof ResolveOptions, 'roles'>): string | undefined {
    try {
      const value: unknown = this.resolvers[name](record.request);
      if (value === undefined || value === null) return undefined;
      if (isThenable(value)) throw new TypeError('answered a promise');
      const id = asId(value);
      if (id === undefined && value !== '') throw new TypeError('answered no id');
      return id;
    } catch {
      noteFault(record, `resolve.${name}`);
      return undefined;
    }
  }
}

function haveSameItems(a: readonly unknown[] | undefined, b: readonly unknown[] | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((item, index) => Object.is(item, b[index]));
}

/** Whether the request has neither user nor session. Where that can't be read, the resolvers find out what it costs. */
function isAnonymous({ request }: RequestRecord): boolean {
  try {
    return !request['user'] && !request['session'];
  } catch {
    return false;
  }
}
