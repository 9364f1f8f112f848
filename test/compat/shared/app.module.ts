import { Module, ValidationPipe } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { APP_GUARD, APP_PIPE } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { databaseOptionsOf } from 'nest-audit-trail/typeorm';
import { AuditTrailController } from './audit-trail.controller.js';
import { BearerGuard } from './bearer.guard.js';
import { Invoice } from './invoice.entity.js';
import { InvoicesController } from './invoices.controller.js';
import { SlowReportController } from './slow-report.controller.js';

/** How a test wants the application. */
export interface AppOptions {
  /** The application's own database. */
  readonly databaseUrl: string;
  readonly audit: DynamicModule;
  /** Which of the two modules the application names first: Nest starts and stops them in that order. */
  readonly auditFirst?: boolean;
}

/** The application: TypeORM, a global guard, a global pipe, three controllers and the audit. */
@Module({})
export class AppModule {
  static with({ databaseUrl, audit, auditFirst = false }: AppOptions): DynamicModule {
    const typeOrm = TypeOrmModule.forRoot({
      ...databaseOptionsOf(databaseUrl),
      entities: [Invoice],
      synchronize: true,
    });
    return {
      module: AppModule,
      imports: [...(auditFirst ? [audit, typeOrm] : [typeOrm, audit]), TypeOrmModule.forFeature([Invoice])],
      controllers: [InvoicesController, SlowReportController, AuditTrailController],
      providers: [
        { provide: APP_GUARD, useClass: BearerGuard },
        { provide: APP_PIPE, useValue: new ValidationPipe({ transform: true, whitelist: true }) },
      ],
    };
  }
}
