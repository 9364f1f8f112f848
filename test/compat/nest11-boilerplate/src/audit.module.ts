import type { DynamicModule } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { AuditModule } from 'nest-audit-trail';
import { authentication } from 'nest-audit-trail/authentication';
import { detection } from 'nest-audit-trail/detection';
import { join } from 'node:path';

/** What records every request, in the application's own database. */
export function auditModule(): DynamicModule {
  return AuditModule.forRootAsync({
    inject: [ConfigService],
    features: [authentication, detection],
    useFactory: (config: ConfigService) => ({
      dataSource: 'default',
      service: { name: 'boilerplate' },
      delivery: { directory: join(config.getOrThrow<string>('AUDIT_FOLDER'), 'journal') },
    }),
  });
}
