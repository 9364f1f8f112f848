// What a command answers: what it ends with, and what it writes, as a terminal may show it.
import { withoutUrlSecrets } from '../event/url-secrets.js';

/** What the commands end with. */
export const EXIT = { sound: 0, broken: 1, unknown: 2 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The command could not do what it was asked. The message is for people, in one line. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

/** Where a command writes. Results go to the standard output, all else to standard error. */
export interface Output {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean };
}

/** Control characters, and those that show nothing or turn the direction of writing; half of a pair of surrogates. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Text of anybody's as a terminal may show it: what could hide, erase or reorder what it shows is escaped. In JSON it says the same. */
export function visible(text: string): string {
  return text.replace(INVISIBLE, (char) =>
    Array.from(
      { length: char.length },
      (_, at) => `\\u${char.charCodeAt(at).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}

export function say({ stdout }: Output, line: string): void {
  stdout.write(`${visible(line)}\n`);
}

export function print({ stdout }: Output, text: string): void {
  stdout.write(visibleLines(text));
}

export function warn({ stderr }: Output, line: string): void {
  stderr.write(`${visible(withoutUrlSecrets(line))}\n`);
}

/** As {@link visible}, except the ends of lines. */
export function visibleLines(text: string): string {
  return text.split('\n').map(visible).join('\n');
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
