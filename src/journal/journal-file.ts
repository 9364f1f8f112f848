import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';

// Whoever may write to a journal's directory can put a link into it: what is done to the files of the journal must not be
// done to any other file.

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
