// The module and its decorators.
export { AuditModule } from './nest/audit.module.js';
export type { AuditModuleAsyncOptions, AuditOptionsFactory } from './nest/audit.module.js';
export { Audit, NoAudit } from './nest/audit.decorator.js';

// How it fares.
export { AuditHealthIndicator } from './nest/audit-health.indicator.js';
export type { AuditHealth, AuditHealthOptions } from './nest/audit-health.indicator.js';

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
export type { AuditDeadLetter } from './store/dead-letter.repository.js';
export type { AuditDeadLetterQuery } from './trail/dead-letter-query.js';
export type { AuditSequenceGap, AuditSource } from './store/source-summary.js';
export type { AuditInterval, AuditStatistics } from './trail/audit-statistics.js';
export type { AuditActor } from './capture/audit-context.js';
export type { AuditAnnotation } from './capture/request-capture.js';

// The log that nobody can change unseen. What others need to check it is in nest-audit-trail/ledger.
export type { AuditProof } from './ledger/proof-bundle.js';
export type {
  CheckpointPublisher,
  ExternalSigningKey,
  LedgerOptions,
  SignedCheckpoint,
} from './sealer/ledger-options.js';
export type {
  AuditProblem,
  AuditProblemCode,
  VerifyOptions,
  VerifyProgress,
  VerifyResult,
} from './trail/verification/verification-result.js';

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
export type { DeliveryMode, DeliveryOptions, DeliveryStatus } from './journal/delivery.js';
export type { ServiceOptions } from './pipeline/audit-recorder.js';
export type { RedactionOptions } from './pipeline/secret-key.js';
export type { AuditDatabaseOptions, StoreOptions } from './store/audit-database.js';

// The tables, for TypeORM's command line and an application's own reads.
export { AuditEventRepository } from './store/audit-event.repository.js';
export { AuditDeadLetterEntity } from './store/audit-dead-letter.entity.js';
export { AuditEventEntity } from './store/audit-event.entity.js';
export {
  AuditCheckpointEntity,
  AuditLeafEntity,
  AuditLeaseEntity,
  AuditTileEntity,
} from './store/audit-ledger.entities.js';
export { AuditSettingEntity } from './store/audit-setting.entity.js';
export { AuditSourceEntity } from './store/audit-source.entity.js';
export { databaseOptionsOf } from './store/database-url.js';
export { AUDIT_ENTITIES, AUDIT_MIGRATIONS, AUDIT_MIGRATIONS_TABLE } from './store/audit-database.js';
