import type { StoredLeaf } from '../../store/ledger.repository.js';
import type { ProblemList } from './problem-list.js';

/** Numbers of a source that are recorded as lost, both ends included. */
export interface OpenGap {
  readonly source: string;
  readonly from: number;
  readonly to: number;
  /** The event that tells of it. */
  readonly eventId: string;
  readonly leafIndex: number;
}

/** Follows each source's numbers through the log: without holes but those that are recorded, none twice. */
export class SourceOrder {
  private readonly reached = new Map<string, number>();
  private readonly gaps = new Map<string, OpenGap[]>();

  /** @param fromStart whether the first leaf that is checked is the first of the log */
  constructor(
    private readonly problems: ProblemList,
    private readonly fromStart: boolean,
  ) {}

  /** The highest number of the source that the log accounts for. */
  sealed(source: string): number {
    return this.reached.get(source) ?? 0;
  }

  /** Whether the number is one that the log has recorded as lost. */
  isLost(source: string, sequence: number): boolean {
    return this.gapOf(source, sequence) !== undefined;
  }

  get openGaps(): OpenGap[] {
    return [...this.gaps.values()].flat();
  }

  next({ source, sequence, through, eventId, leafIndex }: StoredLeaf, isGap: boolean): void {
    if (source === null || sequence === null || through === null) return;
    const sealed = this.reached.get(source) ?? (this.fromStart ? 0 : sequence - 1);
    const where = { source, sequence, eventId, leafIndex };
    if (sequence <= sealed) {
      if (!this.close(source, sequence)) {
        this.problems.add({
          ...where,
          code: 'sequence_disorder',
          message: `Leaf ${leafIndex} has number ${sequence} of its source, behind number ${sealed}.`,
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
        message: `${numbers(sealed + 1, sequence - 1)} of a source ${sequence - sealed === 2 ? 'is' : 'are'} missing in the log before leaf ${leafIndex}, and nothing tells of a loss.`,
      });
    }
    this.reached.set(source, through);
    if (isGap) {
      const gaps = this.gaps.get(source) ?? [];
      gaps.push({ source, from: sequence, to: through, eventId, leafIndex });
      this.gaps.set(source, gaps);
    }
  }

  private gapOf(source: string, sequence: number): OpenGap | undefined {
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
