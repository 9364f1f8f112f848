// Which handlers of an application ran, in any of its processes, as they told the kernel.
import { execFileSync } from 'node:child_process';
import { constants, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';

/** What no request's id begins with. */
const MARK = '~';

export class HandlerRuns {
  /** When each was heard of, by the monotonic clock, milliseconds. */
  readonly at = new Map<string, number>();
  private readonly pipe: Socket;
  private readonly waiting = new Map<string, () => void>();
  private marks = 0;

  /** @param path where the named pipe is made that the processes write to */
  constructor(readonly path: string) {
    execFileSync('mkfifo', [path]);
    // Open for both, so that it does not end with a process that wrote to it.
    const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    this.pipe = new Socket({ fd, readable: true, writable: true });
    createInterface(this.pipe).on('line', (line) => {
      if (!line.startsWith(MARK)) this.at.set(line, performance.now());
      else this.waiting.get(line)?.();
    });
  }

  /** Resolves when everything that was written until now is read. */
  async settled(): Promise<void> {
    const mark = `${MARK}${(this.marks += 1)}`;
    const read = new Promise<void>((resolve) => this.waiting.set(mark, resolve));
    this.pipe.write(`${mark}\n`);
    await read;
    this.waiting.delete(mark);
  }

  close(): void {
    this.pipe.destroy();
  }
}
