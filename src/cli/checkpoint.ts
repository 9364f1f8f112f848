import type { SignedCheckpoint } from '../sealer/ledger-options.js';
import { readCheckpoint } from '../sealer/read-checkpoint.js';
import { withLog } from './open-log.js';
import type { DatabaseArguments } from './open-log.js';
import { CommandError, EXIT, print, say } from './output.js';
import type { ExitCode, Output } from './output.js';

export interface CheckpointArguments extends DatabaseArguments {
  readonly json?: boolean;
}

/** Prints the newest checkpoint, to be kept elsewhere. */
export function checkpoint(output: Output, options: CheckpointArguments): Promise<ExitCode> {
  return withLog(options, async ({ ledger }) => {
    const head = await ledger.head();
    if (!head) throw new CommandError('The log has no checkpoint yet: nothing was sealed.');
    const { origin } = readCheckpoint(head, []);
    const { treeSize, rootHash, note } = head;
    if (options.json)
      say(output, JSON.stringify({ origin, treeSize, rootHash, note } satisfies SignedCheckpoint));
    else print(output, note);
    return EXIT.sound;
  });
}
