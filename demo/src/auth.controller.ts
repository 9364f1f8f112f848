import { randomUUID } from 'node:crypto';
import {
  Body,
  Controller,
  GoneException,
  HttpCode,
  Param,
  Post,
  UnauthorizedException,
} from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { IsEmail, IsString, MinLength } from 'class-validator';
import { Audit, AuditService } from 'nest-audit-trail';
import { Public } from './guards.js';
import { hashPassword, Users } from './users.js';
import type { Session } from './users.js';

class LoginDto {
  @IsEmail() readonly email!: string;
  @IsString() readonly password!: string;
}

class ResetDto {
  @MinLength(12) readonly password!: string;
}

/** Nobody is signed in here yet, so the handlers themselves tell the audit who it was. */
@Controller()
@Public()
@Audit({ resource: 'session', category: 'authentication' })
export class AuthController {
  constructor(
    private readonly users: Users,
    private readonly jwt: JwtService,
    private readonly audit: AuditService,
  ) {}

  @Post('login')
  @HttpCode(200)
  async login(@Body() { email, password }: LoginDto) {
    const user = this.users.byEmail(email);
    // Whose account was tried. Who it was is only known once the password is right.
    this.audit.annotate({ tenantId: user?.tenantId, details: { account: user?.sub } });
    if (user?.passwordHash !== hashPassword(password, email)) {
      throw new UnauthorizedException('Wrong e-mail or password.');
    }
    const session: Session = { sub: user.sub, tenantId: user.tenantId, roles: user.roles, sid: randomUUID() };
    this.audit.annotate({ userId: session.sub, sessionId: session.sid });
    return { accessToken: await this.jwt.signAsync(session) };
  }

  /** The secrets in path and body are redacted by their names, even where, as here, the body is asked for. */
  @Post('reset/:token')
  @HttpCode(204)
  @Audit({ action: 'password.reset', resource: 'password', severity: 'high', body: true })
  reset(@Param('token') token: string, @Body() { password }: ResetDto): void {
    const user = this.users.redeemResetToken(token);
    if (!user) throw new GoneException('The link was used already, or never existed.');
    user.passwordHash = hashPassword(password, user.email);
    this.audit.annotate({ userId: user.sub, tenantId: user.tenantId, resourceId: user.sub });
  }
}
