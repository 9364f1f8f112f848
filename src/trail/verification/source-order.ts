import type { StoredLeaf } from '../../store/ledger.repository.js';
import type { StoredGap } from '../../store/sealing.repository.js';
import type { ProblemList } from './problem-list.js';

/** Follows each source's numbers through the log: without holes but those that are recorded, none twice. */
export class SourceOrder {
  private readonly reached = new Map<string, number>();
  private readonly gaps = new Map<string, StoredGap[]>();

  /** @param before the gaps of the leaves before the first that is checked; absent where that is the first of the log */
  constructor(
    private readonly problems: ProblemList,
    private readonly before?: readonly StoredGap[],
  ) {
    for (const gap of before ?? []) this.open(gap);
  }

  /** The highest number of the source that the log accounts for. */
  sealed(source: string): number {
    return this.reached.get(source) ?? 0;
  }

  /** Whether the number is one that the log has recorded as lost. */
  isLost(source: string, sequence: number): boolean {
    return this.gapOf(source, sequence) !== undefined;
  }

  get openGaps(): StoredGap[] {
    return [...this.gaps.values()].flat();
  }

  next({ source, sequence, through, eventId, leafIndex }: StoredLeaf, isGap: boolean): void {
    if (source === null || sequence === null || through === null) return;
    const where = { source, sequence, eventId, leafIndex };
    const reached = this.reached.get(source);
    if (reached === undefined && this.before && this.close(source, sequence)) return;
    const sealed = reached ?? (this.before ? sequence - 1 : 0);
    if (sequence <= sealed) {
      if (!this.close(source, sequence)) {
        this.problems.add({
          ...where,
          code: 'sequence_disorder',
          message: `Leaf ${leafIndex} has number ${sequence} of its source, behind number ${sealed} (event ${eventId}).`,
        });
      }
      return;
    }
    if (sequence > sealed + 1) {
      this.problems.add({
        source,
        sequence: sealed + 1,
        leafIndex,
        code: 'sequence_gap',
        message: `${numbers(sealed + 1, sequence - 1)} of a source ${sequence - sealed === 2 ? 'is' : 'are'} missing in the log before leaf ${leafIndex} (event ${eventId}), and nothing tells of a loss.`,
      });
    }
    this.reached.set(source, through);
    if (isGap) this.open({ source, from: sequence, to: through, eventId, leafIndex });
  }

  private open(gap: StoredGap): void {
    const gaps = this.gaps.get(gap.source) ?? [];
    gaps.push(gap);
    this.gaps.set(gap.source, gaps);
  }

  private gapOf(source: string, sequence: number): StoredGap | undefined {
    return this.gaps.get(source)?.find(({ from, to }) => from <= sequence && sequence <= to);
  }

  /** The number came after all. */
  private close(source: string, sequence: number): boolean {
    const gap = this.gapOf(source, sequence);
    if (!gap) return false;
    const rest = [
      { ...gap, to: sequence - 1 },
      { ...gap, from: sequence + 1 },
    ].filter(({ from, to }) => from <= to);
    this.gaps.set(source, [...this.gaps.get(source)!.filter((other) => other !== gap), ...rest]);
    return true;
  }
}

/** `Number 5` or `Numbers 5 to 7`. */
export function numbers(from: number, to: number): string {
  return from === to ? `Number ${from}` : `Numbers ${from} to ${to}`;
}
