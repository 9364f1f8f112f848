import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ledgerBroken } from '../event/audit-error.js';
import { entriesPath, TILE_WIDTH, tilePath } from '../ledger/tile.js';
import { leafHash } from '../ledger/merkle.js';
import { LogTip } from '../sealer/log-tip.js';
import { leafTextOf } from '../store/event-leaf.js';
import type { LeafWithEvent } from '../store/ledger.repository.js';
import { withLog } from './open-log.js';
import type { DatabaseArguments } from './open-log.js';
import { CommandError, EXIT, ProgressBar, say } from './output.js';
import type { ExitCode, Output } from './output.js';

export interface ExportArguments extends DatabaseArguments {
  /** `false`: the tree alone. */
  readonly entries: boolean;
}

/** What the length of an entry in a bundle can say (C2SP tlog-tiles). */
const MAX_ENTRY = 65_535;

/** Writes the log as a directory in the layout of C2SP tlog-tiles. What it holds has the root of its checkpoint. */
export async function exportTiles(
  output: Output,
  directory: string,
  options: ExportArguments,
): Promise<ExitCode> {
  const bar = new ProgressBar(output);
  const write = (path: string, content: string | Buffer) => {
    const file = join(directory, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  };
  const leafCount = await withLog(options, async ({ ledger }) => {
    const head = await ledger.head();
    if (!head) throw new CommandError('The log has no checkpoint yet: nothing was sealed.');
    let tip = await LogTip.load(ledger, 0);
    for (let from = 0; from < head.treeSize; from += TILE_WIDTH) {
      bar.show(from, head.treeSize);
      const to = Math.min(from + TILE_WIDTH, head.treeSize);
      const leaves = await ledger.leaves(from, to);
      if (leaves.length !== to - from) throw ledgerBroken(`of leaves ${from} to ${to - 1} some are missing`);
      if (options.entries) {
        write(entriesPath(from / TILE_WIDTH, to - from), Buffer.concat(leaves.flatMap(entryOf)));
      }
      const extended = tip.extend(leaves.map(({ leafHash: hash }) => Buffer.from(hash, 'base64')));
      tip = extended.tip;
      for (const { level, tileIndex, hashes } of extended.tiles) {
        write(tilePath(level, tileIndex), Buffer.from(hashes, 'base64'));
      }
    }
    for (const { level, tileIndex, hashes } of tip.partialTiles) {
      write(tilePath(level, tileIndex, hashes.length), Buffer.concat(hashes));
    }
    if (tip.root().toString('base64') !== head.rootHash) {
      throw ledgerBroken('the leaves do not have the root of the newest checkpoint');
    }
    // Last: it vouches for what is there.
    write('checkpoint', head.note);
    return head.treeSize;
  }).finally(() => bar.clear());
  say(output, `${directory}: ${leafCount} leaves`);
  return EXIT.sound;
}

/** The entry of a leaf, behind its length in two bytes. */
function entryOf({ leafIndex, eventId, event, leafHash: sealed }: LeafWithEvent): Buffer[] {
  if (!event) {
    throw new CommandError(
      `Event ${eventId}, leaf ${leafIndex}, is not there any more; nest-audit verify says whether retention has removed it. Write --no-entries to export the tree alone.`,
    );
  }
  const data = Buffer.from(leafTextOf(event));
  if (leafHash(data).toString('base64') !== sealed)
    throw ledgerBroken(`event ${eventId} is not what was sealed as leaf ${leafIndex}`);
  if (data.length > MAX_ENTRY) {
    throw new CommandError(
      `Event ${eventId} has ${data.length} bytes, and an entry of C2SP tlog-tiles ${MAX_ENTRY} at most: write --no-entries to export the tree alone.`,
    );
  }
  const length = Buffer.alloc(2);
  length.writeUInt16BE(data.length);
  return [length, data];
}
