// The door for Express: nest-audit-trail/express. It needs no package of Nest.
export { audited } from './audited.js';
export { auditTrail } from './audit-trail.js';
export type { AuditTrail, ErrorMiddleware, Middleware } from './audit-trail.js';

// What its users need of the core.
export type { AuditFeature } from '../engine/audit-feature.js';
export type { PlainAuditOptions } from '../engine/plain-audit.js';
export { AuditError } from '../event/audit-error.js';
export type { AuditLogger } from '../event/audit-logger.js';
export type { AuditLogEvent } from '../event/audit-log-event.js';
export type { CurrentAudit } from '../capture/annotation.js';
export { defineAuditActions } from '../capture/audit-actions.js';
export type { AuditRouteContext, AuditRouteOptions } from '../capture/route-audit.js';
export { AuditService } from '../trail/audit.service.js';
