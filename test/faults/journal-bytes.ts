// Damages the files of a journal that nobody owns at the moment.
import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Changes one letter of a recorded path: the line keeps its length, but not its meaning. */
export function flipByte(directory: string, where: 'middle' | 'tail'): void {
  const file = lastSegment(directory);
  const bytes = readFileSync(file);
  const at = bytes.lastIndexOf('/things/', where === 'middle' ? bytes.length / 2 : undefined);
  if (at < 0) throw new Error(`No event is in ${file}.`);
  bytes[at + 1] = bytes[at + 1]! ^ 0x20;
  writeFileSync(file, bytes);
}

/** Cuts off the end of the last line, as a power cut may. */
export function tearOff(directory: string): void {
  const file = lastSegment(directory);
  truncateSync(file, statSync(file).size - 40);
}

/** The last of the files that hold events, which are larger than any other. */
function lastSegment(directory: string): string {
  const files = readdirSync(directory)
    .sort()
    .map((name) => join(directory, name))
    .filter((file) => readFileSync(file).includes('/things/'));
  const last = files.at(-1);
  if (last === undefined) throw new Error(`No event is in ${directory}.`);
  return last;
}
