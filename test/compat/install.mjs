// Packs the package as it would be published, and installs it in an application as its users do.
import { cp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { npm, run } from './command.mjs';

const ADDON = 'node_modules/better-sqlite3';
const BINARY = 'build/Release/better_sqlite3.node';

/** Builds and packs the repository into the folder, and answers the tarball's path. */
export async function pack(repository, folder) {
  await npm(repository, ['pack', '--pack-destination', folder], 5);
  const name = (await readdir(folder)).find((file) => file.endsWith('.tgz'));
  return join(folder, name);
}

/**
 * Installs the application's dependencies and the tarball.
 *
 * @param others folders whose better-sqlite3 may be compiled already: where it is the same version it is taken from
 *   there, since to compile it takes longer than everything else together
 */
export async function install(folder, tarball, others) {
  const options = ['--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund', '--include=dev'];
  await npm(folder, ['install', ...options, tarball], 10);
  for (const other of others) {
    if ((await addonVersion(other)) !== (await addonVersion(folder))) continue;
    await cp(join(other, ADDON, BINARY), join(folder, ADDON, BINARY)).catch(() => undefined);
    if (await addonLoads(folder)) return;
  }
  await npm(folder, ['rebuild', 'better-sqlite3'], 15);
}

async function addonVersion(folder) {
  try {
    return JSON.parse(await readFile(join(folder, ADDON, 'package.json'), 'utf8')).version;
  } catch {
    return undefined;
  }
}

async function addonLoads(folder) {
  const probe = "new (require('better-sqlite3'))(':memory:').close()";
  return run(folder, [process.execPath, '-e', probe], 1).then(
    () => true,
    () => false,
  );
}
