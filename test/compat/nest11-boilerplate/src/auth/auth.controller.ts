import { Body, Controller, Delete, Get, HttpCode, Patch, Post, Req, UseGuards } from '@nestjs/common';
import { ApiBearerAuth } from '@nestjs/swagger';
import { Audit } from 'nest-audit-trail';
import { AuditLogin, AuditLogout } from 'nest-audit-trail/authentication';
import { actions } from '../audit-actions';
import { LoginDto, RegisterDto, UpdateDto } from './auth.dto';
import { AuthService } from './auth.service';
import { JwtGuard } from './jwt.strategy';
import type { JwtUser } from './jwt.strategy';

interface AsUser {
  readonly user: JwtUser;
}

/** Registration, login, and what users do with their own account. */
@Controller({ path: 'auth', version: '1' })
export class AuthController {
  constructor(private readonly auth: AuthService) {}

  @Post('email/register')
  @Audit(actions.userRegister)
  register(@Body() body: RegisterDto) {
    return this.auth.register(body);
  }

  @Post('email/login')
  @AuditLogin({ account: 'email' })
  @HttpCode(200)
  login(@Body() body: LoginDto) {
    return this.auth.login(body);
  }

  @Get('me')
  @ApiBearerAuth()
  @UseGuards(JwtGuard)
  me(@Req() { user }: AsUser) {
    return this.auth.me(user);
  }

  @Patch('me')
  @Audit(actions.userUpdate.route({ resourceId: ({ user }) => user.id }))
  @UseGuards(JwtGuard)
  update(@Req() { user }: AsUser, @Body() body: UpdateDto) {
    return this.auth.update(user, body);
  }

  @Delete('me')
  @Audit(actions.userDelete.route({ resourceId: ({ user }) => user.id }))
  @HttpCode(204)
  @UseGuards(JwtGuard)
  remove(@Req() { user }: AsUser) {
    return this.auth.remove(user);
  }

  @Post('logout')
  @AuditLogout()
  @HttpCode(204)
  @UseGuards(JwtGuard)
  logout(@Req() { user }: AsUser) {
    return this.auth.logout(user);
  }
}
