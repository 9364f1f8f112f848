import { ConfigurableModuleBuilder, Inject, Logger, Module } from '@nestjs/common';
import type {
  DynamicModule,
  NestModule,
  OnApplicationBootstrap,
  OnApplicationShutdown,
  OnModuleInit,
  Provider,
} from '@nestjs/common';
import {
  ApplicationConfig,
  DiscoveryModule,
  DiscoveryService,
  HttpAdapterHost,
  ModuleRef,
} from '@nestjs/core';
import { DataSource } from 'typeorm';
import { learnRoutes } from '../capture/express-router.js';
import { NEEDS_FEATURE, withFeatures } from '../engine/audit-feature.js';
import type {
  AuditFeature,
  FeatureFactory,
  FeatureOptions,
  FeatureParts,
  ServiceClass,
} from '../engine/audit-feature.js';
import { checkOptions } from '../engine/audit.options.js';
import type { AuditModuleOptions } from '../engine/audit.options.js';
import { AuditRuntime } from '../engine/audit.runtime.js';
import { StandIn } from '../engine/stand-in.js';
import { AuditError } from '../event/audit-error.js';
import { wrongOption } from '../event/option-schema.js';
import { AuditEventRepository } from '../store/audit-event.repository.js';
import { AuditService } from '../trail/audit.service.js';
import { faultsOfNest } from './internals.js';
import { listenToServer, mountMiddleware, mountOnRoutes, mountContext } from './mount.js';
import { RouteAuditReader } from './route-audit.reader.js';

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, ASYNC_OPTIONS_TYPE } = new ConfigurableModuleBuilder<
  AuditModuleOptions & FeatureOptions
>({ moduleName: 'Audit' })
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createAuditOptions')
  .build();

/** What `AuditModule.forRootAsync()` takes: `imports`, `inject`, and one of `useFactory`, `useClass`, `useExisting`. */
export type AuditModuleAsyncOptions = typeof ASYNC_OPTIONS_TYPE & {
  /** Features whose options the factory answers, each under its name: `[detection]`. */
  readonly features?: readonly FeatureFactory[];
};

/** Features that are listed beside an async factory. */
const LISTED_FEATURES = Symbol('nest-audit-trail features');

/** For `useClass` and `useExisting`: a provider that makes the options. */
export interface AuditOptionsFactory {
  createAuditOptions(): (AuditModuleOptions & FeatureOptions) | Promise<AuditModuleOptions & FeatureOptions>;
}

/**
 * Audits the application: import it once, in the root module. It is global, so {@link AuditService} can be injected
 * anywhere.
 *
 * @example
 * ```ts
 * @Module({
 *   imports: [AuditModule.forRoot({ database: { type: 'mysql', url: process.env.AUDIT_DATABASE_URL } })],
 * })
 * export class AppModule {}
 * ```
 */
@Module({
  imports: [DiscoveryModule],
  providers: [
    {
      provide: AuditRuntime,
      // Optional, so that an import without forRoot() is told what to write.
      inject: [
        { token: MODULE_OPTIONS_TOKEN, optional: true },
        { token: LISTED_FEATURES, optional: true },
        { token: StandIn, optional: true },
      ],
      useFactory: (given: unknown, listed?: readonly FeatureFactory[], standIn?: StandIn) => {
        const options = checkOptions(withFeatures(given, listed ?? []));
        if (listed) refuseLate(options.features, listed);
        return new AuditRuntime(standIn?.without(options) ?? options, new Logger('AuditTrail'), standIn);
      },
    },
    ofRuntime(AuditService, ({ rooms }) => rooms.service),
    ofRuntime(AuditEventRepository, ({ rooms }) => rooms.events),
  ],
  exports: [AuditService, AuditEventRepository],
})
export class AuditModule
  extends ConfigurableModuleClass
  implements NestModule, OnModuleInit, OnApplicationBootstrap, OnApplicationShutdown
{
  /** @throws AuditError `AUDIT_INVALID_OPTIONS` when the application starts, with what to write instead */
  static override forRoot(options: AuditModuleOptions = {}): DynamicModule {
    const { features } = options;
    // What else it may be, the check of the options says.
    return withServices(super.forRoot(options), Array.isArray(features) ? features : []);
  }

  static override forRootAsync({ features = [], ...options }: AuditModuleAsyncOptions): DynamicModule {
    const listed = { provide: LISTED_FEATURES, useValue: features };
    return withServices(super.forRootAsync(options), features, [listed]);
  }

  private readonly fastifyPatterns = new Set<string>();

  constructor(
    @Inject(AuditRuntime) private readonly runtime: AuditRuntime,
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    @Inject(ApplicationConfig) private readonly config: ApplicationConfig,
    @Inject(DiscoveryService) private readonly discovery: DiscoveryService,
    @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
  ) {
    super();
    // Now, while providers are made, so that it stands before body parser, prefix and router. In a testing module the
    // adapter comes later.
    if (this.host.httpAdapter) this.mountMiddleware();
    else this.host.init$.subscribe(() => this.mountMiddleware());
  }

  /** Nest calls this before it builds the routes. */
  configure(): void {
    const { options, promised, rooms } = this.runtime;
    const { requests } = rooms;
    const { choice, judges } = requests;
    // What may refuse may begin to at run time, so every handler has the guard that asks.
    const mayRefuse = judges.length > 0;
    const routes = new RouteAuditReader(options.capture ?? {}, promised, choice.policy, mayRefuse);
    const logins = mountOnRoutes(this.config, this.discovery, routes, requests);
    for (const hint of logins.hints(options.features)) new Logger('AuditTrail').log(hint);
    for (const fault of faultsOfNest(this.config))
      new Logger('AuditTrail').error(`${fault} Tell the authors of nest-audit-trail your versions.`);
    if (this.host.httpAdapter) mountContext(this.host.httpAdapter, requests);
  }

  async onModuleInit(): Promise<void> {
    this.checkNeeds();
    if (this.host.httpAdapter) listenToServer(this.host.httpAdapter, this.runtime.rooms.requests);
    await this.runtime.start(this.sharedDataSource());
  }

  onApplicationBootstrap(): void {
    const { httpAdapter } = this.host;
    const { paths } = this.runtime.rooms;
    if (httpAdapter?.getType?.() === 'express')
      learnRoutes(httpAdapter.getInstance(), paths, new Logger('AuditTrail'));
    paths.learn([...this.fastifyPatterns]);
  }

  /** After the server has closed and the last requests are answered. */
  async onApplicationShutdown(): Promise<void> {
    await this.runtime.close();
  }

  private mountMiddleware(): void {
    // An application context, of a script or a worker, has no adapter.
    if (!this.host.httpAdapter) return;
    mountMiddleware(this.host.httpAdapter, this.runtime.rooms.requests, this.fastifyPatterns);
  }

  /** Refuses a class with a decorator of a feature that is not listed: it would wait for events that never come. */
  private checkNeeds(): void {
    const listed = this.runtime.options.features?.map(({ name }) => name) ?? [];
    for (const { instance } of [...this.discovery.getProviders(), ...this.discovery.getControllers()]) {
      if (typeof instance !== 'object' || instance === null) continue;
      const needed = Reflect.getMetadata(NEEDS_FEATURE, instance) as string | undefined;
      if (needed === undefined || listed.includes(needed)) continue;
      throw new AuditError(
        'AUDIT_INVALID_OPTIONS',
        `${instance.constructor.name} has a decorator of nest-audit-trail/${needed}, and the audit option features has not ${needed}(): write features: [${needed}()], with import { ${needed} } from 'nest-audit-trail/${needed}'.`,
        { field: 'features' },
      );
    }
  }

  private sharedDataSource(): DataSource | undefined {
    const { dataSource } = this.runtime.options;
    if (typeof dataSource !== 'string') return dataSource;
    // The tokens of @nestjs/typeorm: the class for the default data source, a name for the others.
    const token = dataSource === 'default' ? DataSource : `${dataSource}DataSource`;
    try {
      return this.moduleRef.get<DataSource>(token, { strict: false });
    } catch (cause) {
      throw new AuditError(
        'AUDIT_INVALID_OPTIONS',
        `The audit option dataSource is "${dataSource}", but the application has no such data source: import TypeOrmModule.forRoot({ ${dataSource === 'default' ? '' : `name: '${dataSource}', `}… }), pass the DataSource itself, or write database for a connection of the audit's own.`,
        { field: 'dataSource', cause },
      );
    }
  }
}

/** A provider of what the engine has. */
function ofRuntime(provide: ServiceClass, useFactory: (runtime: AuditRuntime) => object): Provider {
  return { provide, inject: [AuditRuntime], useFactory };
}

/** The module, with the services of its features to be injected, and with their own providers. */
function withServices(
  module: DynamicModule,
  features: readonly FeatureParts[],
  others: readonly Provider[] = [],
): DynamicModule {
  const services = features.map((feature) => feature?.service).filter((service) => service !== undefined);
  const providers = services.map((service) => ofRuntime(service, (runtime) => runtime.serviceOf(service)));
  const own = features.flatMap((feature) => feature?.providers ?? []) as Provider[];
  return {
    ...module,
    global: true,
    providers: [...(module.providers ?? []), ...others, ...providers, ...own],
    exports: services,
  };
}

/** @throws AuditError where the factory answers a feature whose own providers Nest has to have before */
function refuseLate(features: readonly AuditFeature[] = [], listed: readonly FeatureFactory[]): void {
  const isListed = (name: string) => listed.some(({ featureName }) => featureName === name);
  const late = features.find(({ name, providers }) => providers && !isListed(name));
  if (!late) return;
  const { name } = late;
  throw wrongOption(
    'features',
    `has ${name}() from the factory, too late for what Nest has to provide: write forRootAsync({ features: [${name}], useFactory: … })`,
  );
}
