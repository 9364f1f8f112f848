/** Where a command writes. Results go to the standard output, all else to standard error. */
export interface Output {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean };
}

/** A line with a newline. */
export function say({ stdout }: Output, line: string): void {
  stdout.write(`${line}\n`);
}

export function warn({ stderr }: Output, line: string): void {
  stderr.write(`${line}\n`);
}

const WIDTH = 30;

/** A bar on a terminal; nothing elsewhere. */
export class ProgressBar {
  private shown = '';

  constructor(private readonly output: Output) {}

  show(done: number, total: number): void {
    if (!this.output.stderr.isTTY) return;
    const share = total === 0 ? 1 : Math.min(1, done / total);
    const filled = Math.round(share * WIDTH);
    const bar = `[${'#'.repeat(filled)}${'.'.repeat(WIDTH - filled)}] ${Math.floor(share * 100)} %`;
    if (bar === this.shown) return;
    this.shown = bar;
    this.output.stderr.write(`\r${bar}`);
  }

  clear(): void {
    if (this.shown !== '') this.output.stderr.write(`\r${' '.repeat(WIDTH + 8)}\r`);
    this.shown = '';
  }
}
