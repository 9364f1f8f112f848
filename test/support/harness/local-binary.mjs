// Where a database's programs are on this machine: on the PATH, or where the distributions hide them from it.
import { accessSync, constants, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const USUAL_FOLDERS = [
  '/usr/bin',
  '/usr/sbin',
  '/usr/libexec',
  '/usr/local/bin',
  '/usr/local/sbin',
  '/usr/local/mysql/bin',
  '/opt/homebrew/bin',
];

/** Debian and Ubuntu keep each version of PostgreSQL in a folder of its own; the newest comes first. */
function postgresFolders() {
  const root = '/usr/lib/postgresql';
  try {
    const versions = readdirSync(root).sort((a, b) => Number(b) - Number(a));
    return versions.map((version) => join(root, version, 'bin'));
  } catch {
    return [];
  }
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The paths of `programs`, all from one folder so that they are of one version; `undefined` where none has them. */
export function findTogether(...programs) {
  const onPath = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  for (const folder of [...onPath, ...USUAL_FOLDERS, ...postgresFolders()]) {
    const files = programs.map((program) => join(folder, program));
    if (files.every(isExecutable)) return files;
  }
  return undefined;
}

/** The path of the first of `programs` that is found. */
export function findFirst(...programs) {
  return programs.map((program) => findTogether(program)?.[0]).find(Boolean);
}
