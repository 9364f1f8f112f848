import type { DataSource, DataSourceOptions } from 'typeorm';
import { option, ruled, yesNo, isFilledText, isObject } from '../event/option-schema.js';
import type { OptionFault, OptionSchema } from '../event/option-schema.js';
import { showValue } from '../event/show-value.js';
import { SUPPORTED_DATABASES } from './table-name.js';
import type { SupportedDatabase } from './table-name.js';

/** TypeORM's own options of the supported databases. */
export type AuditDatabaseOptions = Extract<DataSourceOptions, { type: SupportedDatabase }>;

/** Where events are kept. Give `database` or `dataSource`, not both. */
export interface StoreOptions {
  /**
   * The audit's connection, in TypeORM's `DataSourceOptions`: `better-sqlite3`, `mysql`, `mariadb` or
   * `postgres`. `entities`, `migrations`, `migrationsTableName`, `migrationsRun`, `synchronize`, `dropSchema`
   * and (MySQL, MariaDB) `charset` in it are ignored (`docs/operate/hardening.md#connections`).
   * `entityPrefix` and `schema` have letters, digits, `_` and `-`.
   * @defaultValue `{ type: 'better-sqlite3', database: 'audit.sqlite' }`
   */
  readonly database?: AuditDatabaseOptions;
  /**
   * Instead of `database`: share a data source of the application, by its name in `@nestjs/typeorm` or as the
   * object. The application opens and closes it. On MySQL and MariaDB it needs the character set `utf8mb4`,
   * `autocommit` on, an isolation above `READ-UNCOMMITTED`, and an `sql_mode` without `NO_BACKSLASH_ESCAPES`
   * and `EMPTY_STRING_IS_NULL`.
   */
  readonly dataSource?: string | DataSource;
  /**
   * Run the library's migrations at start. Write `false` if another database user runs them
   * (`docs/operate/hardening.md#rights-in-the-database`).
   * @defaultValue `true`
   */
  readonly migrate?: boolean;
}

/** @param variable the environment variable of the example */
export function connection(variable: string): OptionSchema {
  return ruled(
    option(isObject, `TypeORM's options, { type: 'mysql', url: process.env.${variable} }`),
    faultOfConnection,
  );
}

function faultOfConnection(connection: {
  readonly type?: unknown;
  readonly url?: unknown;
  readonly database?: unknown;
}): OptionFault | undefined {
  const { type, url, database } = connection;
  if (!SUPPORTED_DATABASES.some((known) => known === type)) {
    const known = SUPPORTED_DATABASES.map((name) => `'${name}'`).join(', ');
    return { at: ['type'], fault: `is ${showValue(type)}: write one of ${known}` };
  }
  if ('url' in connection && !isFilledText(url)) {
    return {
      at: ['url'],
      fault: `is ${showValue(url)}: write a URL such as mysql://user:password@host:3306/audit. Is the environment variable that it comes from set?`,
    };
  }
  if (type !== 'better-sqlite3' || isFilledText(database)) return undefined;
  return {
    at: ['database'],
    fault: `is ${showValue(database)}: write the path of the SQLite file, 'audit.sqlite'`,
  };
}

export const storeEntries = {
  database: connection('AUDIT_DATABASE_URL'),
  dataSource: option(
    (value) => isFilledText(value) || (isObject(value) && 'driver' in value),
    "the data source's name, 'default', or the DataSource itself",
  ),
  migrate: yesNo,
} satisfies Record<keyof StoreOptions, OptionSchema>;
