import type { DataSource } from 'typeorm';
import type { Platform } from '../capture/request-audit.js';
import { consoleLogger } from '../event/audit-logger.js';
import type { AuditLogger } from '../event/audit-logger.js';
import { wrongOption } from '../event/option-schema.js';
import type { AuditService } from '../trail/audit.service.js';
import type { ServiceClass } from './audit-feature.js';
import { checkOptions } from './audit.options.js';
import type { AuditModuleOptions } from './audit.options.js';
import { AuditRuntime } from './audit.runtime.js';

/** Options of the audit in an application without Nest, which alone knows data sources by their names. */
export interface PlainAuditOptions extends Omit<AuditModuleOptions, 'dataSource'> {
  /** Instead of `database`: share a data source of the application, which opens and closes it. */
  readonly dataSource?: DataSource;
}

/** The engine in an application without Nest: starts by itself, and is closed by the application. */
export class PlainAudit {
  readonly runtime: AuditRuntime;
  /** Records what no request tells, and answers every question about what was recorded. */
  readonly service: AuditService;
  /** Why the audit could not start: what can't be recorded is not to happen. */
  failure: unknown;
  private readonly started: Promise<void>;

  /** @throws AuditError `AUDIT_INVALID_OPTIONS`, with what to write instead */
  constructor(options: PlainAuditOptions, platform: Platform, logger: AuditLogger = consoleLogger) {
    const { dataSource } = options as AuditModuleOptions;
    if (typeof dataSource === 'string')
      throw wrongOption('dataSource', `is "${dataSource}": write the DataSource itself`);
    const checked = checkOptions(options);
    const nests = checked.features?.find(({ providers }) => providers);
    if (nests) throw wrongOption('features', `has ${nests.name}(), which needs Nest: leave it out`);
    this.runtime = new AuditRuntime(checked, logger);
    this.runtime.rooms.requests.platform = platform;
    this.service = this.runtime.rooms.service;
    this.started = this.runtime.start(dataSource);
    this.started.catch((error: unknown) => {
      this.failure = error;
      logger.error(String(error));
    });
  }

  /** The service of a feature, by its class. @throws Error where none of the listed features has it */
  get<Service extends object>(service: ServiceClass<Service>): Service {
    return this.runtime.serviceOf(service) as Service;
  }

  /**
   * Resolves once the journal is open, and the database is connected or was waited for two seconds: requests may come before that.
   *
   * @throws AuditError `AUDIT_INVALID_OPTIONS` where the audit can't start; then every request fails
   */
  ready(): Promise<void> {
    return this.started;
  }

  /** Stores what is left, and disconnects. Call it when the server has closed: `server.close(() => audit.close())`. Idempotent. */
  async close(): Promise<void> {
    await this.started.catch(() => undefined);
    await this.runtime.close();
  }
}
