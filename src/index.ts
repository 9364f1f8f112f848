// The module and its decorators.
export { AuditModule } from './nest/audit.module.js';
export type { AuditModuleAsyncOptions, AuditOptionsFactory } from './nest/audit.module.js';
export { Audit, NoAudit } from './nest/audit.decorator.js';

// Recording and reading.
export { AuditService } from './trail/audit.service.js';
export type {
  AuditFilter,
  AuditHistoryScope,
  AuditPage,
  AuditQuery,
  AuditStatisticsQuery,
  AuditStreamQuery,
} from './trail/audit.service.js';
export { AuditQueryDto } from './trail/audit-query.dto.js';
export type { AuditScope } from './trail/audit-scope.js';
export type { AuditInterval, AuditStatistics } from './trail/audit-statistics.js';
export type { AuditActor } from './capture/audit-context.js';
export type { AuditAnnotation } from './capture/request-capture.js';

// The event.
export type {
  AuditCategory,
  AuditFacts,
  AuditLogEvent,
  AuditOutcome,
  AuditSeverity,
  AuditValue,
} from './event/audit-log-event.js';
export { CATEGORIES, OUTCOMES, SEVERITIES } from './event/audit-log-event.js';
export type { AuditEventInput } from './event/audit-event-input.js';
export { AUDIT_ERROR_CODES, AuditError } from './event/audit-error.js';
export type { AuditErrorCode } from './event/audit-error.js';

// Options.
export type { AuditModuleOptions } from './audit.options.js';
export type { CaptureOptions } from './capture/request-audit.js';
export type { AuditRouteContext, AuditRouteOptions, FieldSelection } from './capture/route-audit.js';
export type { CapturedRequest, ResolveOptions, Resolver } from './capture/resolvers.js';
export type { DeliveryOptions, DeliveryStatus } from './journal/event-buffer.js';
export type { ServiceOptions } from './pipeline/audit-recorder.js';
export type { RedactionOptions } from './pipeline/secret-key.js';
export type { AuditDatabaseOptions, StoreOptions } from './store/audit-database.js';

// The table, for TypeORM's command line and an application's own reads.
export { AuditEventRepository } from './store/audit-event.repository.js';
export { AuditEventEntity } from './store/audit-event.entity.js';
export { AuditSettingEntity } from './store/audit-setting.entity.js';
export { AUDIT_ENTITIES, AUDIT_MIGRATIONS, AUDIT_MIGRATIONS_TABLE } from './store/audit-database.js';
