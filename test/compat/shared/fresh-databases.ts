import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import mysql from 'mysql2/promise';

/** The databases of one application, by their URLs. */
export interface Databases {
  readonly application: string;
  readonly audit: string;
}

/** A server, and how the names of databases begin there. Without it the tests run on SQLite. */
const SERVER = process.env['AUDIT_COMPAT_MYSQL_URL'];

export const isOnServer = SERVER !== undefined;

/** Empty databases: files in the folder, or on the server, where whoever started the tests drops them. */
export async function freshDatabases(folder: string): Promise<Databases> {
  if (SERVER === undefined) {
    return {
      application: `sqlite:${join(folder, 'app.sqlite')}`,
      audit: `sqlite:${join(folder, 'audit.sqlite')}`,
    };
  }
  const url = SERVER + randomBytes(4).toString('hex');
  const databases = { application: `${url}_app`, audit: `${url}_audit` };
  const connection = await mysql.createConnection(new URL('/', SERVER).href);
  for (const database of Object.values(databases)) {
    await connection.query(`CREATE DATABASE ${new URL(database).pathname.slice(1)}`);
  }
  await connection.end();
  return databases;
}
