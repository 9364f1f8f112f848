import { toInteger } from '../../store/column-value.js';
import type { NumberedRow } from '../../store/event-row.js';
import type { SourceOrder } from './source-order.js';

/** What is stored of a source after the last number that the log accounts for. */
interface Unsealed {
  /** The lowest number. */
  first: number;
  /** When its event began, as it says itself. */
  begun: number;
  /** The highest number. */
  last: number;
}

/** The numbers of stored events that the log does not account for yet, of each source. */
export class UnsealedNumbers {
  private readonly bySource = new Map<string, Unsealed>();

  note({ source, sequence, timestamp }: NumberedRow, order: SourceOrder): void {
    if (source === null || sequence === null) return;
    const number = Number(sequence);
    if (number <= order.sealed(source)) return;
    const begun = toInteger(timestamp);
    const before = this.bySource.get(source);
    if (!before) this.bySource.set(source, { first: number, begun, last: number });
    else if (number < before.first) Object.assign(before, { first: number, begun });
    else before.last = Math.max(before.last, number);
  }

  /** The highest number that the log or the table has of the source; 0 where there is none. */
  highest(source: string, order: SourceOrder): number {
    return Math.max(order.sealed(source), this.bySource.get(source)?.last ?? 0);
  }

  /** Where the events after a hole began before a time: the numbers of the hole. */
  holesBefore(time: number, order: SourceOrder): { source: string; from: number; to: number }[] {
    return [...this.bySource].flatMap(([source, { first, begun }]) => {
      const from = order.sealed(source) + 1;
      // A time that is none is of no process.
      return first > from && !(begun >= time) ? [{ source, from, to: first - 1 }] : [];
    });
  }
}
