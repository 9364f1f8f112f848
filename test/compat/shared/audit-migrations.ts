import { retention } from 'nest-audit-trail/retention';
import { AUDIT_ENTITIES, AUDIT_MIGRATIONS, AUDIT_MIGRATIONS_TABLE } from 'nest-audit-trail/typeorm';
import { protection } from 'nest-audit-trail/protection';
import { DataSource } from 'typeorm';

/** With the tables of features. For TypeORM's command line, which migrates the database of the deployed application where that is on a server. */
export default new DataSource({
  type: 'mysql',
  url: process.env['AUDIT_OWNER_URL'],
  entities: [...AUDIT_ENTITIES, ...protection.tables.entities, ...retention.tables.entities],
  migrations: [...AUDIT_MIGRATIONS, ...protection.tables.migrations, ...retention.tables.migrations],
  migrationsTableName: AUDIT_MIGRATIONS_TABLE,
});
