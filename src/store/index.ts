// The core's tables, for TypeORM's command line and an application's own reads: nest-audit-trail/typeorm.
export {
  AuditCheckpointEntity,
  AuditDeadLetterEntity,
  AuditEventEntity,
  AuditLeafEntity,
  AuditLeaseEntity,
  AuditSettingEntity,
  AuditSourceEntity,
  AuditTileEntity,
} from './audit.entities.js';
export { databaseOptionsOf } from './database-url.js';
export { AUDIT_ENTITIES, AUDIT_MIGRATIONS, AUDIT_MIGRATIONS_TABLE } from './audit-data-source.js';
