import { decodeHash } from '../../ledger/base64.js';
import { rangesOf } from '../../event/sequence-set.js';
import type { CompactRange } from '../../ledger/merkle.js';
import { decodeHashes, TILE_WIDTH } from '../../ledger/tile.js';
import { toInteger } from '../../store/column-value.js';
import { numberOf, readRow } from '../../store/event-row.js';
import { leafHashOf, mistypedColumn } from '../../store/event-leaf.js';
import type { LeafWithEvent } from '../../store/ledger.repository.js';
import { GAP_ACTION } from '../../store/sealing.repository.js';
import { CandidateRoots } from './candidate-roots.js';
import type { CheckpointWalk } from './checkpoint-walk.js';
import type { ExplainedLeaves, Verification } from './verification.js';

/** Leaves without an event that are remembered before it is asked again which were removed by right. */
const MOST_MISSING = 10_000;

/** Goes through the leaves in order, each with its event and its place in a tile. */
export class LeafWalk {
  events = 0;
  removed = 0;
  private readonly roots: CandidateRoots;
  /** Leaves without an event, which nothing explains yet. */
  private missing: LeafWithEvent[] = [];
  /** What to add where an event is missing. */
  private hint = '';

  constructor(
    private readonly log: Verification,
    private readonly checkpoints: CheckpointWalk,
    private readonly explained: readonly ExplainedLeaves[],
    start: CompactRange | undefined,
  ) {
    this.roots = new CandidateRoots(start);
  }

  /** @param to where to end at the earliest: it goes on to the next checkpoint, which is what vouches for the last leaves */
  async walk(from: number, to: number, report: (done: number) => void): Promise<void> {
    const { size } = this.log;
    let last = size;
    let stop = await this.checkpoints.nextStop();
    for (let start = from; start < last && (start < to || stop <= size);) {
      // A tile at a time: each event may take some hundred kilobytes.
      let end = Math.min(size, start - (start % TILE_WIDTH) + TILE_WIDTH);
      const rows = await this.log.ledger.leaves(start, end);
      if (rows.length === 0) {
        start = await this.skip(start, end);
        for (; stop <= start; stop = await this.checkpoints.nextStop()) {
          this.checkpoints.compare(stop, this.roots);
        }
        continue;
      }
      const absent: number[] = [];
      const leaves = new Map(rows.map((leaf) => [leaf.leafIndex, leaf]));
      const tile = await this.tile(end);
      for (let index = start; index < end; index += 1) {
        const leaf = leaves.get(index);
        const hash = tile[index % TILE_WIDTH];
        if (leaf) this.leaf(leaf, hash);
        else {
          absent.push(index);
          this.roots.append(index, { leaf: undefined, event: undefined, tile: hash });
        }
        if (index + 1 !== stop) continue;
        this.checkpoints.compare(stop, this.roots);
        stop = await this.checkpoints.nextStop();
        if (index + 1 >= to && to < size) last = end = index + 1;
      }
      for (const [first, last] of rangesOf(absent)) this.tellAbsent(first, last);
      if (this.missing.length >= MOST_MISSING) await this.tellMissing();
      start = end;
      report(Math.min(end, to) - from);
    }
    await this.tellMissing();
    this.checkpoints.finish(this.roots);
  }

  /** Where the leaves go on after a page without any; told of once, however many they are. */
  private async skip(start: number, end: number): Promise<number> {
    const { ledger, size } = this.log;
    const next = Math.min((await ledger.nextLeaf(end)) ?? size, size);
    this.tellAbsent(start, next - 1);
    this.roots.lose();
    return next;
  }

  private tellAbsent(from: number, to: number): void {
    const which = from === to ? `Leaf ${from} is` : `Leaves ${from} to ${to} are`;
    this.log.problems.add('leaf_missing', `${which} not there.`, { leafIndex: from });
  }

  private isExplained(leafIndex: number): boolean {
    return this.explained.some((leaves) => leaves.has(leafIndex));
  }

  /** Of the events that are missing, those that were not removed by right while the verification goes on. */
  private async tellMissing(): Promise<void> {
    if (this.missing.length > 0) await this.lookAgain();
    for (const leaf of this.missing.splice(0)) {
      if (this.isExplained(leaf.leafIndex)) this.removed += 1;
      else {
        const message = `Event ${leaf.eventId}, leaf ${leaf.leafIndex}, is not in the table any more.${this.hint}`;
        this.log.problems.add('event_missing', message, leaf);
      }
    }
  }

  private async lookAgain(): Promise<void> {
    for (const leaves of this.explained) await leaves.loadAgain();
    const isOld = this.explained.length > 0 || this.hint !== '';
    if (isOld || !(await this.log.sources.hasRemovals())) return;
    this.hint =
      " It may have been removed, with a record of retention that is not loaded: write features: [retention()], with import { retention } from 'nest-audit-trail/retention', or run nest-audit verify.";
  }

  private leaf(leaf: LeafWithEvent, tile: Buffer | undefined): void {
    const { leafIndex: index } = leaf;
    const mistyped = leaf.event && mistypedColumn(leaf.event);
    const event = leaf.event && mistyped === undefined ? leafHashOf(leaf.event) : undefined;
    const stored = decodeHash(leaf.leafHash);
    if (leaf.event) this.events += 1;
    else if (this.isExplained(index)) this.removed += 1;
    else this.missing.push(leaf);
    if (mistyped !== undefined) {
      const message = `The column ${mistyped} of event ${leaf.eventId}, leaf ${index}, holds another type than events have there.`;
      this.log.problems.add('event_changed', message, leaf);
    }
    if (!stored)
      this.log.problems.add('leaf_changed', `Leaf ${index} (event ${leaf.eventId}) has no valid hash.`, leaf);
    this.roots.append(index, { leaf: stored, event, tile }, leaf.eventId);
    const isSealed = event !== undefined && stored?.equals(event) === true;
    this.log.order.next(leaf, this.numbers(leaf, mistyped === undefined, isSealed));
  }

  /**
   * Whether the event's number is said in the same way wherever it is said.
   *
   * @param isSealed whether leaf and event belong together; otherwise one of them is told of anyway
   * @returns whether it is the event of a gap
   */
  private numbers(leaf: LeafWithEvent, isEvent: boolean, isSealed: boolean): boolean {
    const { event, leafIndex, eventId } = leaf;
    // Of an event that is gone, the leaf alone tells.
    const looksLikeGap = leaf.sequence !== leaf.through;
    if (!event || !isEvent) return looksLikeGap;
    const { event: read, unreadable } = readRow(event);
    // Nothing of that kind was sealed: it has another hash than its leaf, which is told of.
    if (unreadable.length > 0) return looksLikeGap;
    const { action, details } = read;
    const number = numberOf(read);
    const isGap = action === GAP_ACTION && number[0] === null && leaf.source !== null;
    const said = isGap ? [details['source'], details['from'], details['to']] : [...number, number[1]];
    const columns = [event.source, event.sequence === null ? null : toInteger(event.sequence)];
    // The event of a gap has no number of its own.
    if (columns[0] !== number[0] || columns[1] !== number[1]) {
      const message = `The columns source and sequence of event ${eventId}, leaf ${leafIndex}, are not what its metadata says.`;
      this.log.problems.add('event_changed', message, leaf);
    }
    if (isSealed && (leaf.source !== said[0] || leaf.sequence !== said[1] || leaf.through !== said[2])) {
      const message = `The number of leaf ${leafIndex} is not its event's, ${eventId}.`;
      this.log.problems.add('leaf_changed', message, leaf);
    }
    return isGap;
  }

  /** The hashes of the tile that ends there; none where it is not full, or can't be read, which is told of where tiles are checked. */
  private async tile(end: number): Promise<readonly Buffer[]> {
    const after = end / TILE_WIDTH;
    const [tile] = Number.isInteger(after) ? await this.log.ledger.tiles(0, after - 1, after) : [];
    try {
      return tile ? decodeHashes(tile.hashes) : [];
    } catch {
      return [];
    }
  }
}
