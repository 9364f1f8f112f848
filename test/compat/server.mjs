// The servers of a run: found, or started, as the other suites do it. What is made there is dropped at the end.
import { randomBytes } from 'node:crypto';
import { atEndOfRun } from '../support/harness/end-of-run.mjs';
import { describeAddress, findServer } from '../support/harness/find-server.mjs';
import { mysqlServer } from '../support/harness/mysql-server.mjs';
import { postgresServer } from '../support/harness/postgres-server.mjs';

const KINDS = { mysql: mysqlServer, postgres: postgresServer };

/**
 * @param kind `mysql` or `postgres`
 * @returns where databases of the run can be made: `url`, which the name of each continues, and `create`, which makes
 *   one and answers its URL; or why there is none
 * @throws Error where the environment requires one
 */
export async function findDatabases(kind) {
  const serverKind = KINDS[kind];
  let found = await findServer(serverKind);
  // A URL does not tell a socket.
  if (found.server?.socketPath || found.server?.host?.startsWith('/'))
    found = await findServer(serverKind, { ...process.env, AUDIT_TEST_PRIVATE_SERVERS: '1' });
  const { server, note, isPrivate, missing } = found;
  if (missing) return { missing };
  const prefix = `audit_test_${randomBytes(4).toString('hex')}_`;
  if (!isPrivate) atEndOfRun({ kind, server, prefix });
  const [{ version }] = await serverKind.query(server, ['SELECT VERSION() AS version']);
  console.log(`        ${version}, ${describeAddress(server)} (${note})`);
  const url = urlOf(kind, server, prefix);
  return {
    url,
    async create() {
      const name = randomBytes(4).toString('hex');
      await serverKind.query(server, [`CREATE DATABASE ${prefix}${name}`]);
      return url + name;
    },
  };
}

function urlOf(kind, { host, port, username, password = '' }, database) {
  const url = new URL(`${kind}://${host}:${port}/${database}`);
  return String(Object.assign(url, { username, password }));
}
