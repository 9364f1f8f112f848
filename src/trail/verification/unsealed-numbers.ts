import { toInteger } from '../../store/column-value.js';
import type { NumberedRow } from '../../store/event-row.js';
import type { SourceOrder } from './source-order.js';

/** What is stored of a source after the last number that the log accounts for. */
interface Unsealed {
  /** The lowest number. */
  first: number;
  /** When its event began, as it says itself. */
  begun: number;
  /** Its event. */
  id: string;
  /** The highest number. */
  last: number;
}

/** Numbers that are missing, both ends included, and the event after them. */
export interface UnsealedHole {
  readonly source: string;
  readonly from: number;
  readonly to: number;
  /** When that event began, as it says itself. */
  readonly begun: number;
  readonly eventId: string;
}

/** The numbers of stored events that the log does not account for yet, of each source. */
export class UnsealedNumbers {
  private readonly bySource = new Map<string, Unsealed>();

  note({ id, source, sequence, timestamp }: NumberedRow, order: SourceOrder): void {
    if (source === null || sequence === null) return;
    const number = Number(sequence);
    if (number <= order.sealed(source)) return;
    const begun = toInteger(timestamp);
    const before = this.bySource.get(source);
    const here = { first: number, begun, id: String(id) };
    if (!before) this.bySource.set(source, { ...here, last: number });
    else if (number < before.first) Object.assign(before, here);
    else before.last = Math.max(before.last, number);
  }

  /** The highest number that the log or the table has of the source; 0 where there is none. */
  highest(source: string, order: SourceOrder): number {
    return Math.max(order.sealed(source), this.bySource.get(source)?.last ?? 0);
  }

  /**
   * Where the event after a hole began longer ago than a hole may take to fill up: the numbers of the hole. A time that is as far in the
   * future, or none, is of no process that waits.
   */
  holes(patienceMs: number, order: SourceOrder): UnsealedHole[] {
    const now = Date.now();
    return [...this.bySource].flatMap(([source, { first, begun, id }]) => {
      const from = order.sealed(source) + 1;
      // Of NaN nothing is true.
      const mayFill = Math.abs(now - begun) <= patienceMs;
      return first > from && !mayFill ? [{ source, from, to: first - 1, begun, eventId: id }] : [];
    });
  }
}
