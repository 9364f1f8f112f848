import { Body, Controller, HttpCode, Param, Post } from '@nestjs/common';
import { Audit } from 'nest-audit-trail';
import { LoginDto, ResetDto } from './bodies.js';
import { Public } from './guards.js';
import { Users } from './users.js';

@Controller()
@Public()
@Audit({ resource: 'session', category: 'authentication' })
export class AuthController {
  constructor(private readonly users: Users) {}

  @Post('login')
  @HttpCode(200)
  login(@Body() body: LoginDto) {
    return this.users.login(body);
  }

  /** The secrets in path and body are redacted by their names, even where, as here, the body is asked for. */
  @Post('reset/:token')
  @HttpCode(204)
  @Audit({ action: 'password.reset', resource: 'password', severity: 'high', body: true })
  reset(@Param('token') token: string, @Body() body: ResetDto): void {
    this.users.reset(token, body);
  }
}
