import type { NumberRange } from '../../event/sequence-set.js';
import { toInteger } from '../../store/column-value.js';
import type { NumberedRow } from '../../store/event-row.js';
import type { SourceOrder } from './source-order.js';

/** Numbers that are missing, and the event after them. */
export interface UnsealedHole extends NumberRange {
  /** When that event began, as it says itself. */
  readonly begun: number;
  readonly eventId: string;
}

/** The numbers of stored events that the log does not account for yet, of each source. */
export class UnsealedNumbers {
  /** The event with the lowest number, and the highest number. */
  private readonly bySource = new Map<string, { first: NumberedRow; last: number }>();

  add(event: NumberedRow, order: SourceOrder): void {
    const { source, sequence } = event;
    if (source === null || sequence === null || Number(sequence) <= order.sealed(source)) return;
    const known = this.bySource.get(source);
    if (!known) this.bySource.set(source, { first: event, last: Number(sequence) });
    else if (Number(sequence) < Number(known.first.sequence)) known.first = event;
    else known.last = Math.max(known.last, Number(sequence));
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
    return Array.from(this.bySource, ([source, { first }]) => ({
      source,
      from: order.sealed(source) + 1,
      to: Number(first.sequence) - 1,
      begun: toInteger(first.timestamp),
      eventId: String(first.id),
      // Of NaN nothing is true.
    })).filter(({ from, to, begun }) => to >= from && !(Math.abs(now - begun) <= patienceMs));
  }
}
