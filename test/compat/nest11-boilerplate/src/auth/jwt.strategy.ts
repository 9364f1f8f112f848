import { Injectable } from '@nestjs/common';
import 'nest-audit-trail';
import { AuthGuard, PassportStrategy } from '@nestjs/passport';
import { ExtractJwt, Strategy } from 'passport-jwt';

export const SECRET = 'a secret of the tests';

/** What a token says, and what `request.user` becomes. */
export interface JwtUser {
  readonly id: number;
  readonly role: { readonly name: string };
  readonly sessionId: number;
}

declare module 'nest-audit-trail' {
  interface AuditRequestUser extends JwtUser {}
}

@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  constructor() {
    super({ jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(), secretOrKey: SECRET });
  }

  validate({ id, role, sessionId }: JwtUser): JwtUser {
    return { id, role, sessionId };
  }
}

export class JwtGuard extends AuthGuard('jwt') {}
