import { writeFileSync } from 'node:fs';
import { generateKeys } from '../ledger/keys.js';
import { CommandError, EXIT, say } from './output.js';
import type { ExitCode, Output } from './output.js';

export interface KeygenArguments {
  readonly name: string;
  readonly out?: string;
  readonly json?: boolean;
}

/** Makes a pair of keys. The signer's goes to a file that only its owner can read, where one is named. */
export function keygen(output: Output, { name, out, json }: KeygenArguments): ExitCode {
  const { signerKey, verifierKey } = generateKeys(name);
  if (out !== undefined) {
    try {
      writeFileSync(out, `${signerKey}\n`, { mode: 0o600, flag: 'wx' });
    } catch (error) {
      const exists = (error as NodeJS.ErrnoException).code === 'EEXIST';
      throw new CommandError(
        exists ? `${out} exists already: it may be a key in use.` : (error as Error).message,
      );
    }
  }
  const shown = { ...(out === undefined && { signerKey }), verifierKey };
  if (json) say(output, JSON.stringify(shown));
  else for (const key of Object.values(shown)) say(output, key);
  return EXIT.sound;
}
