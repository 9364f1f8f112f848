// The accounting API: to be audited, it imports AuditModule.
import { randomBytes } from 'node:crypto';
import { Controller, Get, Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { JwtModule } from '@nestjs/jwt';
import { AuditModule, NoAudit } from 'nest-audit-trail';
import { detection } from 'nest-audit-trail/detection';
import { AuditController } from './audit.controller.js';
import { AuthController } from './auth.controller.js';
import { JwtGuard, Public, RolesGuard } from './guards.js';
import { compliance } from './compliance.js';
import { InvoicesController } from './invoices.controller.js';
import { JournalEntriesController, ReportsController } from './ledger.controllers.js';
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
  imports: [
    AuditModule.forRoot({
      database: { type: 'better-sqlite3', database: process.env['AUDIT_FILE'] ?? 'audit.sqlite' },
      delivery: { directory: process.env['AUDIT_JOURNAL'] ?? 'audit-journal' },
      features: [compliance, detection()],
      service: { name: 'accounting-api', version: '1.0.0' },
    }),
    JwtModule.register({ secret: randomBytes(32), signOptions: { expiresIn: '8h' } }),
  ],
  controllers: [
    AuthController,
    InvoicesController,
    JournalEntriesController,
    ReportsController,
    AuditController,
    HealthController,
  ],
  providers: [
    Users,
    { provide: APP_GUARD, useClass: JwtGuard },
    { provide: APP_GUARD, useClass: RolesGuard },
  ],
})
export class AppModule {}
