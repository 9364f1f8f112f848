import {
  closeSync,
  fstatSync,
  futimesSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import type { Stats } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AuditError } from '../event/audit-error.js';
import { ForeignFileError, readRegularFile } from './journal-file.js';
import { inOrder } from './journal-line.js';
import { stateOf, thisProcess } from './process-identity.js';
import type { ProcessIdentity } from './process-identity.js';

/** What an owner's file says; `closed` once it has left the directory. */
interface Owner extends ProcessIdentity {
  readonly closed?: true;
}

const FILE = /^owner\.([1-9]\d{0,15})$/;
const LARGEST_BYTES = 4_096;
/** An owner that can't be looked at shows that it lives by touching its file; after this long without, it does not. */
const SILENCE_MS = 5_000;
/** So often another process may be first; then the directory is its. */
const MOST_ATTEMPTS = 20;

/**
 * Makes one process the owner of a directory. Each owner creates a file `owner.<n>` with the next number,
 * which only one process can, even if several find the last owner dead at once. Only a successor that has written to the directory
 * deletes it.
 */
export class DirectoryLock {
  private constructor(
    readonly directory: string,
    private readonly number: number,
    /** The file, open until the directory is left: whatever is put in its place is never written to. */
    private opened: number | undefined,
    readonly previous: ProcessIdentity | undefined,
  ) {}

  /** Whose the files are that this process creates in the directory. */
  get uid(): number {
    return this.file().uid;
  }

  /** Who else may put files into the directory, where there is somebody. */
  whoElseMayWrite(): string | undefined {
    const { uid, mode } = statSync(this.directory);
    if (uid !== this.uid) return `the user ${uid}, who owns it,`;
    if ((mode & 0o002) !== 0) return 'everybody';
    return (mode & 0o020) !== 0 ? 'its group' : undefined;
  }

  /**
   * @throws AuditError `AUDIT_INVALID_OPTIONS` where the directory has an owner that lives, or can't be written to
   */
  static async acquire(directory: string): Promise<DirectoryLock> {
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      for (let attempts = 0; attempts < MOST_ATTEMPTS; attempts += 1) {
        const last = lastOf(directory);
        const owner = last > 0 ? readOwner(directory, last) : undefined;
        if (last > 0 && !owner?.closed && (await lives(directory, last, owner)))
          throw taken(directory, owner);
        const lock = DirectoryLock.create(directory, last + 1);
        if (lock) return lock;
      }
      throw taken(directory, undefined);
    } catch (error) {
      throw error instanceof AuditError ? error : cannotKeep(directory, error);
    }
  }

  private static create(directory: string, number: number): DirectoryLock | undefined {
    let opened: number;
    try {
      opened = write(pathOf(directory, number));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
      throw error;
    }
    // Those that did not come to writing anything have left the files of those before them.
    const [writer] = numbersIn(directory);
    const previous = writer === number ? undefined : readOwner(directory, writer!);
    const lock = new DirectoryLock(directory, number, opened, previous);
    // Whoever comes late with a number that was free again is not the owner.
    if (lastOf(directory) !== number) {
      rmSync(lock.path, { force: true });
      closeSync(opened);
      return undefined;
    }
    return lock;
  }

  /** Whoever has the directory has written to it: deletes the files of the owners before. */
  settle(): void {
    for (const number of numbersIn(this.directory)) {
      if (number >= this.number) return;
      try {
        rmSync(pathOf(this.directory, number), { force: true });
      } catch {
        // Somebody made a directory by that name.
      }
    }
  }

  get path(): string {
    return pathOf(this.directory, this.number);
  }

  /** Shows that the owner lives, and looks whether it still is the owner. */
  touch(): 'ours' | 'gone' | 'lost' {
    try {
      if (lastOf(this.directory) > this.number) return 'lost';
      if (lstatSync(this.path).ino !== this.file().ino) return 'gone';
      const now = new Date();
      futimesSync(this.opened!, now, now);
      return 'ours';
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'gone' : 'ours';
    }
  }

  /** Makes the directory and the file again, where somebody deleted them. @throws the file system's error */
  putBack(): void {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    const opened = write(this.path);
    if (this.opened !== undefined) closeSync(this.opened);
    this.opened = opened;
  }

  release(): void {
    if (this.opened === undefined) return;
    try {
      // Longer than what is there.
      writeSync(this.opened, JSON.stringify({ ...thisProcess(), closed: true } satisfies Owner), 0);
    } catch {
      // Then the next owner finds this process dead.
    }
    closeSync(this.opened);
    this.opened = undefined;
  }

  private file(): Stats {
    return fstatSync(this.opened!);
  }
}

export function cannotKeep(directory: string, cause: unknown): AuditError {
  const remedy =
    cause instanceof ForeignFileError
      ? 'Nothing but the journal writes there: remove what somebody has put there, and see who may. Where the file is a journal of a former user of this application, give it to the one of now (chown).'
      : "Write delivery: { directory: '…' } with a directory that the process may create and write to, on a disk with room.";
  return new AuditError(
    'AUDIT_INVALID_OPTIONS',
    `The audit journal can't be kept in ${directory}: ${String((cause as Error).message)}. ${remedy}`,
    { field: 'delivery.directory', cause },
  );
}

/** Creates the file, which must not be there yet. @returns it, open */
function write(path: string): number {
  const opened = openSync(path, 'wx', 0o600);
  try {
    writeSync(opened, JSON.stringify(thisProcess()));
    return opened;
  } catch (error) {
    closeSync(opened);
    // Else it would stand in the way of the next attempt.
    rmSync(path, { force: true });
    throw error;
  }
}

function pathOf(directory: string, number: number): string {
  return join(directory, `owner.${number}`);
}

/** The numbers of the owners whose files are there, in their order. */
function numbersIn(directory: string): number[] {
  return inOrder(readdirSync(directory).map((name) => Number(FILE.exec(name)?.[1])));
}

function lastOf(directory: string): number {
  return numbersIn(directory).at(-1) ?? 0;
}

/** @returns `undefined` where the file is not whole: its owner writes it just now, or died while it did */
function readOwner(directory: string, number: number): Owner | undefined {
  try {
    const owner = JSON.parse(readRegularFile(pathOf(directory, number), LARGEST_BYTES) ?? '') as Owner | null;
    return Number.isSafeInteger(owner?.pid) && owner!.pid > 0 ? owner! : undefined;
  } catch {
    return undefined;
  }
}

async function lives(directory: string, number: number, owner: Owner | undefined): Promise<boolean> {
  const state = owner ? stateOf(owner) : 'unknown';
  if (state !== 'unknown') return state === 'alive';
  // Where it is gone, another process was first: whoever asks looks again.
  const touched = () => lstatSync(pathOf(directory, number), { throwIfNoEntry: false })?.mtimeMs;
  const before = touched();
  for (let waited = 0; waited < SILENCE_MS; waited += 100) {
    await delay(100);
    if (touched() !== before) return true;
  }
  return false;
}

function taken(directory: string, owner: Owner | undefined): AuditError {
  const who = !owner
    ? 'another process'
    : owner.pid === process.pid
      ? 'an application of this very process (close it first)'
      : `the process ${owner.pid} on ${owner.host}`;
  return new AuditError(
    'AUDIT_INVALID_OPTIONS',
    `The audit journal ${directory} belongs to ${who}: give each process a directory of its own, delivery: { directory: 'audit-journal-2' }. A program that only reads the audit needs none: delivery: { mode: 'buffered' }.`,
    { field: 'delivery.directory' },
  );
}
