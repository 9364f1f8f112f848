// Packs the package as it would be published, and installs it in an application as its users do.
import { cp, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isVersion } from './cells.mjs';
import { npm, run } from './command.mjs';

const ADDON = 'node_modules/better-sqlite3';
const BINARY = `${ADDON}/build/Release/better_sqlite3.node`;
const CACHE = 'node_modules/.cache/nest-audit-trail-compat';

/** Builds and packs the repository into the folder, and answers the tarball's path. */
export async function pack(repository, folder) {
  await npm(repository, ['pack', '--pack-destination', folder], 5);
  const name = (await readdir(folder)).find((file) => file.endsWith('.tgz'));
  return join(folder, name);
}

/**
 * Installs the application's dependencies, those of the cell and the tarball.
 *
 * @returns the versions that are installed
 * @throws Error where they are not what the cell says
 */
export async function install(folder, { packages }, node, tarball, repository) {
  const file = join(folder, 'package.json');
  const manifest = JSON.parse(await readFile(file, 'utf8'));
  const dependencies = { ...manifest.dependencies, ...packages };
  await writeFile(file, JSON.stringify({ ...manifest, dependencies }));
  const options = ['--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund', '--include=dev'];
  await npm(folder, ['install', ...options, tarball], 10, node.env);
  const versions = {};
  for (const [name, wanted] of Object.entries(packages)) {
    versions[name] = await versionOf(folder, name);
    if (!isVersion(versions[name], wanted)) throw new Error(`${name} ${versions[name]} is not ${wanted}`);
  }
  await alone(() => placeAddon(folder, versions['better-sqlite3'], node, repository));
  return versions;
}

/**
 * Compiles better-sqlite3, or takes it from where the same is compiled already: the repository, or what an earlier run
 * has kept. To compile it takes longer than everything else together.
 */
async function placeAddon(folder, version, { modules, env }, repository) {
  const platform = `${process.platform}-${process.arch}`;
  const kept = join(repository, CACHE, `better-sqlite3-${version}-node-abi${modules}-${platform}.node`);
  const sources = [kept];
  if ((await versionOf(repository, 'better-sqlite3')) === version) sources.push(join(repository, BINARY));
  for (const source of sources) {
    await cp(source, join(folder, BINARY)).catch(() => undefined);
    if (await addonLoads(folder, env)) return;
  }
  await npm(folder, ['rebuild', 'better-sqlite3'], 15, env);
  await mkdir(dirname(kept), { recursive: true });
  // Another run may be reading it.
  await cp(join(folder, BINARY), `${kept}.${process.pid}`);
  await rename(`${kept}.${process.pid}`, kept);
}

let last = Promise.resolve();

/** One after another: what two cells need is compiled once. */
function alone(work) {
  const mine = last.then(work);
  last = mine.catch(() => undefined);
  return mine;
}

async function versionOf(folder, name) {
  return JSON.parse(await readFile(join(folder, 'node_modules', name, 'package.json'), 'utf8')).version;
}

async function addonLoads(folder, env) {
  const probe = "new (require('better-sqlite3'))(':memory:').close()";
  return run(folder, ['node', '-e', probe], 1, env).then(
    () => true,
    () => false,
  );
}
