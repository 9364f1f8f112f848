// Before the first test: finds a server of each kind, and hands the result to the workers by the environment. After the
// last one: undoes what it has done, and what a crashed test has left.
import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEndOfRun, endRun } from './end-of-run.mjs';
import { describeAddress, findServer } from './find-server.mjs';
import { mysqlServer } from './mysql-server.mjs';
import { postgresServer } from './postgres-server.mjs';
import { makeTemplates } from './template-databases.mjs';

export default async function globalSetup() {
  // Each to its end, or a failure of the one would leave the other's server behind.
  const searches = await Promise.allSettled([findServer(mysqlServer), findServer(postgresServer)]);
  const failures = searches.filter((search) => search.status === 'rejected');
  if (failures.length > 0) {
    await endRun();
    throw new Error(failures.map((failure) => failure.reason.message).join('\n'));
  }
  const [mysql, postgres] = searches.map((search) => search.value);
  announce(mysqlServer, mysql);
  announce(postgresServer, postgres);

  // All that the tests create is in the folder, or its name begins with the prefix.
  const folder = mkdtempSync(join(tmpdir(), 'audit-test-'));
  atEndOfRun({ folder });
  const prefix = `audit_test_${randomBytes(4).toString('hex')}_`;
  for (const [kind, { server, isPrivate }] of Object.entries({ mysql, postgres })) {
    if (server && !isPrivate) atEndOfRun({ kind, server, prefix });
  }
  const resolved = { mysql, postgres, folder, prefix };
  const templates = await makeTemplates(resolved).catch(async (error) => {
    await endRun();
    throw error;
  });
  process.env.AUDIT_TEST_RESOLVED = JSON.stringify({ ...resolved, templates });
  return endRun;
}

function announce(kind, { server, note, missing }) {
  process.stderr.write(`${kind.label}: ${missing ?? `${describeAddress(server)} (${note})`}\n`);
}
