// Files that hold a key each, in the journal's directory.
import { closeSync, constants, fstatSync, fsync, unlinkSync, writeSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { ForeignFileError, openRegularFile } from '../../journal/journal-file.js';

const sync = promisify(fsync);

/**
 * Writes a small file whole or not at all: a new one, which then takes the place of whatever has its name.
 *
 * @throws the file system's error
 */
export async function writeWhole(path: string, text: string): Promise<void> {
  const fresh = `${path}.new`;
  await rm(fresh, { force: true });
  await writeFile(fresh, text, { flag: 'wx', mode: 0o600, flush: true });
  await rename(fresh, path);
}

/**
 * Overwrites the file with zeros, since file systems that write in place keep nothing of it then, and deletes it. Of what is
 * not the journal's own only the name is deleted.
 *
 * @throws the file system's error
 */
export async function destroyFile(path: string): Promise<void> {
  try {
    const fd = openRegularFile(path, constants.O_WRONLY);
    try {
      writeSync(fd, Buffer.alloc(fstatSync(fd).size, '0'), 0, undefined, 0);
      await sync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    if (!(error instanceof ForeignFileError)) throw error;
  }
  unlinkSync(path);
}
