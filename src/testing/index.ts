// The test kit: nest-audit-trail/testing. An application's tests need neither a database nor a folder.
export { auditMatchers } from './audit-matchers.js';
export type { ExpectedEvent, RecordedEvents } from './audit-matchers.js';
export { AuditTestingModule } from './audit-testing.module.js';

// What its users need of the core.
export type { AuditLogEvent } from '../event/audit-log-event.js';
