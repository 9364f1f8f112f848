import { setImmediate as turn } from 'node:timers/promises';
import { DamageFinder, UNKNOWN_SOURCE } from './damage.js';
import type { JournalLoss } from './damage.js';
import type { BegunRequest, DroppedNumbers, JournalLine } from './journal-line.js';
import { passPoint } from './life.js';
import { OPEN_FILES } from './segment.js';
import type { Segment } from './segment.js';
import { SequenceSet } from '../event/sequence-set.js';
import type { NumberRanges, SourceNumber } from '../event/sequence-set.js';

/** With the last number that it gave away, lost ones included. */
interface RecoveredSource extends SourceNumber {
  /** It ended in order. */
  readonly closed: boolean;
}

/** What earlier processes left in the segments of a directory. */
export interface Recovered {
  readonly lastSegment: number;
  /** In the order in which they wrote. */
  readonly sources: readonly RecoveredSource[];
  /** The highest number of an intent or an event. */
  readonly lastNumber: number;
  /** The numbers of events that the database has. */
  readonly stored: NumberRanges;
  /** What is known of requests that began and were not heard of again, by number. */
  readonly intents: ReadonlyMap<number, BegunRequest>;
  /** How many events the database does not have. */
  readonly pending: number;
  readonly losses: readonly JournalLoss[];
  /** Events that found no room, and that no event has reported yet. */
  readonly dropped: DroppedNumbers | undefined;
}

/**
 * Reads all lines once, oldest first, and keeps of them no more than numbers: the events themselves are read again when
 * their turn comes.
 *
 * @param onProgress called before each read
 */
export async function recover(segments: readonly Segment[], onProgress: () => void): Promise<Recovered> {
  const reading = new Reading();
  for (const segment of segments) {
    passPoint('during-recovery');
    for (let position = 0; position < segment.size;) {
      onProgress();
      const { found, next } = segment.read(position, true);
      for (const { line, raw, position: at } of found) {
        if (!line || !reading.read(line)) reading.finder.note(segment, at, raw);
      }
      // A file that is shorter than it says.
      if (next === position) break;
      position = next;
      // Whatever else the process has to do is not kept waiting by a long journal.
      await turn();
    }
    // Open, it could be written again should somebody delete it.
    if (segments.length > OPEN_FILES) segment.rest();
  }
  return { lastSegment: segments.at(-1)?.number ?? 0, ...reading.finish() };
}

class Reading {
  readonly finder = new DamageFinder();
  private readonly sources: RecoveredSource[] = [];
  private closed = false;
  private readonly events = new SequenceSet();
  private readonly stored = new SequenceSet();
  /** How many events more have a number that another has: each is delivered, whoever wrote it. */
  private readonly doubles = new Map<number, number>();
  private readonly intents = new Map<number, BegunRequest>();
  private readonly losses: JournalLoss[] = [];
  private readonly reported = new Set<number>();
  private dropped: DroppedNumbers | undefined;

  /** @returns whether the line can be one of this journal */
  read(line: JournalLine): boolean {
    const { finder } = this;
    const { kind, number } = line;
    if (!finder.canBeNext(line)) return false;
    // Its event is there already.
    if (kind === 'intent' && this.events.has(number)) return false;
    const { source, lastNumber } = finder;
    if (kind === 'segment' && source !== UNKNOWN_SOURCE && source !== line.content.source) this.endSource();
    // It can tell of what came before it only.
    if (kind === 'stored')
      for (const [from, to] of line.content)
        if (from <= lastNumber) this.stored.add(from, Math.min(to, lastNumber));
    this.noteLoss(finder.follow(line));
    this.closed = kind === 'closed';
    if (kind === 'event' || kind === 'amend') this.readEvent(line);
    else if (kind === 'intent') this.intents.set(number, line.content);
    else if (kind === 'void') this.intents.delete(number);
    else if (kind === 'damaged') this.reported.add(number);
    else if (kind === 'dropped') this.dropped = line.content.count > 0 ? line.content : undefined;
    return true;
  }

  finish(): Omit<Recovered, 'lastSegment'> {
    this.endSource();
    let pending = 0;
    for (const [from, to] of this.events.ranges) {
      for (let number = from; number <= to; number += 1) {
        if (!this.stored.has(number)) pending += 1 + (this.doubles.get(number) ?? 0);
      }
    }
    for (const number of this.intents.keys()) if (this.stored.has(number)) this.intents.delete(number);
    return {
      sources: this.sources,
      lastNumber: this.finder.lastNumber,
      stored: this.stored.ranges,
      intents: this.intents,
      pending,
      losses: this.losses.filter(({ place }) => !this.reported.has(place.segment)),
      dropped: this.dropped,
    };
  }

  private endSource(): void {
    const { finder, closed } = this;
    this.noteLoss(finder.end());
    const { source, sequence } = finder;
    if (source !== UNKNOWN_SOURCE) this.sources.push({ source, sequence, closed });
  }

  private readEvent({ kind, number }: JournalLine): void {
    this.intents.delete(number);
    if (kind === 'event' && this.events.has(number)) {
      this.doubles.set(number, (this.doubles.get(number) ?? 0) + 1);
    }
    this.events.add(number);
  }

  private noteLoss(loss: JournalLoss | undefined): void {
    if (loss) this.losses.push(loss);
  }
}
