// The accounting API: to be audited, it imports AuditModule.
import { Controller, Get, Logger, Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD } from '@nestjs/core';
import { AuditModule, AuditService, NoAudit } from 'nest-audit-trail';
import { AuditController } from './audit.controller.js';
import { AuthController } from './auth.controller.js';
import { auditOptions } from './audit-options.js';
import { Books } from './books.js';
import { Public, RolesGuard, SessionGuard } from './guards.js';
import { InvoicesController } from './invoices.controller.js';
import { JournalEntriesController, ReportsController } from './ledger.controllers.js';
import { ProblemFilter } from './problem.filter.js';
import { Users } from './users.js';

/** Asked every few seconds by a load balancer: nothing that an auditor wants to read. */
@Controller('health')
@Public()
@NoAudit()
class HealthController {
  @Get()
  health() {
    return { status: 'ok' };
  }
}

@Module({
  imports: [AuditModule.forRoot(auditOptions(new Logger('Compliance')))],
  controllers: [
    AuthController,
    InvoicesController,
    JournalEntriesController,
    ReportsController,
    AuditController,
    HealthController,
  ],
  providers: [
    { provide: Books, inject: [AuditService], useFactory: (audit: AuditService) => new Books(audit) },
    { provide: Users, inject: [AuditService], useFactory: (audit: AuditService) => new Users(audit) },
    { provide: APP_FILTER, useClass: ProblemFilter },
    { provide: APP_GUARD, useClass: SessionGuard },
    { provide: APP_GUARD, useClass: RolesGuard },
  ],
})
export class AppModule {}
