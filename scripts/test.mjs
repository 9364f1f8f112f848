// Runs the tests: node scripts/test.mjs [--faults [--all]] [what Vitest takes, such as the path of a spec]
import { spawn } from 'node:child_process';

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

// How much of the sources the tests run, only all of them can tell.
if (given.length === 0 && !environment.AUDIT_TEST_FAULTS) given.push('--coverage');

await run('scripts/build.mjs');
await run('node_modules/vitest/vitest.mjs', 'run', ...given);
