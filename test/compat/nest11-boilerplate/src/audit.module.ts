import { Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { AuditModule } from 'nest-audit-trail';
import { authentication } from 'nest-audit-trail/authentication';
import { detection } from 'nest-audit-trail/detection';
import { risk } from 'nest-audit-trail/risk';
import { join } from 'node:path';
import { AuditTrailController } from './audit.controller';

/** What records every request, in the application's own database, and shows it to administrators. */
@Module({
  imports: [
    AuditModule.forRootAsync({
      inject: [ConfigService],
      features: [authentication, detection, risk],
      useFactory: (config: ConfigService) => ({
        dataSource: 'default',
        service: { name: 'boilerplate' },
        delivery: { directory: join(config.getOrThrow<string>('AUDIT_FOLDER'), 'journal') },
      }),
    }),
  ],
  controllers: [AuditTrailController],
})
export class AppAuditModule {}
