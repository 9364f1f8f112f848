// Before the first test: finds a server of each kind, and hands the result to Jest's workers by the environment.
import { describeAddress, findServer } from './find-server.mjs';
import { mysqlServer } from './mysql-server.mjs';
import { postgresServer } from './postgres-server.mjs';
import { stopPrivateServers } from './private-server.mjs';

const KINDS = { mysql: mysqlServer, postgres: postgresServer };

export default async function globalSetup() {
  // Each to its end, or a failure of the one would leave the other's server behind.
  const searches = await Promise.allSettled(Object.values(KINDS).map((kind) => findServer(kind)));
  const failures = searches.filter((search) => search.status === 'rejected');
  if (failures.length > 0) {
    await stopPrivateServers();
    throw new Error(failures.map((failure) => failure.reason.message).join('\n'));
  }
  const resolved = Object.fromEntries(Object.keys(KINDS).map((name, i) => [name, searches[i].value]));
  process.env.AUDIT_TEST_RESOLVED = JSON.stringify(resolved);
  for (const [name, found] of Object.entries(resolved)) {
    const line = 'missing' in found ? found.missing : `${describeAddress(found.server)} (${found.note})`;
    process.stderr.write(`${KINDS[name].label}: ${line}\n`);
  }
}
