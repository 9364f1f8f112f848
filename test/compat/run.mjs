// Installs the package, as it would be published, in applications, and has each of them prove that it works there:
//
//   npm run test:compat [-- --all | <word of a cell's name> ...]
//
// The cells are in `cells.mjs`. The applications are the folders beside this file; what is in `shared/` is copied into each,
// so that they prove the same. AUDIT_COMPAT_FOLDER is where `prepare.mjs` has installed what they depend on.
// AUDIT_COMPAT_KEEP=1 keeps the installed applications and says where they are.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endRun } from '../support/harness/end-of-run.mjs';
import { chooseCells } from './cells.mjs';
import { npm, run, stopAll } from './command.mjs';
import { checkDeployed } from './deployed.mjs';
import { install, KEPT_ADDONS, pack, prepare } from './install.mjs';
import { nodeOfVersion } from './node-version.mjs';
import { conclude, skip, step } from './report.mjs';
import { findDatabases } from './server.mjs';

const chosen = chooseCells(process.argv.slice(2));

const MINUTES = 30;
// Much of it waits for the network, and compiling takes one core.
const AT_A_TIME = 2;

const work = process.env.AUDIT_COMPAT_FOLDER ?? (await mkdtemp(join(tmpdir(), 'nest-audit-trail-compat-')));
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    stopAll();
    void cleanUp().finally(() => process.kill(process.pid, signal));
  });
}
setTimeout(stopAll, MINUTES * 60_000).unref();

try {
  let server;
  let postgres = { missing: 'no chosen application needs it' };
  let tarball;
  const isReady =
    (await step('MariaDB', async () => void (server = await findDatabases('mysql')))) &&
    (!chosen.some(({ onPostgres }) => onPostgres) ||
      (await step('PostgreSQL', async () => void (postgres = await findDatabases('postgres'))))) &&
    (await step('npm pack', async () => void (tarball = await pack(work))));
  // Whatever the programs started from here on put into the temporary folder goes with it. The server is not one of them: it is
  // run by a user who may not enter it.
  process.env.TMPDIR = work;
  const waiting = isReady ? [...chosen] : [];
  const proveWaiting = async () => {
    for (let cell = waiting.shift(); cell; cell = waiting.shift())
      await prove(cell, tarball, cell.onPostgres ? postgres : server);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, proveWaiting));
} finally {
  stopAll();
  await cleanUp();
}
conclude();

/** Installs one application and takes it through its own npm scripts, on the cell's Node. */
async function prove(cell, tarball, server) {
  const { name } = cell;
  const folder = join(work, name);
  let env;
  const isInstalled = await step(`${name}: npm install`, async () => {
    const node = await nodeOfVersion(cell.node, work);
    ({ env } = node);
    await prepare(folder, cell, node, KEPT_ADDONS);
    const versions = await install(folder, cell, node, tarball);
    const all = Object.entries({ node: node.version, ...versions });
    console.log(`        ${name}: ${all.map((one) => one.join(' ')).join(', ')}`);
  });
  if (!isInstalled) return;
  await step(`${name}: types`, () => npm(folder, ['run', 'types'], 5, env));
  if (!(await step(`${name}: build`, () => npm(folder, ['run', 'build'], 5, env)))) return;
  if (cell.onPostgres) {
    if (server.missing) return skip(`${name} on PostgreSQL`, server.missing);
    const onPostgres = { ...env, AUDIT_COMPAT_POSTGRES_URL: server.url };
    return void (await step(`${name}: tests on PostgreSQL`, () => npm(folder, ['test'], 5, onPostgres)));
  }
  await step(`${name}: tests on SQLite`, () => npm(folder, ['test'], 5, env));
  if (cell.isPlain) return;
  await step(`${name}: loads no feature unasked`, () => loadsNoFeature(folder, env));
  await step(`${name}: node dist/main.js on SQLite`, () => checkDeployed(folder, env));
  if (server.missing) return skip(`${name} on MariaDB`, server.missing);
  const onServer = { ...env, AUDIT_COMPAT_MYSQL_URL: server.url };
  await step(`${name}: tests on MariaDB`, () => npm(folder, ['test'], 5, onServer));
  await step(`${name}: node dist/main.js on MariaDB`, async () =>
    checkDeployed(folder, env, await server.create()),
  );
}

async function cleanUp() {
  await endRun();
  if (process.env.AUDIT_COMPAT_KEEP) console.log(`Kept in ${work}`);
  else await rm(work, { recursive: true, force: true });
}

/** Who lists no feature loads no file of one. */
async function loadsNoFeature(folder, env) {
  const loaded = 'Object.keys(require.cache).filter((file) => /nest-audit-trail.dist.cjs/.test(file))';
  const program = `require('reflect-metadata'); require('nest-audit-trail'); console.log(JSON.stringify(${loaded}))`;
  const files = JSON.parse(await run(folder, ['node', '-e', program], 1, env));
  const ofFeatures = files.filter((file) => /[/\\]features[/\\]/.test(file.split('nest-audit-trail').at(-1)));
  if (files.length < 50 || ofFeatures.length > 0)
    throw new Error(`of ${files.length} files these are of features: ${ofFeatures.join(', ')}`);
}
