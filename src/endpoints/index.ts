// The read endpoints for Nest: nest-audit-trail/endpoints.
export { AuditLogController } from './audit-log.controller.js';
export { AuditEventDto, AuditPageDto } from './open-api.js';
export { AuditStatisticsQueryDto } from '../trail/audit-statistics.js';

// What its users need of the core.
export type { AuditReadScope } from '../trail/audit-scope.js';
