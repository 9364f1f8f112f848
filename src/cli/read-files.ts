import { existsSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { formatFault } from '../ledger/format-error.js';
import { parseVerifierKey } from '../ledger/keys.js';
import type { NoteVerifier } from '../ledger/keys.js';
import { parseStrictJson } from '../ledger/strict-json.js';
import { CommandError } from './output.js';

/** @throws CommandError */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CommandError(`${file} can't be read: ${(error as Error).message}.`);
  }
}

/**
 * The verifier keys of `--key`: each a key, or a file with one on each line.
 *
 * @throws CommandError
 */
export function verifiersOf(keys: readonly string[]): NoteVerifier[] {
  return keys.flatMap((key) => {
    if (!existsSync(key)) return [parsedKey(key, '--key names no file that exists, and is no key. ')];
    const lines = readText(key)
      .split('\n')
      .filter((line) => line.trim() !== '');
    // Without any, nothing would be checked, and all be well.
    if (lines.length === 0) throw new CommandError(`${key} has no verifier key in it: write one on a line.`);
    return lines.map((line) => parsedKey(line, ''));
  });
}

/** Never shows the text: somebody may have given the signer key. */
function parsedKey(text: string, where: string): NoteVerifier {
  try {
    return parseVerifierKey(text);
  } catch (error) {
    throw new CommandError(`${where}${formatFault(error)}.`);
  }
}

/**
 * The notes of `--checkpoint`: each file is a note, or has a checkpoint in JSON on each line, as `ledger.publish` writes it. Of
 * those that say the same one is kept.
 *
 * @param warn told of a line that is cut off, as where a disk or a process ended while it was written
 * @throws CommandError
 */
export async function checkpointsOf(
  files: readonly string[],
  warn: (line: string) => void,
): Promise<string[]> {
  const notes = new Map<string, string>();
  for (const file of files) {
    let [isNote, number, count] = [true, 0, 0];
    for await (const line of linesOf(file)) {
      number += 1;
      if (number === 1) isNote = !line.startsWith('{');
      if (isNote) break;
      if (line === '') continue;
      const checkpoint = parsed(line, `Line ${number} of ${file}`);
      if (checkpoint === undefined) {
        warn(`Line ${number} of ${file} is cut off, and is left out.`);
        continue;
      }
      const { note } = checkpoint;
      if (typeof note !== 'string') throw new CommandError(`Line ${number} of ${file} is no checkpoint.`);
      notes.set(note.slice(0, note.lastIndexOf('\n\n')), note);
      count += 1;
    }
    if (isNote) {
      const note = readText(file);
      notes.set(note, note);
    } else if (count === 0) throw new CommandError(`In ${file} is no checkpoint.`);
  }
  return [...notes.values()];
}

/** Line by line: a file of years of checkpoints is not read as a whole. */
async function* linesOf(file: string): AsyncGenerator<string, void> {
  const handle = await open(file).catch((error: Error) => {
    throw new CommandError(`${file} can't be read: ${error.message}.`);
  });
  try {
    // Of a directory the stream alone would tell, by an event that nobody hears.
    if ((await handle.stat()).isDirectory())
      throw new CommandError(`${file} can't be read: it is a directory.`);
    yield* handle.readLines();
  } finally {
    await handle.close();
  }
}

/**
 * What the line says; `undefined` where it has no end.
 *
 * @throws CommandError where readers could understand it in more than one way
 */
function parsed(line: string, where: string): { note?: unknown } | undefined {
  try {
    JSON.parse(line);
  } catch {
    return undefined;
  }
  try {
    return Object(parseStrictJson(line)) as { note?: unknown };
  } catch (error) {
    throw new CommandError(`${where}: ${formatFault(error)}.`);
  }
}
