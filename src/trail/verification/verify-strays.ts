import { unlessMalformed } from '../../ledger/format-error.js';
import { openCheckpoint } from '../../sealer/read-checkpoint.js';
import type { StoredCheckpoint } from '../../store/audit.entities.js';
import { doubtOf } from '../believed-checkpoints.js';
import type { Trust } from '../believed-checkpoints.js';
import type { VerifiedLog } from './verification.js';

/** Rows of each table that are told of one by one. */
const LISTED = 1_000;

/**
 * What is in the tables and not in the log: leaves, tiles and checkpoints outside of it. Each of them is forged, or the rest
 * of a log that was cut off; it may hide an event, or be in the way of the next batch.
 */
export async function verifyStrays({ ledger, problems, trust }: VerifiedLog): Promise<void> {
  const size = (await ledger.head())?.treeSize ?? 0;
  for (const checkpoint of await ledger.strayCheckpoints(LISTED)) {
    const { code, message } = strayCheckpoint(checkpoint, trust, size);
    problems.add(code, message, checkpoint);
  }
  const { leaves, more } = await ledger.strayLeaves(LISTED);
  for (const { leafIndex, eventId } of leaves) {
    const message = `Leaf ${leafIndex} (event ${eventId}) is outside of the log: the newest checkpoint is of ${size} leaves.`;
    problems.add('leaf_inserted', message, { leafIndex, eventId });
  }
  if (more > 0)
    problems.add('leaf_inserted', `There are ${more} more leaves outside of the log of ${size} leaves.`);
  // Listed first: what was completed since, the newer size has.
  const tiles = await ledger.strayTiles(size, LISTED);
  const now = tiles.length > 0 ? ((await ledger.head())?.treeSize ?? 0) : size;
  const stillStray = now === size ? tiles : await ledger.strayTiles(now, LISTED);
  for (const { level, tileIndex } of stillStray)
    problems.add(
      'tile_changed',
      `Tile ${tileIndex} of level ${level} does not belong to a log of ${now} leaves.`,
    );
}

function strayCheckpoint(
  { treeSize, previousSize, note }: StoredCheckpoint,
  trust: Trust,
  size: number,
): { code: 'checkpoint_changed' | 'log_truncated'; message: string } {
  const changed = (message: string) => ({ code: 'checkpoint_changed' as const, message });
  if (Number.isNaN(treeSize)) return changed('There is a checkpoint whose size is no whole number.');
  if (treeSize < 1) return changed(`There is a checkpoint of ${treeSize} leaves, which can be none.`);
  if (previousSize >= treeSize) {
    return changed(
      `The checkpoint of ${treeSize} leaves extends one of ${previousSize}, which is not smaller.`,
    );
  }
  const checkpoint = unlessMalformed(() => openCheckpoint(note, trust.verifiers));
  if (
    checkpoint?.treeSize !== treeSize ||
    !checkpoint.isTrusted ||
    doubtOf(checkpoint, trust) !== undefined
  ) {
    return changed(`The checkpoint of ${treeSize} leaves claims more than there are: the log has ${size}.`);
  }
  return {
    code: 'log_truncated',
    message: `The signed checkpoint of ${treeSize} leaves is there, and the log has ${size}: its end was cut off.`,
  };
}
