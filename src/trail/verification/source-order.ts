import { firstIndex, SequenceSet } from '../../event/sequence-set.js';
import type { NumberRange } from '../../event/sequence-set.js';
import { readRow } from '../../store/event-row.js';
import type { NumberedRow } from '../../store/event-row.js';
import type { StoredLeaf } from '../../store/audit.entities.js';
import type { StoredGap } from '../../store/sealing.repository.js';
import type { ProblemList } from './problem-list.js';

/** Numbers that the log has recorded as lost, and which of them came later. */
interface RecordedGap {
  readonly gap: StoredGap;
  readonly come: SequenceSet;
}

/** Numbers that are missing after those of the log, and the event after them. */
export interface UnsealedHole extends NumberRange {
  /** When that event ended, as it says itself. */
  readonly ended: number;
  readonly eventId: string;
}

/**
 * Follows each source's numbers through the log, without holes but those that are recorded, none twice; and on to the stored events that
 * the log does not account for yet.
 */
export class SourceOrder {
  private readonly reached = new Map<string, number>();
  /** Of each source in order, and apart: each begins after the last number that the log had reached. */
  private readonly gaps = new Map<string, RecordedGap[]>();
  /** What is stored after the log. No more than of the event with the lowest number is kept: anybody may have stored large ones. */
  private readonly unsealed = new Map<string, { hole: UnsealedHole; highest: number }>();

  /** @param before the gaps of the leaves before the first that is checked; absent where that is the first of the log */
  constructor(
    private readonly problems: ProblemList,
    private readonly before?: readonly StoredGap[],
    /** Which event has the number, of sources of this process. */
    private readonly eventOf: (source: string, sequence: number) => string | undefined = () => undefined,
  ) {
    for (const gap of [...(before ?? [])].sort((a, b) => a.from - b.from)) this.open(gap);
  }

  /** The highest number of the source that the log accounts for. */
  sealed(source: string): number {
    return this.reached.get(source) ?? 0;
  }

  /** The highest number that the log or the table has of the source; 0 where there is none. */
  highest(source: string): number {
    return Math.max(this.sealed(source), this.unsealed.get(source)?.highest ?? 0);
  }

  /** Whether the number is one that the log has recorded as lost. */
  isLost(source: string, sequence: number): boolean {
    return this.gapOf(source, sequence)?.come.has(sequence) === false;
  }

  /** The numbers that did not come. */
  get openGaps(): StoredGap[] {
    const all = [...this.gaps.values()].flat();
    return all.flatMap(({ gap, come }) =>
      come.missing(gap.from, gap.to).map(([from, to]) => ({ ...gap, from, to })),
    );
  }

  /**
   * Where the event after a hole ended longer ago than a hole may take to fill up: the numbers of the hole. A time that is as far in the
   * future, or none, is of no process that waits.
   */
  unsealedHoles(patienceMs: number): UnsealedHole[] {
    const now = Date.now();
    return [...this.unsealed.values()]
      .map(({ hole }) => hole)
      .filter(
        // Of NaN nothing is true.
        ({ from, to, ended }) => to >= from && !(Math.abs(now - ended) <= patienceMs),
      );
  }

  next(leaf: StoredLeaf, isGap: boolean): void {
    const { source, sequence, through, eventId, leafIndex } = leaf;
    if (source === null || sequence === null || through === null) return;
    const given = isGap ? undefined : this.eventOf(source, sequence);
    if (given !== undefined && given !== eventId) {
      const other = given === '' ? 'an event that was dropped' : `event ${given}`;
      const message = `Leaf ${leafIndex} has number ${sequence} of this process as event ${eventId}, and this process has given it to ${other}.`;
      this.problems.add('event_inserted', message, leaf);
    }
    const reached = this.reached.get(source);
    if (reached === undefined && this.before && this.close(source, sequence)) return;
    const sealed = reached ?? (this.before ? sequence - 1 : 0);
    if (sequence <= sealed) {
      if (this.close(source, sequence)) return;
      const message = `Leaf ${leafIndex} has number ${sequence} of its source, behind number ${sealed} (event ${eventId}).`;
      this.problems.add('sequence_disorder', message, leaf);
      return;
    }
    if (sequence > sealed + 1) {
      const are = `${numbers(sealed + 1, sequence - 1)} of a source ${sequence - sealed === 2 ? 'is' : 'are'}`;
      const message = `${are} missing in the log before leaf ${leafIndex} (event ${eventId}), and nothing tells of a loss.`;
      this.problems.add('sequence_gap', message, { source, sequence: sealed + 1, leafIndex });
    }
    this.reached.set(source, through);
    if (isGap) this.open({ source, from: sequence, to: through, eventId, leafIndex });
  }

  /** An event that is stored and not in the log, once all leaves are in. */
  addUnsealed(row: NumberedRow): void {
    const { id, source, sequence } = row;
    if (source === null || sequence === null || Number(sequence) <= this.sealed(source)) return;
    const number = Number(sequence);
    const range = { source, from: this.sealed(source) + 1, to: number - 1 };
    const known = this.unsealed.get(source);
    if (known && number > known.hole.to) known.highest = Math.max(known.highest, number);
    else {
      const hole = { ...range, ended: endOf(row), eventId: String(id) };
      this.unsealed.set(source, { hole, highest: known?.highest ?? number });
    }
  }

  private open(gap: StoredGap): void {
    const gaps = this.gaps.get(gap.source) ?? [];
    gaps.push({ gap, come: new SequenceSet() });
    this.gaps.set(gap.source, gaps);
  }

  private gapOf(source: string, sequence: number): RecordedGap | undefined {
    const gaps = this.gaps.get(source) ?? [];
    const found = gaps[firstIndex(gaps, ({ gap }) => gap.to >= sequence)];
    return found && found.gap.from <= sequence ? found : undefined;
  }

  /** The number came after all. @returns whether it was missing until now */
  private close(source: string, sequence: number): boolean {
    const come = this.gapOf(source, sequence)?.come;
    if (!come || come.has(sequence)) return false;
    come.add(sequence);
    return true;
  }
}

/** When the event of the row ended. It has its number since then, however long it took. */
function endOf(row: NumberedRow): number {
  const { timestamp, metadata } = readRow(row).event;
  return timestamp + Number(metadata['durationMs'] ?? 0);
}

/** `Number 5` or `Numbers 5 to 7`. */
export function numbers(from: number, to: number): string {
  return from === to ? `Number ${from}` : `Numbers ${from} to ${to}`;
}
