// The Node that a cell runs on: the one that runs this, where it is of that version, else one from the npm registry.
import { mkdir, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { isVersion } from './cells.mjs';
import { npm, run } from './command.mjs';

// What the npm package `node` installs: the program and its headers.
const PACKAGE = `node-${process.platform}-${process.arch}`;

const known = new Map();

/**
 * @param work the folder of the run: a Node that had to be installed is in it
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
  await mkdir(folder);
  await writeFile(join(folder, 'package.json'), '{ "private": true }');
  try {
    await npm(folder, ['install', '--ignore-scripts', '--no-audit', '--no-fund', `${PACKAGE}@${wanted}`], 10);
  } catch (error) {
    const why = `Node ${wanted} is not there as ${PACKAGE}: run this with it, or choose cells by words`;
    throw Object.assign(new Error(why, { cause: error }), { output: error.output });
  }
  const root = join(folder, 'node_modules', PACKAGE);
  // Addons are compiled with its own headers.
  return { ...withFirst(join(root, 'bin')), npm_config_nodedir: root };
}

function withFirst(bin) {
  return { PATH: `${bin}${delimiter}${process.env.PATH}` };
}
