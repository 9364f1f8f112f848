import { AuditError } from '../event/audit-error.js';
import type { AuditDatabaseOptions } from './store-options.js';

/**
 * TypeORM's options of a database that is told by a URL: `sqlite:<path>`, `mysql://`, `mariadb://`, `postgres://` or
 * `postgresql://`.
 *
 * @throws AuditError `AUDIT_INVALID_OPTIONS`, which does not hold the URL: it may have a password
 */
export function databaseOptionsOf(url: string): AuditDatabaseOptions {
  const [, scheme = '', rest = ''] = /^([a-z]+):(.*)$/s.exec(url) ?? [];
  switch (scheme) {
    case 'mysql':
    case 'mariadb':
      return { type: 'mysql', url: `mysql:${rest}` };
    case 'postgres':
    case 'postgresql':
      return { type: 'postgres', url };
    case 'sqlite':
      if (rest !== '') return { type: 'better-sqlite3', database: rest.replace(/^\/\/(?=\/)/, '') };
  }
  throw new AuditError(
    'AUDIT_INVALID_OPTIONS',
    `The database URL begins with "${scheme}:": write sqlite:<path>, mysql://user:password@host:3306/audit, mariadb://… or postgres://….`,
    { field: 'database.url' },
  );
}
