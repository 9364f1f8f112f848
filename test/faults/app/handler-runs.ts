// Which handlers ran, told where the death of the process can't take it away, and where no full disk is in the way.
import { openSync, writeSync } from 'node:fs';

export class HandlerRuns {
  count = 0;
  private readonly pipe: number;

  /** @param path a named pipe, which the test reads */
  constructor(path: string) {
    this.pipe = openSync(path, 'a');
  }

  /** Returns once the kernel has it. */
  note(id: string): void {
    this.count += 1;
    writeSync(this.pipe, `${id}\n`);
  }
}
