import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Which process, of all that ever ran anywhere. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly host: string;
  /** Of the operating system since it was started; Linux only. */
  readonly boot?: string;
  /** Within which `pid` means something, such as a container; Linux only. */
  readonly namespace?: string;
  /** When it was started, in the kernel's own count, since numbers of processes are used again; Linux only. */
  readonly started?: string;
}

export function thisProcess(): ProcessIdentity {
  const boot = quietly(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim());
  const namespace = quietly(() => readlinkSync('/proc/self/ns/pid'));
  const started = startOf(process.pid);
  return {
    pid: process.pid,
    host: hostname(),
    ...(boot !== undefined && { boot }),
    ...(namespace !== undefined && { namespace }),
    ...(started !== undefined && { started }),
  };
}

/** `unknown`: it ran on another machine or in another container, where this process can't look. */
export function stateOf(other: ProcessIdentity): 'alive' | 'dead' | 'unknown' {
  const self = thisProcess();
  if (other.boot !== self.boot) return other.host === self.host ? 'dead' : 'unknown';
  if (other.namespace !== self.namespace) return 'unknown';
  if (self.boot === undefined && other.host !== self.host) return 'unknown';
  if (other.started !== undefined) return startOf(other.pid) === other.started ? 'alive' : 'dead';
  try {
    process.kill(other.pid, 0);
    return 'alive';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH' ? 'dead' : 'alive';
  }
}

/** @param identity JSON of a {@link ProcessIdentity}, as it was noted; other text tells nothing */
export function isKnownDead(identity: string | undefined): boolean {
  const other = quietly(() => JSON.parse(identity ?? '') as Partial<ProcessIdentity> | null);
  return Number.isInteger(other?.pid) && stateOf(other as ProcessIdentity) === 'dead';
}

/** Field 22 of `/proc/<pid>/stat`, see proc(5); `undefined` where there is no such process, or it has ended. */
function startOf(pid: number): string | undefined {
  return quietly(() => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the program's name in brackets, and may hold anything.
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? undefined : fields[18];
  });
}

function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
