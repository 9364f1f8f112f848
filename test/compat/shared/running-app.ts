import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DynamicModule, INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AuditModule, AuditService } from 'nest-audit-trail';
import { AuditEventEntity, databaseOptionsOf } from 'nest-audit-trail/typeorm';
import type { AuditModuleOptions } from 'nest-audit-trail';
import { DataSource } from 'typeorm';
import { AppModule } from './app.module.js';
import { freshDatabases, isOnServer } from './fresh-databases.js';
import { watchThreads } from './watch-threads.js';

/** Where the events are kept: in a database of the audit's own, or in the application's. */
export type Keeping = 'own database' | 'shared data source';

export const KEEPINGS: readonly Keeping[] = ['own database', 'shared data source'];

/** What a request says beyond its method and path. */
export interface RequestSays {
  /** `alice@acme` */
  readonly user?: string;
  /** Sent as it is when it is a text, as JSON when it is an object. */
  readonly body?: string | object;
}

/** What a scenario may want different. */
export interface RunOptions {
  readonly keeping?: Keeping;
  readonly delivery?: AuditModuleOptions['delivery'];
  readonly ledger?: AuditModuleOptions['ledger'];
  readonly features?: AuditModuleOptions['features'];
  readonly auditFirst?: boolean;
  /** Takes the place of `AuditModule.forRoot()`. */
  readonly audit?: () => DynamicModule;
  /** Makes the application some other way than `NestFactory.create()`. */
  readonly create?: (module: DynamicModule) => Promise<INestApplication>;
}

/** The application, listening on a port of its own, with a temporary folder and databases of its own. */
export class RunningApp {
  private constructor(
    readonly app: INestApplication,
    private readonly address: string,
    private readonly events: string,
  ) {}

  /** Starts the application, hands it to the scenario, and removes it. */
  static async use(options: RunOptions, scenario: (app: RunningApp) => Promise<void>): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'nest-audit-trail-app-'));
    const { keeping = 'own database', delivery = {}, ledger = {}, auditFirst = false } = options;
    const own = keeping === 'own database';
    const threads = watchThreads();
    try {
      const databases = await freshDatabases(folder);
      const audit =
        options.audit?.() ??
        AuditModule.forRoot({
          ...(own ? { database: databaseOptionsOf(databases.audit) } : { dataSource: 'default' }),
          delivery: { directory: join(folder, 'audit-journal'), ...delivery },
          ledger,
          ...(options.features && { features: options.features }),
        });
      const module = AppModule.with({ databaseUrl: databases.application, audit, auditFirst });
      const app = await (options.create ?? create)(module);
      try {
        await app.listen(0, '127.0.0.1');
        await scenario(
          new RunningApp(app, await app.getUrl(), own ? databases.audit : databases.application),
        );
      } finally {
        await app.close();
      }
      // Only a server's own connections are a thread's, and no feature's keys.
      const isKept = options.features?.some(({ needsMainThread }) => needsMainThread) ?? false;
      threads.assertStarted(own && isOnServer && !isKept ? 1 : 0);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  get audit(): AuditService {
    return this.app.get(AuditService);
  }

  /** A real request over a real connection. */
  async request(method: string, path: string, { user, body }: RequestSays = {}): Promise<Response> {
    return fetch(this.address + path, {
      method,
      headers: {
        // A connection kept alive would keep app.close() waiting.
        connection: 'close',
        ...(user !== undefined && { authorization: `Bearer ${user}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  }

  /** What is in the table, read with a connection that is neither the application's nor the audit's. */
  async stored(): Promise<AuditEventEntity[]> {
    const reader = new DataSource({
      ...databaseOptionsOf(this.events),
      entities: [AuditEventEntity],
    });
    await reader.initialize();
    try {
      return await reader.getRepository(AuditEventEntity).find({ order: { id: 'ASC' } });
    } finally {
      await reader.destroy();
    }
  }
}

function create(module: DynamicModule): Promise<INestApplication> {
  return NestFactory.create(module, { logger: ['error', 'warn'], abortOnError: false });
}
