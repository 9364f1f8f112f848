import { Controller, Get, Query, Req } from '@nestjs/common';
import { AuditQueryDto, AuditService, NoAudit } from 'nest-audit-trail';
import type { AuditPage } from 'nest-audit-trail';

/** The trail of the caller's tenant, by the library's own query object. */
@NoAudit()
@Controller('audit-trail')
export class AuditTrailController {
  constructor(private readonly audit: AuditService) {}

  @Get()
  find(@Query() query: AuditQueryDto, @Req() request: { user: { tenantId: string } }): Promise<AuditPage> {
    return this.audit.find({ ...query, tenantId: request.user.tenantId });
  }
}
