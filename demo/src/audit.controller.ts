import { BadRequestException, Catch, Controller, Get, Query, UseFilters } from '@nestjs/common';
import type { ArgumentsHost } from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import { AuditError, AuditQueryDto, AuditService } from 'nest-audit-trail';
import { Caller, Roles } from './guards.js';
import type { Session } from './users.js';

/** What only the audit itself can check of a query, its cursor for one, is the caller's mistake all the same. */
@Catch(AuditError)
class InvalidQueryFilter extends BaseExceptionFilter {
  override catch(error: AuditError, host: ArgumentsHost): void {
    const invalid = error.code === 'AUDIT_INVALID_QUERY';
    super.catch(invalid ? new BadRequestException(error.message, { cause: error }) : error, host);
  }
}

/** The audit of the caller's own company, for its auditors: the tenant is the session's, never the query string's. */
@Controller('audit')
@Roles('auditor')
@UseFilters(InvalidQueryFilter)
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
