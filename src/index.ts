// The module and its decorators.
export { AuditModule } from './nest/audit.module.js';
export type { AuditModuleAsyncOptions, AuditOptionsFactory } from './nest/audit.module.js';
export { Audit, NoAudit } from './nest/audit.decorator.js';

// Recording and reading.
export { AuditService } from './trail/audit.service.js';
export type { AuditStatus } from './trail/audit.service.js';
export type { AuditHistoryScope, AuditPage, AuditQuery, AuditStreamQuery } from './trail/event-queries.js';
export { AuditQueryDto } from './trail/audit-query.dto.js';
export type { AuditFilter } from './trail/audit-query.dto.js';
export type { AuditReadScope, AuditScope } from './trail/audit-scope.js';
export type { AuditDeadLetter } from './store/dead-letter.repository.js';
export type { AuditDeadLetterQuery } from './trail/dead-letters.js';
export type { AuditSequenceGap, AuditSource } from './store/source-summary.js';
export type { AuditInterval, AuditStatistics, AuditStatisticsQuery } from './trail/audit-statistics.js';
export type { AuditActor } from './capture/request-record.js';

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
export type { AuditModuleOptions } from './engine/audit.options.js';
export type {
  AuditFeature,
  FeatureFactory,
  FeatureHost,
  FeatureOptions,
  FeatureParts,
  HeldPerson,
  RunningFeature,
  ServiceClass,
} from './engine/audit-feature.js';
export type { CaptureOptions } from './capture/capture-options.js';
export { defineAuditActions } from './capture/audit-actions.js';
export type { AuditAction, AuditActionDefinition } from './capture/audit-actions.js';
export type {
  AuditAnnotation,
  AuditOutcomeContext,
  AuditRouteContext,
  AuditRouteOptions,
} from './capture/route-audit.js';
export type { FieldSelection } from './capture/select-fields.js';
export type {
  AuditRequestUser,
  CapturedRequest,
  RequestUser,
  ResolveOptions,
  Resolver,
  RolesResolver,
} from './capture/resolvers.js';
export type { DeliveryMode, DeliveryOptions, DeliveryStatus } from './delivery/delivery-options.js';
export type { ServiceOptions } from './recorder/event-completer.js';
export type { RiskOptions, RiskWeights } from './recorder/risk/risk-options.js';
export type { VolumeStep } from './recorder/risk/risk-points.js';
export { pseudonym } from './recorder/redaction/pseudonym.js';
export type { RedactionMode, RedactionOptions } from './recorder/redaction/redaction-options.js';
export type { FeatureTables } from './store/audit-data-source.js';
export type { AuditDatabaseOptions, StoreOptions } from './store/store-options.js';

// The table of events, for an application's own reads. The entities and migrations are in nest-audit-trail/typeorm.
export { AuditEventRepository } from './store/audit-event.repository.js';
