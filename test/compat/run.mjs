// Installs the package, as it would be published, in two applications, and has each of them prove that it works there.
//
// The applications are the folders beside this file; what is in `shared/` is copied into both, so that they prove the
// same. AUDIT_COMPAT_KEEP=1 keeps the installed applications and says where they are.
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stopAll, npm } from './command.mjs';
import { checkDeployed } from './deployed.mjs';
import { install, pack } from './install.mjs';
import { conclude, step } from './report.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const repository = fileURLToPath(new URL('../..', import.meta.url));
const applications = ['nest11-cjs', 'nest12-esm'];

const MINUTES = 30;

const work = await mkdtemp(join(tmpdir(), 'nest-audit-trail-compat-'));
// Whatever the programs started here put into the temporary folder goes with it.
process.env.TMPDIR = work;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    stopAll();
    void cleanUp().finally(() => process.kill(process.pid, signal));
  });
}
setTimeout(stopAll, MINUTES * 60_000).unref();

try {
  let tarball;
  const compiled = [repository];
  if (await step('npm pack', async () => void (tarball = await pack(repository, work)))) {
    for (const name of applications) await prove(name, tarball, compiled);
  }
} finally {
  stopAll();
  await cleanUp();
}
conclude();

/** Installs one application and takes it through its own npm scripts. */
async function prove(name, tarball, compiled) {
  const folder = join(work, name);
  await cp(join(here, name), folder, { recursive: true });
  await cp(join(here, 'shared'), join(folder, 'src'), { recursive: true });
  if (!(await step(`${name}: npm install`, () => install(folder, tarball, compiled)))) return;
  compiled.push(folder);
  await step(`${name}: types`, () => npm(folder, ['run', 'types'], 5));
  if (!(await step(`${name}: build`, () => npm(folder, ['run', 'build'], 5)))) return;
  await step(`${name}: tests`, () => npm(folder, ['test'], 5));
  await step(`${name}: node dist/main.js`, () => checkDeployed(folder));
}

async function cleanUp() {
  if (process.env.AUDIT_COMPAT_KEEP) console.log(`Kept in ${work}`);
  else await rm(work, { recursive: true, force: true });
}
