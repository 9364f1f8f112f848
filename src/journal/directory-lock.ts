import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AuditError } from '../event/audit-error.js';
import { stateOf, thisProcess } from './process-identity.js';
import type { ProcessIdentity } from './process-identity.js';

/** What an owner's file says; `closed` once it has left the directory. */
interface Owner extends ProcessIdentity {
  readonly closed?: true;
}

const FILE = /^owner\.(\d+)$/;
/** An owner that can't be looked at shows that it lives by touching its file; after this long without, it does not. */
const SILENCE_MS = 5_000;

/**
 * Makes one process the owner of a directory. Each owner writes a file `owner.<n>`, with the next number; only one
 * process can create it, whoever else finds the last owner dead at the same moment, and nobody ever takes one away but
 * its successor.
 */
export class DirectoryLock {
  private inode: number;

  private constructor(
    readonly directory: string,
    private readonly number: number,
    /** Who had it before. */
    readonly previous: ProcessIdentity | undefined,
  ) {
    this.inode = statSync(this.path).ino;
  }

  /**
   * @throws AuditError `AUDIT_INVALID_OPTIONS` where the directory has an owner that lives, or can't be written to
   */
  static async acquire(directory: string): Promise<DirectoryLock> {
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      for (;;) {
        const last = lastOf(directory);
        const owner = last > 0 ? readOwner(directory, last) : undefined;
        if (last > 0 && !owner?.closed && (await lives(directory, last, owner)))
          throw taken(directory, owner);
        const lock = DirectoryLock.create(directory, last + 1, owner);
        if (lock) return lock;
      }
    } catch (error) {
      throw error instanceof AuditError ? error : cannotKeep(directory, error);
    }
  }

  private static create(
    directory: string,
    number: number,
    previous?: ProcessIdentity,
  ): DirectoryLock | undefined {
    try {
      writeFileSync(pathOf(directory, number), JSON.stringify(thisProcess()), { flag: 'wx', mode: 0o600 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
      throw error;
    }
    const lock = new DirectoryLock(directory, number, previous);
    // Whoever comes late with a number that was free again is not the owner.
    if (lastOf(directory) !== number) {
      rmSync(lock.path, { force: true });
      return undefined;
    }
    for (const name of readdirSync(directory)) {
      // Another that came late may take its own away just now.
      if (FILE.test(name) && numberOf(name) < number) rmSync(join(directory, name), { force: true });
    }
    return lock;
  }

  get path(): string {
    return pathOf(this.directory, this.number);
  }

  /** Shows that the owner lives, and looks whether it still is the owner. */
  touch(): 'held' | 'gone' | 'taken' {
    try {
      if (lastOf(this.directory) > this.number) return 'taken';
      if (statSync(this.path).ino !== this.inode) return 'gone';
      const now = new Date();
      utimesSync(this.path, now, now);
      return 'held';
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'gone' : 'held';
    }
  }

  /** Makes the directory and the file anew, where somebody deleted them. @throws the file system's error */
  putBack(): void {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    writeFileSync(this.path, JSON.stringify(thisProcess()), { flag: 'wx', mode: 0o600 });
    this.inode = statSync(this.path).ino;
  }

  /** Leaves the directory. */
  release(): void {
    try {
      writeFileSync(this.path, JSON.stringify({ ...thisProcess(), closed: true } satisfies Owner), {
        flag: 'r+',
      });
    } catch {
      // Then the next owner finds this process dead.
    }
  }
}

/** What to tell where the file system refuses. */
export function cannotKeep(directory: string, cause: unknown): AuditError {
  return new AuditError(
    'AUDIT_INVALID_OPTIONS',
    `The audit journal can't be kept in ${directory}: ${String((cause as Error).message)}. Write delivery: { directory: '…' } with a directory that the process may create and write to, on a disk with room.`,
    { field: 'delivery.directory', cause },
  );
}

function pathOf(directory: string, number: number): string {
  return join(directory, `owner.${number}`);
}

function numberOf(name: string): number {
  return Number(FILE.exec(name)?.[1] ?? 0);
}

function lastOf(directory: string): number {
  return Math.max(0, ...readdirSync(directory).map(numberOf));
}

/** @returns `undefined` where the file is not whole: its owner writes it just now, or died while it did */
function readOwner(directory: string, number: number): Owner | undefined {
  try {
    return JSON.parse(readFileSync(pathOf(directory, number), 'utf8')) as Owner;
  } catch {
    return undefined;
  }
}

async function lives(directory: string, number: number, owner: Owner | undefined): Promise<boolean> {
  const state = owner ? stateOf(owner) : 'unknown';
  if (state !== 'unknown') return state === 'alive';
  // Where it is gone, another process was first: whoever asks looks again.
  const touched = () => statSync(pathOf(directory, number), { throwIfNoEntry: false })?.mtimeMs;
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
