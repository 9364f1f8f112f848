import type { DataSource } from 'typeorm';

/** A connection to the server; `Info` is the statement that it runs. */
export interface MysqlProcess {
  readonly Id: number;
  readonly Info: string | null;
}

/**
 * The other connections to a database of MySQL or MariaDB. `information_schema.processlist` says the same, but on MySQL it fails where the
 * values of a statement are no UTF-8.
 */
export async function mysqlProcesses(connection: DataSource, database: unknown): Promise<MysqlProcess[]> {
  const [self] = (await connection.query('SELECT CONNECTION_ID() AS id')) as { id: unknown }[];
  const all = (await connection.query('SHOW FULL PROCESSLIST')) as (MysqlProcess & { db: string | null })[];
  return all.filter(({ Id, db }) => db === database && String(Id) !== String(self!.id));
}

/** The statements that run on the other connections to this database of a server. */
export async function runningStatements(connection: DataSource): Promise<string[]> {
  const { type, database } = connection.options;
  if (type === 'postgres')
    return (
      (await connection.query(
        "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()",
      )) as { query: string }[]
    ).map(({ query }) => query);
  return (await mysqlProcesses(connection, database)).flatMap(({ Info }) => Info ?? []);
}
