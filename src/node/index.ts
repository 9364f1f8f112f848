// The door for any server of Node's: nest-audit-trail/node. It needs no package of Nest.
export { NodeAudit } from './node-audit.js';
export type { ToldRoute } from './node-audit.js';

// What its users need of the core.
export { defineAuditActions } from '../capture/audit-actions.js';
export type { AuditRouteContext, AuditRouteOptions } from '../capture/route-audit.js';
export type { AuditFeature } from '../engine/audit-feature.js';
export type { PlainAuditOptions } from '../engine/plain-audit.js';
export { AuditError } from '../event/audit-error.js';
export type { AuditLogger } from '../event/audit-logger.js';
export type { AuditLogEvent } from '../event/audit-log-event.js';
export { AuditService } from '../trail/audit.service.js';
