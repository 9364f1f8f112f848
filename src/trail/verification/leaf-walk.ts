import type { CompactRange } from '../../ledger/merkle.js';
import { decodeHashes, TILE_WIDTH } from '../../ledger/tile.js';
import { numberOf, fromRow } from '../../store/event-row.js';
import { leafHashOf } from '../../store/event-leaf.js';
import type { LeafWithEvent, LedgerRepository, NumberedRow } from '../../store/ledger.repository.js';
import { GAP_ACTION } from '../../store/sealing.repository.js';
import { CandidateRoots } from './candidate-roots.js';
import type { CheckpointWalk } from './checkpoint-walk.js';
import { hashBytes } from './hash-bytes.js';
import type { ProblemList } from './problem-list.js';
import type { SourceOrder } from './source-order.js';

/** Leaves that are read at a time: four tiles. */
const PAGE = 4 * TILE_WIDTH;

/** Goes through the leaves in order, each with its event and its place in a tile. */
export class LeafWalk {
  events = 0;
  private readonly roots: CandidateRoots;

  constructor(
    private readonly ledger: LedgerRepository,
    private readonly problems: ProblemList,
    private readonly order: SourceOrder,
    private readonly checkpoints: CheckpointWalk,
    start: CompactRange,
  ) {
    this.roots = new CandidateRoots(start);
  }

  /**
   * @param to where to end at the earliest: it goes on to the next checkpoint, which is what vouches for the last leaves
   * @param size of the whole log
   */
  async walk(from: number, to: number, size: number, report: (done: number) => void): Promise<void> {
    let stop = await this.checkpoints.nextStop();
    for (let start = from; start < size && (start < to || stop <= size);) {
      const end = Math.min(size, start - (start % PAGE) + PAGE);
      const rows = await this.ledger.leaves(start, end);
      if (rows.length === 0) {
        start = await this.skip(start, end, size);
        for (; stop <= start; stop = await this.checkpoints.nextStop()) {
          this.checkpoints.compare(stop, this.roots);
        }
        continue;
      }
      const leaves = new Map(rows.map((leaf) => [leaf.leafIndex, leaf]));
      const tiles = await this.tiles(start, end, size);
      for (let index = start; index < end; index += 1) {
        this.leaf(index, leaves.get(index), tiles.get(Math.floor(index / TILE_WIDTH))?.[index % TILE_WIDTH]);
        if (index + 1 !== stop) continue;
        this.checkpoints.compare(stop, this.roots);
        if (!this.roots.hasDoubts) this.checkpoints.eventIds.clear();
        stop = await this.checkpoints.nextStop();
        if (index + 1 >= to && to < size) {
          report(to - from);
          return;
        }
      }
      start = end;
      report(Math.min(end, to) - from);
    }
    this.checkpoints.finish(this.roots);
    if (to === size) {
      await this.beyond(size);
      this.checkpoints.end(size);
    }
  }

  /** Where the leaves go on after a page without any; told of once, however many they are. */
  private async skip(start: number, end: number, size: number): Promise<number> {
    const next = Math.min((await this.ledger.nextLeaf(end)) ?? size, size);
    this.problems.add({
      code: 'leaf_missing',
      leafIndex: start,
      message: `Leaves ${start} to ${next - 1} are not there.`,
    });
    this.roots.lose();
    return next;
  }

  private leaf(index: number, leaf: LeafWithEvent | undefined, tile: Buffer | undefined): void {
    if (!leaf) {
      this.problems.add({
        code: 'leaf_missing',
        leafIndex: index,
        message: `Leaf ${index} is not there.`,
      });
      this.roots.append(index, { leaf: undefined, event: undefined, tile });
      return;
    }
    const event = leaf.event && leafHashOf(leaf.event);
    const stored = hashBytes(leaf.leafHash);
    if (!event) {
      this.problems.add({
        code: 'event_missing',
        ...whereOf(leaf),
        message: `Event ${leaf.eventId}, leaf ${index}, is not in the table any more.`,
      });
    } else this.events += 1;
    if (!stored) {
      this.problems.add({
        code: 'leaf_changed',
        ...whereOf(leaf),
        message: `The hash of leaf ${index} is none.`,
      });
    }
    if (!stored || !event?.equals(stored) || (tile && !tile.equals(stored))) {
      this.checkpoints.eventIds.set(index, leaf.eventId);
    }
    this.roots.append(index, { leaf: stored, event, tile });
    this.numbers(leaf, event !== undefined && stored?.equals(event) === true);
    this.order.next(leaf, leaf.event ? isGapEvent(leaf.event) : leaf.sequence !== leaf.through);
  }

  /**
   * Whether the event's number is said in the same way wherever it is said.
   *
   * @param isSealed whether leaf and event belong together; otherwise one of them is told of anyway
   */
  private numbers(leaf: LeafWithEvent, isSealed: boolean): void {
    const { event, leafIndex, eventId } = leaf;
    if (!event) return;
    let said: (string | number | null)[];
    let isGap = false;
    try {
      const { action, details, metadata } = fromRow(event);
      said = [...numberOf({ metadata }), numberOf({ metadata })[1]];
      isGap = action === GAP_ACTION && said[0] === null && leaf.source !== null;
      if (isGap) said = [details['source'], details['from'], details['to']] as (string | number)[];
    } catch {
      // Its records are no JSON any more: it has another hash than its leaf, which is told of.
      return;
    }
    const own = [event.source, event.sequence === null ? null : Number(event.sequence)];
    if (!isGap && (own[0] !== said[0] || own[1] !== said[1])) {
      this.problems.add({
        code: 'event_changed',
        ...whereOf(leaf),
        message: `The columns source and sequence of event ${eventId} are not what its metadata says.`,
      });
    }
    if (!isSealed) return;
    if (leaf.source !== said[0] || leaf.sequence !== said[1] || leaf.through !== said[2]) {
      this.problems.add({
        code: 'leaf_changed',
        ...whereOf(leaf),
        message: `The number of leaf ${leafIndex} is not its event's, ${eventId}.`,
      });
    }
  }

  private async tiles(start: number, end: number, size: number): Promise<Map<number, Buffer[]>> {
    const [first, after] = [Math.floor(start / TILE_WIDTH), Math.floor(Math.min(end, size) / TILE_WIDTH)];
    const tiles = new Map<number, Buffer[]>();
    for (const { tileIndex, hashes } of after > first ? await this.ledger.tiles(0, first, after) : []) {
      try {
        tiles.set(tileIndex, decodeHashes(hashes));
      } catch {
        // Told of where the tiles are checked.
      }
    }
    return tiles;
  }

  /** Leaves behind the newest checkpoint. A checkpoint that has come since vouches for them. */
  private async beyond(size: number): Promise<void> {
    const [leaf] = await this.ledger.leaves(size, size + 1);
    if (!leaf) return;
    const head = await this.ledger.head();
    if ((head?.treeSize ?? 0) > size) return;
    this.problems.add({
      code: 'leaf_inserted',
      ...whereOf(leaf),
      message: `Leaf ${size} is behind the newest checkpoint, which is of ${size} leaves.`,
    });
  }
}

function isGapEvent(row: NumberedRow): boolean {
  return row.action === GAP_ACTION && row.source === null;
}

function whereOf({ eventId, leafIndex, source, sequence }: LeafWithEvent) {
  return {
    eventId,
    leafIndex,
    ...(source !== null && { source }),
    ...(sequence !== null && { sequence }),
  };
}
