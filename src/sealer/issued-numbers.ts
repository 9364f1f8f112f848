import { present } from '../event/present.js';
import { SequenceSet } from '../event/sequence-set.js';
import type { NumberRanges } from '../event/sequence-set.js';

/** Ids and leaves that are remembered of each source, about 5 MB; of what was stored before these, only the numbers are. */
const MOST_OWNERS = 25_000;
/** So many of them are forgotten at once: from its beginning, a Map gives its keys slowly where many were deleted. */
const FORGOTTEN = 5_000;

/** The event that has a number; an empty id where none will ever have it. */
interface Owner {
  readonly id: string;
  /** The hash of its leaf as it was sent, in base64; absent where that is not known. */
  readonly leaf?: string;
}

/** Who may have the number: this event; `null`: this process does not know, so anybody; `undefined`: nobody yet. */
export type NumberOwner = Owner | null | undefined;

/** What is known of one source that this process numbers. */
interface NumbersOfSource {
  /** Those whose events the database has. */
  readonly stored: SequenceSet;
  /** Those that are stored, a dead letter, dropped, or were given away by an earlier process. */
  readonly settled: SequenceSet;
  /** Of the newest of these. */
  readonly owners: Map<number, Owner>;
}

/** What the database has of a source of this process. */
export interface StoredNumbers {
  readonly source: string;
  readonly ranges: NumberRanges;
  /** Which event has the number, of the newest, dead letters included; an empty text where it can be none. */
  readonly ids: ReadonlyMap<number, string>;
}

/** Which events this process has given its numbers to: whoever may insert rows can use a number, but not that event's id. */
export class IssuedNumbers {
  private readonly sources = new Map<string, NumbersOfSource>();

  /** The process goes on with a source that an earlier one has brought to this number. */
  resume(source: string, since: number): void {
    const { settled } = this.of(source);
    if (since > 0) settled.add(1, since);
  }

  /** The database has the event. @param leaf the hash of its leaf as it was sent, in base64 */
  stored(source: string, sequence: number, id: string, leaf?: string): void {
    this.settle(source, sequence, { id, ...present('leaf', leaf) }).stored.add(sequence);
  }

  /** The event is a dead letter now, and may be stored later. */
  refused(source: string, sequence: number, id: string): void {
    this.settle(source, sequence, { id });
  }

  /** No event will ever have these numbers; both ends included. */
  skip(source: string, from: number, to: number): void {
    this.of(source).settled.add(from, to);
    // The owners of no more are remembered.
    const first = Math.max(from, to - MOST_OWNERS);
    for (let sequence = first; sequence <= to; sequence += 1) this.settle(source, sequence, { id: '' });
  }

  get numbers(): StoredNumbers[] {
    return Array.from(this.sources, ([source, { stored, owners }]) => ({
      source,
      ranges: stored.ranges,
      ids: new Map(Array.from(owners, ([sequence, { id }]) => [sequence, id])),
    }));
  }

  ownersOf(source: string, sequences: readonly number[]): NumberOwner[] {
    const known = this.sources.get(source);
    return sequences.map(
      (sequence) => known?.owners.get(sequence) ?? (known?.settled.has(sequence) ? null : undefined),
    );
  }

  private settle(source: string, sequence: number, owner: Owner): NumbersOfSource {
    const known = this.of(source);
    const { settled, owners } = known;
    settled.add(sequence);
    owners.set(sequence, owner);
    if (owners.size > MOST_OWNERS) {
      for (const oldest of [...owners.keys()].slice(0, FORGOTTEN)) owners.delete(oldest);
    }
    return known;
  }

  private of(source: string): NumbersOfSource {
    let known = this.sources.get(source);
    if (!known) {
      known = { stored: new SequenceSet(), settled: new SequenceSet(), owners: new Map() };
      this.sources.set(source, known);
    }
    return known;
  }
}
