import { randomBytes } from 'node:crypto';
import { Client } from 'pg';

/** How URLs of databases begin; whoever started the tests drops them. */
const SERVER = process.env['AUDIT_COMPAT_POSTGRES_URL'] ?? '';

/** Makes an empty database, and answers its URL. */
export async function freshDatabase(): Promise<string> {
  const url = new URL(SERVER + randomBytes(4).toString('hex'));
  const client = new Client({ connectionString: new URL('/postgres', url).href });
  await client.connect();
  await client.query(`CREATE DATABASE ${url.pathname.slice(1)}`);
  await client.end();
  return url.href;
}
