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
  if (versions['better-sqlite3']) await placeAddon(folder, versions['better-sqlite3'], node, repository);
  return versions;
}

/** By the file that is kept of it: who has placed it last, or is about to. */
const placed = new Map();

/**
 * Places the compiled better-sqlite3. To compile it takes longer than everything else together, so what is compiled is
 * kept for later runs, and two cells do not compile the same.
 */
async function placeAddon(folder, version, node, repository) {
  const platform = `${process.platform}-${process.arch}`;
  const kept = join(repository, CACHE, `better-sqlite3-${version}-node-abi${node.modules}-${platform}.node`);
  const sources = [kept];
  if ((await versionOf(repository, 'better-sqlite3')) === version) sources.push(join(repository, BINARY));
  const before = placed.get(kept)?.catch(() => undefined);
  const placing = Promise.resolve(before).then(() => takeOrCompile(folder, node.env, sources));
  placed.set(kept, placing);
  await placing;
}

/** @param sources where it may be compiled already; where it is in none, the first will have it */
async function takeOrCompile(folder, env, sources) {
  for (const source of sources) {
    await cp(source, join(folder, BINARY)).catch(() => undefined);
    if (await addonLoads(folder, env)) return;
  }
  await npm(folder, ['rebuild', 'better-sqlite3'], 15, env);
  const [kept] = sources;
  await mkdir(dirname(kept), { recursive: true });
  // Another run may be reading it.
  await cp(join(folder, BINARY), `${kept}.${process.pid}`);
  await rename(`${kept}.${process.pid}`, kept);
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
