import { existsSync, readFileSync } from 'node:fs';
import { LedgerFormatError } from '../ledger/format-error.js';
import { parseVerifierKey } from '../ledger/keys.js';
import type { NoteVerifier } from '../ledger/keys.js';
import { CommandError } from './exit.js';

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
  const texts = keys.flatMap((key) =>
    existsSync(key)
      ? readText(key)
          .split('\n')
          .filter((line) => line.trim() !== '')
      : [key],
  );
  return texts.map((text) => {
    try {
      return parseVerifierKey(text);
    } catch (error) {
      if (error instanceof LedgerFormatError) throw new CommandError(error.message);
      throw error;
    }
  });
}

/**
 * The notes of `--checkpoint`: each file is a note, or has a checkpoint in JSON on each line, as `ledger.publish` writes it.
 *
 * @throws CommandError
 */
export function checkpointsOf(files: readonly string[]): string[] {
  return files.flatMap((file) => {
    const text = readText(file);
    if (!text.startsWith('{')) return [text];
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line, index) => {
        try {
          const { note } = JSON.parse(line) as { note?: unknown };
          if (typeof note === 'string') return note;
        } catch {
          // Told of below.
        }
        throw new CommandError(`Line ${index + 1} of ${file} is no checkpoint.`);
      });
  });
}
