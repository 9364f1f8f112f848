import { isOfLog } from '../../ledger/checkpoint.js';
import type { Checkpoint } from '../../ledger/checkpoint.js';
import { formatFault } from '../../ledger/format-error.js';
import { openStored } from '../../sealer/read-checkpoint.js';
import type { StoredCheckpoint } from '../../store/audit.entities.js';
import { doubtOf } from '../believed-checkpoints.js';
import type { CandidateRoots, SettledDoubt } from './candidate-roots.js';
import type { VerifiedLog } from './verification.js';

const PAGE = 500;

/** A checkpoint that is not the database's word: the log must go on from it. */
export interface KnownCheckpoint extends Checkpoint {
  /** For people: who knows it. */
  readonly how: 'was kept elsewhere' | 'was sealed or seen by this process';
}

/** A checkpoint, whose root is to be compared with that of the leaves. */
interface JudgedCheckpoint extends Checkpoint {
  /** A trusted key has signed it, or somebody has kept it: then it is right, and the leaves are wrong. */
  readonly isTrusted: boolean;
  readonly how?: KnownCheckpoint['how'];
}

/** Goes along the checkpoints while the leaves come in, and compares their roots. */
export class CheckpointWalk {
  compared = 0;
  unsigned = 0;
  /** The next ones that are stored. */
  private readonly page: StoredCheckpoint[] = [];
  private isEnd = false;
  private readonly kept: KnownCheckpoint[];
  private origin: string | undefined;
  private read: number;
  private previousSize: number | undefined;
  private anySigned = false;
  private lastGood: number;
  /** The last one that could be compared did not have the root of its leaves. */
  private hasFailed = false;
  /** Once the leaves are known to be wrong, every later root is. */
  private isOver = false;

  constructor(
    private readonly log: VerifiedLog,
    kept: readonly KnownCheckpoint[],
    from: number,
  ) {
    this.origin = log.trust.origin;
    this.read = this.lastGood = from;
    this.previousSize = from === 0 ? 0 : undefined;
    this.kept = [...kept].sort((a, b) => a.treeSize - b.treeSize);
  }

  /** The next size to stop at, `Infinity` where there is none. */
  async nextStop(): Promise<number> {
    if (this.page.length === 0 && !this.isEnd) {
      this.page.push(...(await this.log.ledger.checkpointsAfter(this.read, PAGE)));
      this.read = this.page.at(-1)?.treeSize ?? this.read;
      this.isEnd = this.page.length < PAGE;
    }
    return Math.min(this.page[0]?.treeSize ?? Infinity, this.kept[0]?.treeSize ?? Infinity);
  }

  /** All leaves of the size are in: compares what is known of it. */
  compare(size: number, roots: CandidateRoots): void {
    this.isOver ||= roots.isLost;
    // Nothing decides any more; what is in doubt is told of now, and not kept.
    if (this.isOver) this.explain(roots.settle().doubts);
    while (this.kept[0]?.treeSize === size) this.judge({ ...this.kept.shift()!, isTrusted: true }, roots);
    // A table that has lost its primary key may have several of one size.
    while (this.page[0] && this.page[0].treeSize <= size) {
      const stored = this.page.shift()!;
      this.chain(stored);
      const opened = this.open(stored);
      if (opened) this.judge(opened, roots);
    }
  }

  /** No checkpoint comes any more: what is still in doubt stays so. */
  finish(roots: CandidateRoots): void {
    this.explain(roots.settle().doubts);
  }

  /** Those that were kept of more leaves than were walked. */
  get rest(): readonly KnownCheckpoint[] {
    return this.kept;
  }

  private chain({ treeSize, previousSize }: StoredCheckpoint): void {
    if (this.previousSize !== undefined && previousSize !== this.previousSize) {
      const isMissing = previousSize > this.previousSize;
      this.log.problems.add(
        isMissing ? 'checkpoint_missing' : 'checkpoint_changed',
        `The checkpoint of ${treeSize} leaves extends one of ${previousSize}, but the one before it is of ${this.previousSize}.`,
        { treeSize: isMissing ? previousSize : treeSize },
      );
    }
    this.previousSize = treeSize;
  }

  /** What the checkpoint says; `undefined` where it can't be read. */
  private open(stored: StoredCheckpoint): JudgedCheckpoint | undefined {
    const { treeSize } = stored;
    const { trust, problems } = this.log;
    const add = (code: 'checkpoint_changed' | 'checkpoint_untrusted', what: string): undefined =>
      void problems.add(code, `The checkpoint of ${treeSize} leaves ${what}.`, { treeSize });
    try {
      const checkpoint = openStored(stored, trust.verifiers);
      if (!checkpoint) return add('checkpoint_changed', 'is not what its note says');
      const { origin, isSigned, isTrusted } = checkpoint;
      this.compared += 1;
      this.origin ??= origin;
      const hasKeys = trust.verifiers.length > 0;
      // The first one says which of the logs of this name it is.
      const mayName = this.compared === 1 && (isTrusted || !hasKeys);
      if (mayName && isOfLog(origin, this.origin)) this.origin = origin;
      const isLate = hasKeys && !isSigned && this.anySigned;
      const doubt = isLate
        ? 'not signed, though one before it is'
        : doubtOf(checkpoint, { ...trust, origin: this.origin });
      if (doubt !== undefined) add('checkpoint_untrusted', `is ${doubt}`);
      else if (!isSigned) this.unsigned += 1;
      this.anySigned ||= isSigned;
      return { ...checkpoint, isTrusted: isTrusted && doubt === undefined };
    } catch (error) {
      return add('checkpoint_changed', `can't be trusted: ${formatFault(error)}`);
    }
  }

  private judge({ treeSize, rootHash, isTrusted, how }: JudgedCheckpoint, roots: CandidateRoots): void {
    if (this.isOver) return;
    const { isRight, doubts } = roots.settle(rootHash);
    this.explain(doubts);
    if (isRight) {
      this.lastGood = treeSize;
      this.hasFailed = false;
      return;
    }
    const { problems } = this.log;
    if (!isTrusted && !this.hasFailed) {
      const message = `The checkpoint of ${treeSize} leaves does not have the root of its leaves.`;
      problems.add('checkpoint_changed', message, { treeSize });
      this.hasFailed = true;
      return;
    }
    this.isOver = true;
    const range = `leaves ${this.lastGood} to ${treeSize - 1}`;
    const message =
      how === undefined
        ? `Of ${range} at least one is not what the checkpoint of ${treeSize} leaves vouches for.`
        : `A checkpoint of ${treeSize} leaves ${how}, and the log has another root: of ${range} at least one was exchanged, with its event and the checkpoints.`;
    const code = how === undefined ? 'leaf_changed' : 'history_rewritten';
    problems.add(code, message, { treeSize, leafIndex: this.lastGood });
  }

  /** What the places disagreed on, now that it is decided; where it is not, all of it is in doubt. */
  private explain(doubts: readonly SettledDoubt[]): void {
    for (const { leafIndex, eventId, hashes, truth } of doubts) {
      const { event, leaf, tile } = hashes;
      const witnesses = [
        ['event_changed', 'The event', event, leaf ?? tile],
        ['leaf_changed', 'The hash', leaf, event ?? tile],
        ['tile_changed', 'The hash in the tile', tile, undefined],
      ] as const;
      for (const [code, what, hash, other] of witnesses) {
        // What is not there is told of where it is missed.
        const right = truth ?? other;
        if (!hash || !right || hash.equals(right)) continue;
        const which = `${what} of leaf ${leafIndex}`;
        const event = eventId === undefined ? '' : ` (event ${eventId})`;
        const message = truth
          ? `${which} is not what was sealed${event}.`
          : `${which} disagrees with the others${event}, and no checkpoint tells which is right.`;
        this.log.problems.add(code, message, { leafIndex, eventId });
      }
    }
  }
}
