import { canFollow, mayHaveBeenEvent } from './journal-line.js';
import type { JournalLine, SegmentHead } from './journal-line.js';
import type { Place, Segment } from './segment.js';

/** A damaged place in the journal: numbers given away in it, of events that can't be read any more. */
export interface JournalLoss {
  readonly source: string;
  readonly file: string;
  /** Where the first of the lines begins. */
  readonly place: Place;
  readonly lines: number;
  /** Missing where no event can have been among the lines. */
  readonly firstSequence?: number;
  readonly lastSequence?: number;
}

/** While no head was met. */
export const UNKNOWN_SOURCE = 'unknown';

/** Tells from the numbers before and after a damaged place which ones are lost in it. */
export class DamageFinder {
  private damage: { file: string; place: Place; lines: number; events: number } | undefined;

  constructor(
    public source = UNKNOWN_SOURCE as string,
    public sequence = 0,
    /** The highest number of an intent or an event that was met. */
    public lastNumber = 0,
  ) {}

  /** Whether the line's numbers can have been given away after those that were met; else it is none of this journal. */
  canBeNext({ kind, number, reference, content }: JournalLine): boolean {
    if (kind === 'damaged') return true;
    const { sequence, lastNumber } = this;
    if (kind === 'segment')
      return canFollow(content.sequence, sequence) && canFollow(content.number, lastNumber);
    if (kind === 'stored' || kind === 'settled') return content.every(([, to]) => canFollow(to, lastNumber));
    return canFollow(number, lastNumber) && canFollow(reference, sequence);
  }

  note({ path: file, number }: Segment, position: number, raw: Buffer): void {
    this.damage ??= { file, place: { segment: number, position }, lines: 0, events: 0 };
    this.damage.lines += 1;
    if (mayHaveBeenEvent(raw)) this.damage.events += 1;
  }

  /** A line that is whole, the next one. @returns the loss before it, where it tells of one */
  follow(line: JournalLine): JournalLoss | undefined {
    const { kind, number, reference: sequence } = line;
    if (kind === 'stored' || kind === 'settled') for (const [, to] of line.content) this.noteNumber(to);
    if (kind === 'segment') return this.begin(line.content);
    if (kind === 'dropped') return this.pass(sequence);
    if (kind === 'intent' || kind === 'void') this.noteNumber(number);
    if (kind !== 'event' && kind !== 'amend') return undefined;
    this.noteNumber(number);
    // Where the head is damaged, the event itself knows.
    if (this.source === UNKNOWN_SOURCE && sequence > 0) this.source = String(line.content.metadata['source']);
    return this.meet(sequence);
  }

  private noteNumber(number: number): void {
    this.lastNumber = Math.max(this.lastNumber, number);
  }

  private begin({ source, sequence, number }: SegmentHead): JournalLoss | undefined {
    this.noteNumber(number);
    const isFirst = this.source === UNKNOWN_SOURCE;
    const isSame = this.source === source;
    const loss = isFirst ? undefined : this.end(isSame ? sequence : undefined);
    this.source = source;
    this.sequence = isFirst || isSame ? Math.max(this.sequence, sequence) : sequence;
    return loss;
  }

  private meet(sequence: number): JournalLoss | undefined {
    // What is written a second time comes late, and tells nothing of its place.
    if (sequence <= this.sequence) return undefined;
    const loss = this.end(sequence - 1);
    this.sequence = sequence;
    return loss;
  }

  /** Up to this number all are given away here, to events that were dropped as well. @returns the loss before it */
  private pass(sequence: number): JournalLoss | undefined {
    const loss = this.end(sequence);
    this.sequence = Math.max(this.sequence, sequence);
    return loss;
  }

  /**
   * The end of what this source wrote. Nothing tells how many numbers a damaged place there held: one for each line
   * that may have been an event, so that none of them is ever given away again.
   *
   * @param last the last number given away, where that is known
   */
  end(last = this.sequence + (this.damage?.events ?? 0)): JournalLoss | undefined {
    if (!this.damage) return undefined;
    const { events, ...damage } = this.damage;
    this.damage = undefined;
    const any = events > 0 && last > this.sequence;
    const loss = {
      source: this.source,
      ...damage,
      ...(any && { firstSequence: this.sequence + 1, lastSequence: last }),
    };
    if (any) this.sequence = last;
    return loss;
  }
}
