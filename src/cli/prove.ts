import { writeFileSync } from 'node:fs';
import { isEventId } from '../event/event-id.js';
import { toTlogProof } from '../ledger/proof-bundle.js';
import { proveEvent } from '../trail/event-prover.js';
import { withLog } from './open-log.js';
import type { DatabaseArguments } from './open-log.js';
import { CommandError, EXIT, print, say } from './output.js';
import type { ExitCode, Output } from './output.js';

export interface ProveArguments extends DatabaseArguments {
  readonly out?: string;
  readonly tlogProof?: boolean;
}

export async function prove(output: Output, id: string, options: ProveArguments): Promise<ExitCode> {
  if (!isEventId(id)) throw new CommandError(`${JSON.stringify(id)} is no event's id: write its UUID.`);
  return withLog(options, async ({ events, ledger }) => {
    const event = await events.findById(id, {});
    if (!event) throw new CommandError(`There is no event ${id}.`);
    const proof = await proveEvent(ledger, event);
    if (!proof) throw new CommandError(`The event ${id} is not sealed yet.`);
    const text = options.tlogProof ? toTlogProof(proof) : `${JSON.stringify(proof, undefined, 2)}\n`;
    if (options.out === undefined) print(output, text);
    else {
      writeFileSync(options.out, text);
      say(output, `${options.out}: leaf ${proof.leafIndex} of ${proof.treeSize}`);
    }
    return EXIT.sound;
  });
}
