import type { DataSource } from 'typeorm';

/** The databases that the library supports, as TypeORM names their drivers. */
export const SUPPORTED_DATABASES = ['better-sqlite3', 'mysql', 'mariadb', 'postgres'] as const;
export type SupportedDatabase = (typeof SUPPORTED_DATABASES)[number];

/** How statements differ between the supported databases. */
export type SqlDialect = 'sqlite' | 'mysql' | 'postgres';

export function dialectOf(dataSource: DataSource): SqlDialect {
  switch (dataSource.options.type as SupportedDatabase) {
    case 'postgres':
      return 'postgres';
    case 'mysql':
    case 'mariadb':
      return 'mysql';
    case 'better-sqlite3':
      return 'sqlite';
  }
}

/** A table of the library or of one of its features, or the view `audit_events_text`: without `entityPrefix` and schema. */
export type AuditTable = `audit_${string}`;

/** PostgreSQL: where the tables were found, of data sources whose options name no schema. */
const foundSchemas = new WeakMap<DataSource, string>();

/** From now on statements name the schema: an application may change the search path of a session. */
export function rememberSchema(dataSource: DataSource, schema: string): void {
  foundSchemas.set(dataSource, schema);
}

/** The tables may be elsewhere by now. */
export function forgetSchema(dataSource: DataSource): void {
  foundSchemas.delete(dataSource);
}

/** The table's full name by the data source's own `entityPrefix` and (PostgreSQL) schema, not yet escaped. */
export function tableName(dataSource: DataSource, name: AuditTable): string {
  const prefixed = `${dataSource.options.entityPrefix ?? ''}${name}`;
  const schema = (dataSource.options as { schema?: string }).schema || foundSchemas.get(dataSource);
  return dialectOf(dataSource) === 'postgres' && schema ? `${schema}.${prefixed}` : prefixed;
}

/** A dotted name as the database's own quoted identifier. */
export function quoted(dataSource: DataSource, dottedName: string): string {
  return dottedName
    .split('.')
    .map((part) => dataSource.driver.escape(part))
    .join('.');
}

/** The table as statements name it. */
export function quotedTable(dataSource: DataSource, name: AuditTable): string {
  return quoted(dataSource, tableName(dataSource, name));
}

/** Answers at each call where the next value of one statement goes. */
export function placeholders(dialect: SqlDialect): () => string {
  let count = 0;
  return () => (dialect === 'postgres' ? `$${++count}` : '?');
}

/** SQL: how many bytes the text takes. PostgreSQL knows it without unpacking the text, which may be of any length. */
export function bytesOf(dialect: SqlDialect, column: string): string {
  if (dialect === 'sqlite') return `LENGTH(CAST(${column} AS BLOB))`;
  return dialect === 'postgres' ? `OCTET_LENGTH(${column})` : `LENGTH(${column})`;
}
