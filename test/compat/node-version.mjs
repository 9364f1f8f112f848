// The Node that a cell runs on: the one that runs this, where it is of that version, else one from the npm registry.
import { existsSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { isVersion } from './cells.mjs';
import { npm, run } from './command.mjs';

// What the npm package `node` installs: the program and its headers.
const PACKAGE = `node-${process.platform}-${process.arch}`;

const known = new Map();

/**
 * @param work the folder of the run: a Node that has to be installed is in it, or comes there
 * @returns its version, its version of the interface for addons, and the environment in which programs run on it
 */
export function nodeOfVersion(wanted, work) {
  if (!known.has(wanted)) known.set(wanted, find(wanted, work));
  return known.get(wanted);
}

async function find(wanted, work) {
  const env = isVersion(process.versions.node, wanted)
    ? withFirst(dirname(process.execPath))
    : await installed(wanted, join(work, `node-${wanted}`));
  const probe = ['node', '-p', 'JSON.stringify(process.versions)'];
  const { node: version, modules } = JSON.parse(await run(work, probe, 1, env));
  if (!isVersion(version, wanted)) throw new Error(`Node ${version} is not ${wanted}`);
  // The tests say whether they run on it.
  return { version, modules, env: { ...env, AUDIT_COMPAT_NODE: version } };
}

async function installed(wanted, folder) {
  if (!existsSync(folder)) await download(wanted, folder);
  const root = join(folder, 'node_modules', PACKAGE);
  // Addons are compiled with its own headers.
  return { ...withFirst(join(root, 'bin')), npm_config_nodedir: root };
}

async function download(wanted, folder) {
  // Under this name, it is complete.
  const unfinished = `${folder}.unfinished`;
  await mkdir(unfinished);
  await writeFile(join(unfinished, 'package.json'), '{ "private": true }');
  const what = ['--ignore-scripts', '--no-audit', '--no-fund', `${PACKAGE}@${wanted}`];
  try {
    await npm(unfinished, ['install', ...what], 10);
  } catch (error) {
    const why = `Node ${wanted} is not there as ${PACKAGE}: run this with it, or choose cells by words`;
    throw Object.assign(new Error(why, { cause: error }), { output: error.output });
  }
  await rename(unfinished, folder);
}

function withFirst(bin) {
  return { PATH: `${bin}${delimiter}${process.env.PATH}` };
}
