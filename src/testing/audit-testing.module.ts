import { Global, Inject, Module, Optional } from '@nestjs/common';
import { AuditError } from '../event/audit-error.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import type { AuditModuleOptions } from '../engine/audit.options.js';
import { StandIn } from '../engine/stand-in.js';
import { AuditService } from '../trail/audit.service.js';
import { ForgottenEvents, ForgottenSources, NoDatabase } from './no-database.js';

/** Stands in for database, journal, thread and keys. */
class InMemory extends StandIn {
  readonly database = new NoDatabase();
  readonly tables = {
    events: new ForgottenEvents(this.database),
    sources: new ForgottenSources(this.database),
  };

  without(options: AuditModuleOptions): AuditModuleOptions {
    const delivery = { ...options.delivery, mode: 'buffered', drainOnSignals: false } as const;
    return { ...options, database: undefined, dataSource: undefined, delivery, ledger: { seal: false } };
  }
}

/**
 * Keeps what the application records in a list, in place of database and journal. Import it in a test, beside the module that imports
 * `AuditModule`. Guard, hook, interceptor and features are the application's own, so the events are those that it would store.
 *
 * @example
 * ```ts
 * const module = await Test.createTestingModule({ imports: [AppModule, AuditTestingModule] }).compile();
 * const audit = module.get(AuditTestingModule);
 * expect(audit).toHaveRecorded({ action: 'invoice.approve', outcome: 'success' });
 * ```
 */
@Global()
@Module({ providers: [{ provide: StandIn, useClass: InMemory }], exports: [StandIn] })
export class AuditTestingModule {
  private recorded: AuditLogEvent[] = [];

  constructor(@Optional() @Inject(AuditService) private readonly audit: AuditService | undefined) {
    audit?.observe().subscribe((event) => this.recorded.push(event));
  }

  /** What was recorded until now, oldest first. The event of a request is there when its answer has arrived. */
  events(): AuditLogEvent[] {
    if (!this.audit) throw new AuditError('AUDIT_INVALID_OPTIONS', NO_AUDIT);
    return structuredClone(this.recorded);
  }

  /** Forgets what was recorded until now: call it between two tests of one application. */
  clear(): void {
    this.recorded = [];
  }
}

const NO_AUDIT =
  'AuditTestingModule has no audit to listen to: import it beside a module that imports AuditModule.forRoot(), as in imports: [AppModule, AuditTestingModule].';
