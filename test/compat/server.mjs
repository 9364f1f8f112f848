// The MariaDB server of a run: found, or started, as the other suites do it. What is made there is dropped at the end.
import { randomBytes } from 'node:crypto';
import { atEndOfRun } from '../support/harness/end-of-run.mjs';
import { describeAddress, findServer } from '../support/harness/find-server.mjs';
import { mysqlServer } from '../support/harness/mysql-server.mjs';

/**
 * @returns where databases of the run can be made: `url`, which the name of each continues, and `create`, which makes
 *   one and answers its URL; or why there is none
 * @throws Error where the environment requires one
 */
export async function findMariaDb() {
  let found = await findServer(mysqlServer);
  // A URL does not tell a socket.
  if (found.server?.socketPath)
    found = await findServer(mysqlServer, { ...process.env, AUDIT_TEST_PRIVATE_SERVERS: '1' });
  const { server, note, isPrivate, missing } = found;
  if (missing) return { missing };
  const prefix = `audit_test_${randomBytes(4).toString('hex')}_`;
  if (!isPrivate) atEndOfRun({ kind: 'mysql', server, prefix });
  const [{ version }] = await mysqlServer.query(server, ['SELECT VERSION() AS version']);
  console.log(`        ${version}, ${describeAddress(server)} (${note})`);
  const url = urlOf(server, prefix);
  return {
    url,
    async create() {
      const name = randomBytes(4).toString('hex');
      await mysqlServer.query(server, [`CREATE DATABASE ${prefix}${name}`]);
      return url + name;
    },
  };
}

function urlOf({ host, port, username, password = '' }, database) {
  const url = new URL(`mysql://${host}:${port}/${database}`);
  return String(Object.assign(url, { username, password }));
}
