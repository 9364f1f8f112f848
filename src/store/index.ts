// The core's tables, for TypeORM's command line and an application's own reads: nest-audit-trail/typeorm.
export { AuditDeadLetterEntity } from './audit-dead-letter.entity.js';
export { AuditEventEntity } from './audit-event.entity.js';
export {
  AuditCheckpointEntity,
  AuditLeafEntity,
  AuditLeaseEntity,
  AuditTileEntity,
} from './audit-ledger.entities.js';
export { AuditSettingEntity } from './audit-setting.entity.js';
export { AuditSourceEntity } from './audit-source.entity.js';
export { databaseOptionsOf } from './database-url.js';
export { AUDIT_ENTITIES, AUDIT_MIGRATIONS, AUDIT_MIGRATIONS_TABLE } from './audit-data-source.js';
