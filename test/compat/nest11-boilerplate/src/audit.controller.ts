import { Controller, Injectable, UseGuards } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { ApiBearerAuth } from '@nestjs/swagger';
import { AuditService } from 'nest-audit-trail';
import { AuditLogController } from 'nest-audit-trail/endpoints';
import { JwtGuard } from './auth/jwt.strategy';
import type { JwtUser } from './auth/jwt.strategy';

@Injectable()
class AdminGuard implements CanActivate {
  constructor(private readonly audit: AuditService) {}

  canActivate(context: ExecutionContext): boolean {
    const { user } = context.switchToHttp().getRequest<{ user: JwtUser }>();
    if (user.role.name === 'admin') return true;
    this.audit.deny('not an administrator');
    return false;
  }
}

/** The audit for administrators. */
@Controller({ path: 'audit', version: '1' })
@ApiBearerAuth()
@UseGuards(JwtGuard, AdminGuard)
export class AuditTrailController extends AuditLogController {
  scopeOf() {
    return { tenantId: 'default' };
  }
}
