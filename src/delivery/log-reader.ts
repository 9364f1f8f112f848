import type { AuditLogEvent } from '../event/audit-log-event.js';
import { SequenceSet } from '../event/sequence-set.js';
import type { NumberRanges, SourceNumber } from '../event/sequence-set.js';
import { DamageFinder } from '../journal/damage.js';
import type { JournalLoss } from '../journal/damage.js';
import type { JournalLine } from '../journal/journal-line.js';
import { earlier, Segment } from '../journal/segment.js';
import type { Place } from '../journal/segment.js';
import type { LogNews, ReadableLog } from './messages.js';

/** A log may hold much that is no event: so many reads of it, and then something else. */
const READS_AT_ONCE = 64;
/** Bytes of lines that are read at once, about: large events take more memory than many small ones. */
const BYTES_AT_ONCE = 2 * 1024 * 1024;
/** Bytes of lines of events that can still change: no writer leaves so many, but anybody may write a line. */
const MOST_OPEN_BYTES = 64 * 1024 * 1024;
/** How long a file that is not there may take to be written again by its owner, before it is gone. */
const MISSING_MS = 3_000;

/** An event that is to be stored. */
export interface Entry {
  readonly number: number;
  readonly event: AuditLogEvent;
  /** The number that this process has given it; `undefined` where another one did. */
  readonly numbered: SourceNumber | undefined;
  /** Where its line is; `undefined` where no file has it. */
  readonly place: Place | undefined;
  /** Of its line; 0 where no file has it. */
  readonly bytes: number;
}

type EventLine = JournalLine & { readonly content: AuditLogEvent };

/**
 * The reading half: answers the events of the log, each once and as it turned out. An event can change until the log says that it is
 * settled; until then the reader keeps it.
 */
export class LogReader {
  /** From the first that is needed on. */
  private readonly segments: Segment[] = [];
  /** Where it reads: the index of the segment, and the position in it. */
  private index = 0;
  private position = 0;
  private readonly finder = new DamageFinder();
  /** Numbers that it passes over, as it was told when it began. */
  private readonly done: SequenceSet;
  /** Events that it was sent, and whose lines it has not met. */
  private readonly told = new SequenceSet();
  /** Events that it has read and that can still change. */
  private readonly open = new Map<number, Entry & { readonly place: Place }>();
  private openBytes = 0;
  /** Settled events that the log could not be told of. */
  private readonly settled = new SequenceSet();
  /** Events that are to be answered next. */
  private readonly due: Entry[] = [];
  private sequence = 0;
  /** As the newest news says: what is missing may still come. */
  private isMisplaced = false;
  private missingSince: number | undefined;

  /** @param onLoss called with each damaged place that it comes by */
  constructor(
    private readonly start: ReadableLog,
    private readonly onLoss: (loss: JournalLoss) => void,
  ) {
    this.done = new SequenceSet(start.done);
  }

  advance({ segments, sources, settled, events, isMisplaced }: LogNews): void {
    this.isMisplaced = isMisplaced;
    this.sequence = sources.find(({ source }) => source === this.start.source)?.sequence ?? 0;
    for (const { number, size } of segments) {
      const known = this.segments.at(-1);
      if (known?.number === number) known.size = size;
      else this.segments.push(Segment.written(this.start.directory, number, this.start.uid, size));
    }
    for (const { number } of events) if (!this.forget(number)) this.told.add(number);
    for (const [from, to] of settled) this.settled.add(from, to);
    if (settled.length > 0) this.settle(({ number }) => this.settled.has(number));
    this.forgetSegments();
  }

  /** Whether there is something to read. */
  get hasMore(): boolean {
    const segment = this.segments[this.index];
    return this.due.length > 0 || !this.isLast || (segment !== undefined && this.position < segment.size);
  }

  /** It waits for a file. */
  get isWaiting(): boolean {
    return this.missingSince !== undefined;
  }

  /** All that is before it was answered, except events that can still change. */
  get through(): Place {
    return this.due.reduce((first, due) => earlier(first, due.place), this.place);
  }

  /** What is before it, this reader does not need any more. */
  get needed(): Place {
    let needed = this.through;
    for (const { place } of this.open.values()) needed = earlier(needed, place);
    return needed;
  }

  /**
   * Reads on until there are `wanted` events, nothing is left to be read, or it has read enough at once.
   *
   * @throws the file system's error, where nothing was read before it; else the next call throws it
   */
  read(wanted: number): Entry[] {
    try {
      let bytes = 0;
      for (
        let reads = 0;
        reads < READS_AT_ONCE && this.due.length < wanted && bytes < BYTES_AT_ONCE;
        reads += 1
      ) {
        const { position } = this;
        if (!this.readOn()) break;
        bytes += Math.max(0, this.position - position);
      }
    } catch (error) {
      if (this.due.length === 0) throw error;
    }
    return this.due.splice(0);
  }

  close(): void {
    for (const segment of this.segments) segment.rest();
  }

  /** Where it reads. */
  private get place(): Place {
    return { segment: this.segments[this.index]?.number ?? 0, position: this.position };
  }

  /** No line can follow in another segment. */
  private get isLast(): boolean {
    return this.index >= this.segments.length - 1;
  }

  /** @returns whether to go on */
  private readOn(): boolean {
    const { position, isLast } = this;
    const segment = this.segments[this.index];
    if (!segment || (isLast && position >= segment.size)) return false;
    const { found, next } =
      position < segment.size ? segment.read(position, !isLast) : { found: [], next: position };
    if (next === position) return this.passEnd(segment);
    this.missingSince = undefined;
    for (const { line: whole, raw, position: at } of found) {
      const line = whole && this.finder.canBeNext(whole) ? whole : undefined;
      if (!line) this.noteDamage(segment, at, raw);
      const loss = line && this.finder.follow(line);
      if (loss) this.onLoss(loss);
      if (line?.kind === 'settled') this.settleAll(line.content);
      if (line?.kind !== 'event' && line?.kind !== 'amend') continue;
      this.meet(line, { segment: segment.number, position: at }, raw.length + 1);
    }
    this.position = next;
    if (isLast && next >= segment.size) this.endDamage();
    return true;
  }

  /** Nothing more can be read in the segment. @returns whether to go on */
  private passEnd(segment: Segment): boolean {
    if (this.position < segment.size && this.isMissing(segment)) return false;
    segment.rest();
    if (this.isLast) {
      this.position = segment.size;
      this.endDamage();
      return false;
    }
    this.index += 1;
    this.position = 0;
    // All that an earlier process has written is settled.
    const { lastRecovered } = this.start;
    if (segment.number <= lastRecovered && this.segments[this.index]!.number > lastRecovered)
      this.settle(() => true);
    return true;
  }

  /** Whether what should be there may still come: its owner writes again what somebody deletes. */
  private isMissing(segment: Segment): boolean {
    segment.rest();
    this.missingSince ??= performance.now();
    if (performance.now() - this.missingSince < MISSING_MS) return true;
    if (this.isMisplaced)
      throw new Error('a file of the audit journal is not in its place, and can not be put back yet');
    this.missingSince = undefined;
    // Somebody has cut it off.
    this.noteDamage(segment, this.position, Buffer.alloc(0));
    return false;
  }

  private forgetSegments(): void {
    const { segment: needed } = this.needed;
    while (this.index > 0 && this.segments[0]!.number < needed) {
      this.segments.shift()!.rest();
      this.index -= 1;
    }
  }

  private noteDamage(segment: Segment, position: number, raw: Buffer): void {
    // What was damaged before this process began, is told already.
    if (segment.number <= this.start.lastRecovered) return;
    this.finder.note(segment, position, raw);
    // What is damaged may have said that they are settled.
    this.settle(() => true);
  }

  /** All is read that is there. */
  private endDamage(): void {
    const { finder, sequence } = this;
    const loss = finder.source === this.start.source ? finder.end(sequence) : finder.end();
    if (loss) this.onLoss(loss);
  }

  /** A line of an event. */
  private meet(line: EventLine, place: Place, bytes: number): void {
    const { kind, number } = line;
    if (this.told.delete(number) || this.done.has(number)) return;
    const entry = { ...this.entryOf(line, bytes), place };
    const before = this.forget(number);
    // Two of one number, of which one is forged: nobody knows which.
    if (before && kind === 'event') this.due.push(before);
    if (kind === 'amend' || this.settled.has(number)) this.due.push(entry);
    else {
      this.open.set(number, entry);
      this.openBytes += bytes;
      if (this.openBytes > MOST_OPEN_BYTES) this.settle(() => this.openBytes > MOST_OPEN_BYTES / 2);
    }
  }

  private forget(number: number): Entry | undefined {
    const entry = this.open.get(number);
    this.open.delete(number);
    this.openBytes -= entry?.bytes ?? 0;
    return entry;
  }

  private settleAll(ranges: NumberRanges): void {
    const numbers = new SequenceSet(ranges);
    this.settle(({ number }) => numbers.has(number));
  }

  private settle(isSettled: (entry: Entry & { readonly place: Place }) => boolean): void {
    for (const entry of this.open.values()) {
      if (isSettled(entry)) this.due.push(this.forget(entry.number)!);
    }
  }

  private entryOf({ number, reference, content: event }: EventLine, bytes: number): Omit<Entry, 'place'> {
    const { source, sequence } = event.metadata;
    const { start, finder } = this;
    const isOwn =
      reference > 0
        ? finder.source === start.source && source === start.source
        : source === start.memorySource;
    const numbered = isOwn ? { source: String(source), sequence: Number(sequence) } : undefined;
    return { number, event, numbered, bytes };
  }
}
