// Installs the package, as it would be published, in two applications, and has each of them prove that it works there.
//
// Each folder beside this file with a package.json is an application; what is in `shared/` is a part of all of them.
// AUDIT_COMPAT_KEEP=1 keeps the installed applications and says where they are.
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { killAll, npm } from './command.mjs';
import { checkDeployed } from './deployed.mjs';
import { install, pack } from './install.mjs';
import { conclude, step } from './report.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const repository = fileURLToPath(new URL('../..', import.meta.url));
const applications = ['nest11-cjs', 'nest12-esm'];

const work = await mkdtemp(join(tmpdir(), 'nest-audit-trail-compat-'));
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    killAll();
    void cleanUp().finally(() => process.kill(process.pid, signal));
  });
}

try {
  let tarball;
  const compiled = [repository];
  if (await step('npm pack', async () => void (tarball = await pack(repository, work)))) {
    for (const name of applications) await prove(name, tarball, compiled);
  }
} finally {
  killAll();
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
