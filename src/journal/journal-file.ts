import {
  closeSync,
  constants,
  fstatSync,
  fsync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { promisify } from 'node:util';

// Whoever may write to a journal's directory can put a link into it: what is done to the files of the journal must not be
// done to any other file.

const sync = promisify(fsync);

/** Something else has the name of a file of the journal. */
export class ForeignFileError extends Error {
  override readonly name = 'ForeignFileError';
}

/** Never through a link, and never waiting for the other end of a pipe. Windows has neither. */
const SAFE_FLAGS = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
/** What systems say of a link that is not followed, and of other things that are no file. */
const NO_FILE = new Set(['ELOOP', 'EMLINK', 'EISDIR', 'ENXIO']);

/**
 * Opens a file that is there: a regular one, without a second name.
 *
 * @param flags of `open(2)`, such as `O_RDONLY`
 * @param uid whose it has to be, where that matters
 * @throws ForeignFileError where it is anything else; else the file system's error
 */
export function openRegularFile(path: string, flags: number, uid?: number): number {
  let fd: number;
  try {
    fd = openSync(path, flags | SAFE_FLAGS);
  } catch (error) {
    if (!NO_FILE.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    throw new ForeignFileError(`${path} is a link, or no file at all`);
  }
  const stat = fstatSync(fd);
  const isOwners = uid === undefined || stat.uid === uid;
  if (stat.isFile() && stat.nlink === 1 && isOwners) return fd;
  closeSync(fd);
  if (!stat.isFile()) throw new ForeignFileError(`${path} is no file`);
  throw new ForeignFileError(
    isOwners ? `${path} has a second name (a hard link)` : `${path} belongs to another user (${stat.uid})`,
  );
}

/** Whether there is such a file. */
export function isRegularFile(path: string): boolean {
  try {
    closeSync(openRegularFile(path, constants.O_RDONLY));
    return true;
  } catch {
    return false;
  }
}

/** The text of a small file; `undefined` where there is none, or something else. */
export function readRegularFile(path: string, mostBytes: number): string | undefined {
  let fd: number | undefined;
  try {
    fd = openRegularFile(path, constants.O_RDONLY);
    return fstatSync(fd).size <= mostBytes ? readFileSync(fd, 'utf8') : undefined;
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/**
 * Writes a small file whole or not at all: a new one, which then takes the place of whatever has its name.
 *
 * @throws the file system's error
 */
export async function writeWhole(path: string, text: string): Promise<void> {
  const fresh = path + UNFINISHED;
  rmSync(fresh, { force: true });
  const fd = openSync(fresh, 'wx', 0o600);
  try {
    writeSync(fd, text);
    await sync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(fresh, path);
}

/** At the end of the name of a file that is being written. */
export const UNFINISHED = '.new';

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
