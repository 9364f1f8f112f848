// The read endpoints for Nest: nest-audit-trail/endpoints.
export { AuditLogController, AuditStatisticsQueryDto } from './audit-log.controller.js';
export { AuditEventDto, AuditPageDto } from './open-api.js';

// What its users need of the core.
export type { AuditReadScope } from '../trail/audit-scope.js';
