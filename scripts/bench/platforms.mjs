// Where the application is measured: on a version of Node and one of Nest, with the package installed as its users do.
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { npm } from '../../test/compat/command.mjs';
import { pack } from '../../test/compat/install.mjs';
import { nodeOfVersion } from '../../test/compat/node-version.mjs';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
/** What runs on the platform. */
const FILES = ['application.mjs', 'door-application.mjs', 'others.mjs', 'answers.mjs', 'profile.mjs'];

/** By name. The first is the one of a quick run. */
export const PLATFORMS = {
  'node24-nest12': { node: '24', nest: '12' },
  'node26-nest12': { node: '26', nest: '12' },
  'node24-nest11': { node: '24', nest: '11' },
  'node26-nest11': { node: '26', nest: '11' },
};

/**
 * @param {readonly string[]} names
 * @param {readonly string[]} more packages that the application needs, in the versions of this repository
 * @returns {Promise<{ name: string, node: string, nest: string, program: string, folder: string, application: string }[]>} `node`
 *   and `nest` are the versions that were installed, `program` is Node's
 */
export async function installPlatforms(names, work, more = []) {
  const tarball = await pack(REPOSITORY, work);
  const installed = [];
  for (const name of names) installed.push(await install(name, PLATFORMS[name], work, tarball, more));
  return installed;
}

async function install(name, { node, nest }, work, tarball, more) {
  const { version, env } = await nodeOfVersion(node, work);
  const folder = join(work, name);
  await mkdir(folder);
  const own = JSON.parse(await readFile(join(REPOSITORY, 'package.json'), 'utf8')).devDependencies;
  const dependencies = {
    '@nestjs/common': nest,
    '@nestjs/core': nest,
    '@nestjs/platform-express': nest,
    'nest-audit-trail': `file:${tarball}`,
    ...Object.fromEntries([...PEERS, ...more].map((peer) => [peer, own[peer]])),
  };
  await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies }));
  const options = ['--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund'];
  await npm(folder, ['install', ...options], 10, env);
  for (const file of FILES) await cp(new URL(file, import.meta.url), join(folder, file));
  const manifest = join(folder, 'node_modules/@nestjs/core/package.json');
  return {
    name,
    node: version,
    nest: JSON.parse(await readFile(manifest, 'utf8')).version,
    program: join(env.PATH.split(delimiter, 1)[0], 'node'),
    folder,
    application: join(folder, 'application.mjs'),
  };
}

const PEERS = ['class-transformer', 'class-validator', 'mysql2', 'reflect-metadata', 'rxjs', 'typeorm'];
