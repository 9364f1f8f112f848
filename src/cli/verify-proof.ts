import { formatFault } from '../ledger/format-error.js';
import { checkProof } from '../ledger/proof-bundle.js';
import type { AuditProof } from '../ledger/proof-bundle.js';
import { parseStrictJson } from '../ledger/strict-json.js';
import { CommandError, EXIT, say } from './output.js';
import type { ExitCode, Output } from './output.js';
import { readText, verifiersOf } from './read-files.js';

export interface VerifyProofArguments {
  readonly key: readonly string[];
  readonly json?: boolean;
}

/** Needs no database, and loads none of its packages. */
export function verifyProof(output: Output, file: string, options: VerifyProofArguments): ExitCode {
  if (options.key.length === 0) {
    throw new CommandError(
      'Whose signature is to be trusted? Write --key with the verifier key of the log, or a file of them.',
    );
  }
  const verifiers = verifiersOf(options.key);
  const text = readText(file);
  let bundle: unknown;
  try {
    bundle = parseStrictJson(text);
  } catch (error) {
    throw new CommandError(`${file}: ${formatFault(error)}. Write the file that nest-audit prove has made.`);
  }
  const check = checkProof(bundle, verifiers);
  if (!check.ok) {
    say(output, options.json ? JSON.stringify(check) : `BROKEN: ${check.reason}`);
    return EXIT.broken;
  }
  const { event, leafIndex } = bundle as AuditProof;
  const { origin, treeSize } = check.checkpoint;
  say(
    output,
    options.json
      ? JSON.stringify({ ok: true, eventId: event.id, leafIndex, treeSize, origin })
      : `Sound: event ${event.id} is leaf ${leafIndex} of the ${treeSize} that ${origin} has signed.`,
  );
  return EXIT.sound;
}
