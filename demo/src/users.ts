import { randomUUID, scryptSync } from 'node:crypto';
import type { AuditService } from 'nest-audit-trail';
import type { LoginDto, ResetDto } from './bodies.js';
import { Problem } from './problem.js';

export type Role = 'bookkeeper' | 'approver' | 'auditor';

/** Who a token stands for: by default the audit reads `sub`, `tenantId` and `sid`. */
export interface Session {
  readonly sub: string;
  readonly tenantId: string;
  readonly roles: readonly Role[];
  readonly sid: string;
}

type User = Omit<Session, 'sid'> & { readonly email: string; passwordHash: string };

/** The users of two companies that share the server, and erin, who keeps the books of both. */
export class Users {
  private readonly users = [
    user('alice', 'acme', 'bookkeeper'),
    user('bob', 'acme', 'approver'),
    user('carol', 'acme', 'auditor'),
    user('dave', 'globex', 'bookkeeper', 'auditor'),
    // One person, whichever company she works for today: the audit tells when she is in the other.
    user('erin', 'acme', 'bookkeeper'),
    user('erin', 'globex', 'bookkeeper'),
  ];
  private readonly resetTokens = new Map<string, User>();
  private readonly sessions = new Map<string, Session>();

  constructor(private readonly audit: AuditService) {}

  /** Nobody is signed in here yet, so the audit is told who it was. */
  login({ email, password }: LoginDto): { accessToken: string } {
    const user = this.byEmail(email);
    // Whose account was tried. Who it was is only known once the password is right.
    this.audit.annotate({ tenantId: user?.tenantId, details: { account: user?.sub } });
    if (user?.passwordHash !== hashPassword(password, email)) {
      throw new Problem(401, 'Wrong e-mail or password.');
    }
    const session: Session = { sub: user.sub, tenantId: user.tenantId, roles: user.roles, sid: randomUUID() };
    this.audit.annotate({ userId: session.sub, sessionId: session.sid });
    const accessToken = randomUUID();
    this.sessions.set(accessToken, session);
    return { accessToken };
  }

  /** The session of an `Authorization` header. @throws Problem 401 where there is none, 403 where it has not the role */
  sessionOf(authorization = '', role?: Role): Session {
    const session = this.sessions.get(/^Bearer (\S+)$/i.exec(authorization)?.[1] ?? '');
    if (!session) throw new Problem(401, 'This takes a valid token: log in first.');
    if (role !== undefined) this.check(session, role);
    return session;
  }

  /** @throws Problem 403 */
  check({ roles }: Session, role: Role): void {
    if (!roles.includes(role)) throw new Problem(403, `This takes the role ${role}.`);
  }

  /** What an application would send by e-mail. */
  issueResetToken(email: string): string {
    const token = randomUUID();
    this.resetTokens.set(token, this.byEmail(email)!);
    return token;
  }

  /** @param token good for one time */
  reset(token: string, { password }: ResetDto): void {
    const user = this.resetTokens.get(token);
    if (!user) throw new Problem(410, 'The link was used already, or never existed.');
    this.resetTokens.delete(token);
    user.passwordHash = hashPassword(password, user.email);
    this.audit.annotate({ userId: user.sub, tenantId: user.tenantId, resourceId: user.sub });
  }

  private byEmail(email: string): User | undefined {
    return this.users.find((user) => user.email === email);
  }
}

/** Cheap, since everyone knows these passwords: a real application takes at least the default cost, 16,384. */
const HASH_COST = 1_024;

function hashPassword(password: string, salt: string): string {
  return scryptSync(password, salt, 32, { cost: HASH_COST }).toString('base64');
}

function user(sub: string, tenantId: string, ...roles: Role[]): User {
  const email = `${sub}@${tenantId}.example`;
  return { sub, tenantId, roles, email, passwordHash: hashPassword(`${sub}-password`, email) };
}
