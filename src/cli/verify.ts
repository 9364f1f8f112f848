import { LogVerifier } from '../trail/verification/log-verifier.js';
import type { VerifyResult } from '../trail/verification/verification-result.js';
import { defined } from '../event/present.js';
import { withLog } from './open-log.js';
import type { DatabaseArguments } from './open-log.js';
import { EXIT, ProgressBar, say, warn } from './output.js';
import type { ExitCode, Output } from './output.js';
import { checkpointsOf, verifiersOf } from './read-files.js';

export interface VerifyArguments extends DatabaseArguments {
  readonly key: readonly string[];
  readonly unsignedUntil?: number;
  readonly origin?: string;
  readonly checkpoint: readonly string[];
  readonly from?: number;
  readonly to?: number;
  readonly maxProblems?: number;
  readonly json?: boolean;
}

export async function verify(output: Output, options: VerifyArguments): Promise<ExitCode> {
  const { unsignedUntil, origin, from, to, maxProblems } = options;
  const verifiers = verifiersOf(options.key);
  const checkpoints = await checkpointsOf(options.checkpoint, (line) => warn(output, line));
  const bar = new ProgressBar(output);
  const result = await withLog(options, (log) =>
    new LogVerifier(log, { verifiers, explanations: () => log.explanations }).verify({
      checkpoints,
      ...defined({ unsignedUntil, origin, from, to, maxProblems }),
      onProgress: ({ done, total }) => bar.show(done, total),
    }),
  ).finally(() => bar.clear());
  if (options.json) say(output, JSON.stringify(result));
  else report(output, result);
  return result.ok ? EXIT.sound : EXIT.broken;
}

function report(output: Output, result: VerifyResult): void {
  const {
    treeSize,
    events,
    removed = 0,
    checkpoints,
    unsigned,
    pending,
    deadLetters = 0,
    problems,
    moreProblems = 0,
  } = result;
  const count = problems.length + moreProblems;
  say(
    output,
    result.ok
      ? `Sound: ${events} events are what was sealed, in a log of ${treeSize} leaves; ${checkpoints} ${checkpoints === 1 ? 'checkpoint fits' : 'checkpoints fit'}.`
      : `BROKEN: ${count} ${count === 1 ? 'problem' : 'problems'} in a log of ${treeSize} leaves.`,
  );
  for (const { code, message, source } of problems) {
    say(output, `  ${code}: ${message}${source === undefined ? '' : ` (source ${source})`}`);
  }
  if (moreProblems > 0) say(output, `  and ${moreProblems} more`);
  if (removed > 0) say(output, `${removed} events were removed by retention, as records in the log say.`);
  if (pending > deadLetters) say(output, `${pending - deadLetters} events are stored and not sealed yet.`);
  if (deadLetters > 0) {
    say(
      output,
      `${deadLetters} events are dead letters and in no log; ${result.signaturesChecked ? 'a key vouches for them' : 'nothing vouches for them'}. Replay them.`,
    );
  }
  if (unsigned > 0)
    say(output, `${unsigned} ${unsigned === 1 ? 'checkpoint is' : 'checkpoints are'} not signed.`);
  if (!result.signaturesChecked) {
    warn(
      output,
      'Signatures were NOT checked: without --key, whoever can write to the database could have written all of it.',
    );
  }
}
