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

interface Unsealed extends Pick<UnsealedHole, 'begun' | 'eventId'> {
  /** The lowest number. */
  first: number;
  /** The highest number. */
  last: number;
}

/** The numbers of stored events that the log does not account for yet, of each source. */
export class UnsealedNumbers {
  /** Of the event with the lowest number no more than this is kept: anybody may have stored large ones. */
  private readonly bySource = new Map<string, Unsealed>();

  constructor(private readonly order: SourceOrder) {}

  add({ id, source, sequence, timestamp }: NumberedRow): void {
    if (source === null || sequence === null || Number(sequence) <= this.order.sealed(source)) return;
    const number = Number(sequence);
    const known = this.bySource.get(source);
    const event = { first: number, begun: toInteger(timestamp), eventId: String(id) };
    if (!known) this.bySource.set(source, { ...event, last: number });
    else if (number < known.first) Object.assign(known, event);
    else known.last = Math.max(known.last, number);
  }

  /** The highest number that the log or the table has of the source; 0 where there is none. */
  highest(source: string): number {
    return Math.max(this.order.sealed(source), this.bySource.get(source)?.last ?? 0);
  }

  /**
   * Where the event after a hole began longer ago than a hole may take to fill up: the numbers of the hole. A time that is as far in the
   * future, or none, is of no process that waits.
   */
  holes(patienceMs: number): UnsealedHole[] {
    const now = Date.now();
    return Array.from(this.bySource, ([source, { first, begun, eventId }]) => ({
      source,
      from: this.order.sealed(source) + 1,
      to: first - 1,
      begun,
      eventId,
    })).filter(
      // Of NaN nothing is true.
      ({ from, to, begun }) => to >= from && !(Math.abs(now - begun) <= patienceMs),
    );
  }
}
