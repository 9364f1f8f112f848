import { randomUUID, scryptSync } from 'node:crypto';
import { Injectable } from '@nestjs/common';

export type Role = 'bookkeeper' | 'approver' | 'auditor';

/** What a token says of its bearer, once it is verified: by default the audit reads `sub`, `tenantId` and `sid`. */
export interface Session {
  readonly sub: string;
  readonly tenantId: string;
  readonly roles: readonly Role[];
  readonly sid: string;
}

export type User = Omit<Session, 'sid'> & { readonly email: string; passwordHash: string };

/** The users of two companies that share the server, and erin, who keeps the books of both. */
@Injectable()
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

  byEmail(email: string): User | undefined {
    return this.users.find((user) => user.email === email);
  }

  /** What an application would send by e-mail. */
  issueResetToken(email: string): string {
    const token = randomUUID();
    this.resetTokens.set(token, this.byEmail(email)!);
    return token;
  }

  /** Whose token it is; good for one time. */
  redeemResetToken(token: string): User | undefined {
    const user = this.resetTokens.get(token);
    this.resetTokens.delete(token);
    return user;
  }
}

export function hashPassword(password: string, salt: string): string {
  return scryptSync(password, salt, 32).toString('base64');
}

function user(sub: string, tenantId: string, ...roles: Role[]): User {
  const email = `${sub}@${tenantId}.example`;
  return { sub, tenantId, roles, email, passwordHash: hashPassword(`${sub}-password`, email) };
}
