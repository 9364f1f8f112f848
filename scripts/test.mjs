// Runs the tests: node scripts/test.mjs [--faults [--all]] [what Vitest takes, such as the path of a spec]
import { spawn } from 'node:child_process';
import { statfsSync } from 'node:fs';
import { findFirst, findTogether } from '../test/support/harness/local-binary.mjs';

/** Linux keeps the files of this folder in memory. */
const MEMORY = '/dev/shm';
const MEMORY_NEEDED = 3 * 1024 ** 3;

const given = process.argv.slice(2);
const take = (flag) => {
  const index = given.indexOf(flag);
  if (index >= 0) given.splice(index, 1);
  return index >= 0;
};
const environment = { ...process.env };
if (take('--faults')) environment.AUDIT_TEST_FAULTS = '1';
if (take('--all')) environment.AUDIT_FAULTS_ALL = '1';

/** Ends this process with the code of the other where that has failed. */
function run(...args) {
  return new Promise((resolve) => {
    spawn(process.execPath, args, { stdio: 'inherit', env: environment }).on('exit', (code, signal) => {
      if (code !== 0) process.exit(code ?? (signal ? 1 : 0));
      resolve();
    });
  });
}

// All tests make thousands of databases. On servers of their own, with the files in memory, that takes a fraction of the time.
const isWhole = given.every((word) => word.startsWith('-')) && !environment.AUDIT_TEST_FAULTS;
const isGiven = environment.AUDIT_TEST_MYSQL_URL || environment.AUDIT_TEST_POSTGRES_URL;
if (isWhole && !isGiven && findFirst('mariadbd', 'mysqld') && findTogether('initdb', 'postgres')) {
  environment.AUDIT_TEST_PRIVATE_SERVERS ??= '1';
  if (hasRoom(MEMORY)) environment.TMPDIR ??= MEMORY;
}

function hasRoom(folder) {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize >= MEMORY_NEEDED;
  } catch {
    return false;
  }
}

await run('scripts/build.mjs');
// What all tests cover says something; what one spec does, little.
await run('node_modules/vitest/vitest.mjs', 'run', ...(isWhole ? ['--coverage'] : []), ...given);
