// The data source of the audit's own tables, for TypeORM's command line:
//
//   AUDIT_DATABASE_URL=mysql://user:password@host:3306/audit npm run migration:run
//
// The variables are explained in .env.example. Without any, it is the embedded SQLite file that AuditModule.forRoot()
// uses by default. An application rarely needs this: the module runs its migrations at start.
import { DataSource } from 'typeorm';
import {
  AUDIT_ENTITIES,
  AUDIT_MIGRATIONS,
  AUDIT_MIGRATIONS_TABLE,
  databaseOptionsOf,
} from 'nest-audit-trail/typeorm';

export default new DataSource({
  ...databaseOptionsOf(process.env['AUDIT_DATABASE_URL'] || 'sqlite:audit.sqlite'),
  entities: AUDIT_ENTITIES,
  migrations: AUDIT_MIGRATIONS,
  migrationsTableName: AUDIT_MIGRATIONS_TABLE,
});
