// The data source of the audit's own tables and those of its features, for TypeORM's command line:
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
import type { FeatureTables } from 'nest-audit-trail';
import { protection } from 'nest-audit-trail/protection';
import { retention } from 'nest-audit-trail/retention';

/** Those that have tables. */
const features: readonly { readonly tables: FeatureTables }[] = [protection, retention];

export default new DataSource({
  ...databaseOptionsOf(process.env['AUDIT_DATABASE_URL'] || 'sqlite:audit.sqlite'),
  entities: [...AUDIT_ENTITIES, ...features.flatMap(({ tables }) => tables.entities)],
  migrations: [...AUDIT_MIGRATIONS, ...features.flatMap(({ tables }) => tables.migrations)],
  migrationsTableName: AUDIT_MIGRATIONS_TABLE,
});
