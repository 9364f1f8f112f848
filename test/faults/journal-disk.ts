// Where an application under test keeps its journal, and how that disk fails.
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { atEndOfRun, hasEnded } from '../support/harness/end-of-run.mjs';

export interface JournalDisk {
  /** The journal's directory, as the application sees it. */
  readonly directory: string;
  /** The same, as the test sees it. */
  readonly visible: string;
  /** What an application that is to use this disk is started by; its arguments follow. */
  readonly prefix: readonly string[];
  /** From now on nothing more can be written. Of `pid`, where the disk itself can't be filled. */
  fill(pid: number): void;
  free(pid: number): Promise<void>;
  /** From now on no file can be created, changed or deleted there; what is open stays open. */
  makeReadOnly(): void;
  makeWritable(): void;
  release(): Promise<void>;
}

/** A folder on the machine's own disk, which does not fail. */
export function plainFolder(directory: string): JournalDisk {
  const never = () => {
    throw new Error('This disk does not fail: ask createFailingDisk for one.');
  };
  return {
    directory,
    visible: directory,
    prefix: [],
    fill: never,
    free: never,
    makeReadOnly: never,
    makeWritable: never,
    release: async () => undefined,
  };
}

/** A disk of 4 MiB that can fail. */
export async function createFailingDisk(folder: string): Promise<JournalDisk> {
  mkdirSync(folder);
  return mayMount() ? MountedDisk.create(folder) : new LimitedDisk(folder);
}

function mayMount(): boolean {
  if (process.env['AUDIT_FAULTS_NO_MOUNT'] === '1') return false;
  try {
    execFileSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/tmp'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/**
 * A file system of its own, mounted where only the processes of a mount namespace see it: when the last of them ends, it
 * is gone, whatever became of the test.
 */
class MountedDisk implements JournalDisk {
  readonly directory: string;
  private filler: ChildProcess | undefined;

  private constructor(
    private readonly folder: string,
    private readonly holder: ChildProcess,
  ) {
    this.directory = join(folder, 'journal');
  }

  static async create(folder: string): Promise<MountedDisk> {
    const script =
      'mount -t tmpfs -o size=4m tmpfs "$0" && mkdir -m 700 "$0/journal" && echo mounted && exec sleep infinity';
    const holder = spawn('unshare', ['--mount', 'sh', '-c', script, folder], {
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    atEndOfRun({ processGroup: holder.pid!, signal: 'SIGKILL' });
    holder.once('exit', () => hasEnded(holder.pid!));
    await once(holder.stdout, 'data');
    return new MountedDisk(folder, holder);
  }

  get visible(): string {
    return `/proc/${this.holder.pid}/root${this.directory}`;
  }

  get prefix(): readonly string[] {
    return ['nsenter', '--mount', '--target', String(this.holder.pid)];
  }

  fill(): void {
    // Again and again, since what the application deletes makes room.
    const script = 'while :; do cat /dev/zero >> "$0/filler" 2>/dev/null; sleep 0.05; done';
    const [program, ...args] = [...this.prefix, 'sh', '-c', script, this.folder];
    const filler = spawn(program!, args, { detached: true, stdio: 'ignore' });
    atEndOfRun({ processGroup: filler.pid!, signal: 'SIGKILL' });
    filler.once('exit', () => hasEnded(filler.pid!));
    this.filler = filler;
  }

  async free(): Promise<void> {
    if (!this.filler) return;
    const ended = once(this.filler, 'close');
    // With the program that it is just running.
    process.kill(-this.filler.pid!, 'SIGKILL');
    await ended;
    this.filler = undefined;
    this.run('rm', '-f', join(this.folder, 'filler'));
  }

  makeReadOnly(): void {
    // Put over itself, since a file that is open for writing forbids to change the mount that it was opened through; and
    // made elsewhere, so that none is opened before it is done.
    const aside = join(this.folder, 'aside');
    this.run('mkdir', '-p', aside);
    this.run('mount', '--bind', this.directory, aside);
    this.run('mount', '-o', 'remount,bind,ro', aside);
    this.run('mount', '--move', aside, this.directory);
  }

  makeWritable(): void {
    // Lazy, since whoever reads the journal may have opened a file through the mount.
    this.run('umount', '--lazy', this.directory);
  }

  async release(): Promise<void> {
    await this.free();
    const ended = once(this.holder, 'exit');
    this.holder.kill('SIGKILL');
    await ended;
  }

  private run(...command: string[]): void {
    const [program, ...args] = [...this.prefix, ...command];
    execFileSync(program!, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  }
}

/** For machines where nothing may be mounted: the kernel is told to let the process write no byte to any file. */
class LimitedDisk implements JournalDisk {
  readonly directory: string;

  constructor(folder: string) {
    this.directory = join(folder, 'journal');
    mkdirSync(this.directory, { mode: 0o700 });
  }

  get visible(): string {
    return this.directory;
  }

  get prefix(): readonly string[] {
    // For root no directory is read-only, unless it gives up that right.
    const rights = '-dac_override,-dac_read_search';
    return process.getuid?.() === 0 ? ['setpriv', `--bounding-set=${rights}`, `--inh-caps=${rights}`] : [];
  }

  fill(pid: number): void {
    limitFileSize(pid, '0:');
  }

  async free(pid: number): Promise<void> {
    limitFileSize(pid, 'unlimited:');
  }

  makeReadOnly(): void {
    chmodSync(this.directory, 0o500);
  }

  makeWritable(): void {
    chmodSync(this.directory, 0o700);
  }

  async release(): Promise<void> {
    this.makeWritable();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Sets the process's soft limit of the size of files that it writes, which it can't go beyond: `0:` or `unlimited:`. */
export function limitFileSize(pid: number, limit: '0:' | 'unlimited:'): void {
  execFileSync('prlimit', ['--pid', String(pid), `--fsize=${limit}`], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
