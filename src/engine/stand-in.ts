import type { AuditDatabase } from '../store/audit-database.js';
import type { AuditModuleOptions } from './audit.options.js';
import type { Tables } from './tables.js';

/** What the audit has in place of a database and a journal, where an application is tested: see `nest-audit-trail/testing`. */
export abstract class StandIn {
  abstract readonly database: AuditDatabase;
  /** Those of its tables that take what is written. */
  abstract readonly tables: Pick<Tables, 'events' | 'sources'>;

  /** The application's options, without what needs a database, a journal or a key. */
  abstract without(options: AuditModuleOptions): AuditModuleOptions;
}
