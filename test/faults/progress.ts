// Tells whoever watches a long run where it is.

/** One line on the standard error stream, past the runner's own console. */
export function say(line: string): void {
  process.stderr.write(`      ${line}\n`);
}
