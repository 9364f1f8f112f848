// The data source of the audit's own tables, for TypeORM's command line:
//
//   AUDIT_DATABASE_URL=mysql://user:password@host:3306/audit npm run migration:run
//
// The variables are explained in .env.example. Without any, it is the embedded SQLite file that AuditModule.forRoot()
// uses by default. An application rarely needs this: the module runs its migrations at start.
import { DataSource } from 'typeorm';
import { AUDIT_ENTITIES, AUDIT_MIGRATIONS, AUDIT_MIGRATIONS_TABLE } from 'nest-audit-trail';
import type { AuditDatabaseOptions } from 'nest-audit-trail';

function databaseOptions(url: string | undefined): AuditDatabaseOptions {
  if (!url) return { type: 'better-sqlite3', database: 'audit.sqlite' };
  const { protocol } = new URL(url);
  switch (protocol) {
    case 'mysql:':
    case 'mariadb:':
      return { type: 'mysql', url: url.replace(/^mariadb:/, 'mysql:') };
    case 'postgres:':
    case 'postgresql:':
      return { type: 'postgres', url };
    case 'sqlite:':
      return { type: 'better-sqlite3', database: url.slice('sqlite:'.length) };
    default:
      throw new Error(
        `AUDIT_DATABASE_URL begins with ${protocol}: write mysql:, mariadb:, postgres: or sqlite:`,
      );
  }
}

export default new DataSource({
  ...databaseOptions(process.env['AUDIT_DATABASE_URL']),
  entities: AUDIT_ENTITIES,
  migrations: AUDIT_MIGRATIONS,
  migrationsTableName: AUDIT_MIGRATIONS_TABLE,
});
