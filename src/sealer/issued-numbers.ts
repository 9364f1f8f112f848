import { present } from '../event/present.js';
import { SequenceSet } from '../event/sequence-set.js';
import type { NumberRanges } from '../event/sequence-set.js';

/** Ids and leaves that are remembered of each source, about 5 MB; of what was stored before these, only the numbers are. */
const MOST_IDS = 25_000;
/** So many of them are forgotten at once: from its beginning, a Map gives its keys slowly where many were deleted. */
const FORGOTTEN = 5_000;

/** What is known of one source that this process numbers. */
interface NumbersOfSource {
  /** Numbers up to here were given away by an earlier process. */
  readonly since: number;
  /** Those whose events the database has. */
  readonly stored: SequenceSet;
  /** Those that are stored, a dead letter, or dropped. */
  readonly settled: SequenceSet;
  /** Whose event has the number; an empty text where none will ever have it. */
  readonly ids: Map<number, string>;
  /** The hashes of the leaves of stored events as they were sent, in base64. */
  readonly leaves: Map<number, string>;
}

/** What the database has of a source of this process. */
export interface StoredNumbers {
  readonly source: string;
  readonly ranges: NumberRanges;
  /** Which event has the number, of the newest, dead letters included; an empty text where it can be none. */
  readonly ids: ReadonlyMap<number, string>;
}

/**
 * Who may have the number: this event, with the hash of its leaf in base64 where it is known how it was stored; `null`: this process
 * does not know, so anybody; `undefined`: nobody yet.
 */
export type NumberOwner = { readonly id: string; readonly leaf?: string } | null | undefined;

/** Which events this process has given its numbers to: whoever may insert rows can use a number, but not that event's id. */
export class IssuedNumbers {
  private readonly sources = new Map<string, NumbersOfSource>();

  /** The process goes on with a source that an earlier one has brought to this number. */
  resume(source: string, since: number): void {
    this.of(source, since);
  }

  /** The database has the event. @param leaf the hash of its leaf as it was sent, in base64 */
  stored(source: string, sequence: number, id: string, leaf?: string): void {
    const known = this.settle(source, sequence, id);
    known.stored.add(sequence);
    if (leaf !== undefined) remember(known.leaves, sequence, leaf);
  }

  /** The event is a dead letter now, and may be stored later. */
  refused(source: string, sequence: number, id: string): void {
    this.settle(source, sequence, id);
  }

  /** No event will ever have these numbers; both ends included. */
  skip(source: string, from: number, to: number): void {
    for (let sequence = from; sequence <= to; sequence += 1) this.settle(source, sequence, '');
  }

  get numbers(): StoredNumbers[] {
    return Array.from(this.sources, ([source, { stored, ids }]) => ({ source, ranges: stored.ranges, ids }));
  }

  ownersOf(source: string, sequences: readonly number[]): NumberOwner[] {
    const known = this.sources.get(source);
    return sequences.map((sequence) => {
      const id = known?.ids.get(sequence);
      if (id !== undefined) return { id, ...present('leaf', known!.leaves.get(sequence)) };
      if (!known) return undefined;
      return sequence <= known.since || known.settled.has(sequence) ? null : undefined;
    });
  }

  private settle(source: string, sequence: number, id: string): NumbersOfSource {
    const known = this.of(source);
    known.settled.add(sequence);
    remember(known.ids, sequence, id);
    return known;
  }

  private of(source: string, since = 0): NumbersOfSource {
    let known = this.sources.get(source);
    if (!known) {
      known = {
        since,
        stored: new SequenceSet(),
        settled: new SequenceSet(),
        ids: new Map(),
        leaves: new Map(),
      };
      this.sources.set(source, known);
    }
    return known;
  }
}

/** Forgets the oldest where there are too many. */
function remember(texts: Map<number, string>, sequence: number, text: string): void {
  texts.set(sequence, text);
  if (texts.size <= MOST_IDS) return;
  let left = FORGOTTEN;
  for (const oldest of texts.keys()) {
    texts.delete(oldest);
    left -= 1;
    if (left === 0) break;
  }
}
