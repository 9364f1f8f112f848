// Makes an application with all that it depends on, packs the package as it would be published, and installs it there as its
// users do.
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isVersion } from './cells.mjs';
import { npm, run } from './command.mjs';

const ADDON = 'node_modules/better-sqlite3';
const BINARY = `${ADDON}/build/Release/better_sqlite3.node`;

const here = fileURLToPath(new URL('.', import.meta.url));
const repository = fileURLToPath(new URL('../..', import.meta.url));
/** Where compiled addons are kept for later runs. */
export const KEPT_ADDONS = join(repository, 'node_modules/.cache/nest-audit-trail-compat');
const OPTIONS = ['--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund', '--include=dev'];

/** Builds and packs the repository into the folder, and answers the tarball's path. */
export async function pack(folder) {
  await npm(repository, ['pack', '--pack-destination', folder], 5);
  const name = (await readdir(folder)).find((file) => file.endsWith('.tgz'));
  return join(folder, name);
}

/**
 * Makes the application's folder, and installs what it depends on beside the package itself: its own dependencies and those of
 * the cell. Where an earlier run has left the folder, nothing is done.
 *
 * @param addons where compiled addons are kept
 */
export async function prepare(folder, { application, packages, isPlain }, node, addons) {
  if (existsSync(folder)) return;
  // Under this name, it is complete.
  const unfinished = `${folder}.unfinished`;
  await cp(join(here, application), unfinished, { recursive: true });
  if (!isPlain) await cp(join(here, 'shared'), join(unfinished, 'src'), { recursive: true });
  const file = join(unfinished, 'package.json');
  const manifest = JSON.parse(await readFile(file, 'utf8'));
  const dependencies = { ...manifest.dependencies, ...packages };
  await writeFile(file, JSON.stringify({ ...manifest, dependencies }));
  await npm(unfinished, ['install', ...OPTIONS], 10, node.env);
  if (packages['better-sqlite3']) await placeAddon(unfinished, node, addons);
  await rename(unfinished, folder);
}

/**
 * Installs the tarball in an application that is prepared.
 *
 * @returns the versions that are installed
 * @throws Error where they are not what the cell says
 */
export async function install(folder, { packages }, node, tarball) {
  await npm(folder, ['install', ...OPTIONS, '--prefer-offline', tarball], 10, node.env);
  const versions = {};
  for (const [name, wanted] of Object.entries(packages)) {
    versions[name] = await versionOf(folder, name);
    if (!isVersion(versions[name], wanted)) throw new Error(`${name} ${versions[name]} is not ${wanted}`);
  }
  return versions;
}

/** By the file that is kept of it: who has placed it last, or is about to. */
const placed = new Map();

/**
 * Places the compiled better-sqlite3. To compile it takes longer than everything else together, so what is compiled is
 * kept for later runs, and two cells do not compile the same.
 */
async function placeAddon(folder, node, addons) {
  const version = await versionOf(folder, 'better-sqlite3');
  const platform = `${process.platform}-${process.arch}`;
  const kept = join(addons, `better-sqlite3-${version}-node-abi${node.modules}-${platform}.node`);
  const sources = [kept];
  // Beside the installation of the repository itself, it may not be there yet.
  const own = await versionOf(repository, 'better-sqlite3').catch(() => undefined);
  if (own === version) sources.push(join(repository, BINARY));
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
