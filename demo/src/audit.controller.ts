import { Controller, Get, Query } from '@nestjs/common';
import { AuditQueryDto, AuditService } from 'nest-audit-trail';
import { Caller, Roles } from './guards.js';
import type { Session } from './users.js';

/** The audit of the caller's own company, for its auditors: the tenant is the session's, never the query string's. */
@Controller('audit')
@Roles('auditor')
export class AuditController {
  constructor(private readonly audit: AuditService) {}

  @Get()
  find(@Caller() { tenantId }: Session, @Query() query: AuditQueryDto) {
    return this.audit.find({ ...query, tenantId });
  }

  @Get('statistics')
  statistics(@Caller() { tenantId }: Session, @Query() query: AuditQueryDto) {
    return this.audit.statistics({ ...query, tenantId });
  }
}
