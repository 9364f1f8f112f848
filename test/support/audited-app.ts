// Starts the audited application on a free port, and tells its events by the id of the request that each is of.
import 'reflect-metadata';
import { Module, ValidationPipe, VersioningType } from '@nestjs/common';
import type { DynamicModule, INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { AuditModule, AuditService } from 'nest-audit-trail';
import type { AuditLogEvent, AuditModuleOptions } from 'nest-audit-trail';
import { AccountingModule, AuthModule } from './accounting.module.js';

@Module({})
class RootModule {
  static with(options: AuditModuleOptions): DynamicModule {
    // The application's guard comes first on purpose: the audit must not depend on the order of imports.
    // What many requests of a test look like, together, is another test's.
    return {
      module: RootModule,
      imports: [AuthModule, AccountingModule, AuditModule.forRoot({ ...options })],
    };
  }
}

export interface AuditedApp {
  readonly app: INestApplication;
  readonly audit: AuditService;
  readonly port: number;
  /** Makes an id for one request, whose events {@link eventOf} then finds. */
  requestId(): string;
  /** The one event of the request, from the database. Fails where there is none within some seconds, or more than one. */
  eventOf(requestId: string): Promise<AuditLogEvent>;
  close(): Promise<void>;
}

/** @param configure what the application's `main.ts` would do before it listens */
export async function startAuditedApp(
  options: AuditModuleOptions,
  configure: (app: NestExpressApplication) => void = () => undefined,
): Promise<AuditedApp> {
  const app = await NestFactory.create<NestExpressApplication>(RootModule.with(options), { logger: false });
  app.setGlobalPrefix('api', { exclude: ['health', 'health/silent'] });
  app.enableVersioning({ type: VersioningType.URI });
  app.useGlobalPipes(new ValidationPipe());
  configure(app);
  await app.listen(0, '127.0.0.1');
  const audit = app.get(AuditService);
  const waiting = new Map<string, () => void>();
  const seen = new Set<string>();
  const live = audit.observe().subscribe((event) => {
    const id = String(event.metadata['requestId']);
    seen.add(id);
    waiting.get(id)?.();
  });
  return {
    app,
    audit,
    port: (app.getHttpServer().address() as AddressInfo).port,
    requestId: () => `test-${randomUUID()}`,
    async eventOf(requestId) {
      if (!seen.has(requestId)) await new Promise<void>((resolve) => waiting.set(requestId, resolve));
      await audit.flush();
      const { events } = await audit.find({ allTenants: true, metadata: { requestId } });
      if (events.length === 1) return events[0]!;
      throw new Error(
        `Expected one event of ${requestId}, found ${events.length}: ${JSON.stringify(events)}`,
      );
    },
    async close() {
      live.unsubscribe();
      await app.close();
    },
  };
}
