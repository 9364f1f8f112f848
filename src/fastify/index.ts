// The door for Fastify: nest-audit-trail/fastify. It needs no package of Nest.
export { auditTrail } from './audit-trail.js';
export type { FastifyAudit } from './audit-trail.js';
export type { RouteDeclaration } from './fastify-routes.js';

// What its users need of the core.
export type { CurrentAudit } from '../capture/annotation.js';
export { defineAuditActions } from '../capture/audit-actions.js';
export type { AuditRouteContext, AuditRouteOptions } from '../capture/route-audit.js';
export type { AuditFeature } from '../engine/audit-feature.js';
export type { PlainAuditOptions } from '../engine/plain-audit.js';
export { AuditError } from '../event/audit-error.js';
export type { AuditLogEvent } from '../event/audit-log-event.js';
export { AuditService } from '../trail/audit.service.js';
