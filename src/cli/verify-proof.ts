import { LedgerFormatError } from '../ledger/format-error.js';
import { checkProof } from '../ledger/proof-bundle.js';
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
    if (!(error instanceof LedgerFormatError)) throw error;
    throw new CommandError(`${file}: ${error.message} Write the file that nest-audit prove has made.`);
  }
  const check = checkProof(bundle, verifiers);
  // It may be anything that JSON can say, where it is no proof.
  const { event, leafIndex } = Object(bundle) as { event?: { id?: unknown }; leafIndex?: unknown };
  if (options.json) {
    const proved = check.ok && {
      eventId: event?.id,
      leafIndex,
      treeSize: check.checkpoint.treeSize,
      origin: check.checkpoint.origin,
    };
    say(output, JSON.stringify(check.ok ? { ok: true, ...proved } : check));
  } else if (check.ok) {
    const { origin, treeSize } = check.checkpoint;
    say(
      output,
      `Sound: event ${String(event?.id)} is leaf ${String(leafIndex)} of the ${treeSize} that ${origin} has signed.`,
    );
  } else say(output, `BROKEN: ${check.reason}`);
  return check.ok ? EXIT.sound : EXIT.broken;
}
