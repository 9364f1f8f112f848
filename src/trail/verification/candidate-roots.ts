import type { CompactRange } from '../../ledger/merkle.js';

/** What is known of one leaf's hash, each from another place. */
export interface HashWitnesses {
  /** Of `audit_leaves`. */
  readonly leaf: Buffer | undefined;
  /** Computed from the event. */
  readonly event: Buffer | undefined;
  /** Of the full tile. */
  readonly tile: Buffer | undefined;
}

/** Who is believed where they disagree. */
const CHOICES: readonly ((hashes: HashWitnesses) => Buffer | undefined)[] = [
  ({ leaf, tile, event }) => leaf ?? tile ?? event,
  ({ leaf, tile, event }) => event ?? tile ?? leaf,
  ({ leaf, tile, event }) => tile ?? leaf ?? event,
  // Two of three.
  ({ leaf, tile, event }) => (tile && event?.equals(tile) ? tile : (leaf ?? tile ?? event)),
];

/** One leaf on which the places disagree, or that only some of them have. */
interface Doubt {
  readonly leafIndex: number;
  /** As the leaf says. */
  readonly eventId: string | undefined;
  readonly hashes: HashWitnesses;
}

/** A doubt, and the hash that is right; absent where nobody knows. */
export interface SettledDoubt extends Doubt {
  readonly truth: Buffer | undefined;
}

/** Leaves in doubt that are remembered between two checkpoints, so that an attacker can't fill the memory. */
const MAX_DOUBTS = 10_000;

/**
 * The leaves since the last checkpoint. While all places agree there is one tree; from the first disagreement on, one for
 * each way to decide, until the next checkpoint tells which was right.
 */
export class CandidateRoots {
  /** One for each choice, or a single one where there is no doubt; none where a leaf's hash is not known at all. */
  private ranges: CompactRange[];
  private doubts: Doubt[] = [];

  /** @param start of the leaves before; absent where nobody knows them */
  constructor(start: CompactRange | undefined) {
    this.ranges = start ? [start] : [];
  }

  /** Whether nobody knows the root any more. */
  get isLost(): boolean {
    return this.ranges.length === 0;
  }

  append(leafIndex: number, hashes: HashWitnesses, eventId?: string): void {
    const { leaf, event, tile } = hashes;
    if (leaf && [event, tile].every((other) => !other || other.equals(leaf))) {
      for (const range of this.ranges) range.append(leaf);
      return;
    }
    if (this.doubts.length < MAX_DOUBTS) this.doubts.push({ leafIndex, hashes, eventId });
    const [first] = this.ranges;
    if (!first) return;
    if (this.ranges.length === 1) this.ranges = CHOICES.map(() => first.clone());
    const chosen = CHOICES.map((choose) => choose(hashes));
    if (chosen.includes(undefined)) this.ranges = [];
    this.ranges.forEach((range, index) => range.append(chosen[index]!));
  }

  /** There are leaves of which nothing is known: nobody knows the root from here on. */
  lose(): void {
    this.ranges = [];
  }

  /**
   * Decides what was in doubt since the last time.
   *
   * @param root of the leaves, where it is known
   * @returns whether one way to decide gives this root. Then each doubt has the hash that is right
   */
  settle(root?: Buffer): { isRight: boolean; doubts: SettledDoubt[] } {
    const right = this.ranges.findIndex((range) => root && range.root().equals(root));
    const decide = right < 0 ? undefined : CHOICES[right]!;
    const doubts = this.doubts.map((doubt) => ({ ...doubt, truth: decide?.(doubt.hashes) }));
    this.doubts = [];
    this.ranges = this.ranges.slice(Math.max(right, 0)).slice(0, 1);
    return { isRight: right >= 0, doubts };
  }
}
