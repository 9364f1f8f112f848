import type { AuditLogEvent } from '../event/audit-log-event.js';
import { SequenceSet } from '../event/sequence-set.js';
import { DamageFinder } from '../journal/damage.js';
import type { JournalLoss } from '../journal/damage.js';
import type { JournalLine } from '../journal/journal-line.js';
import { comparePlaces, Segment } from '../journal/segment.js';
import type { Place } from '../journal/segment.js';
import type { LogNews, LogStart, Numbered, Wanted } from './messages.js';

/** A log may hold much that is no event: so many reads of it, and then something else. */
const READS_AT_ONCE = 64;
/** Bytes of lines that are read at once, about: large events take more memory than many small ones. */
const BYTES_AT_ONCE = 2 * 1024 * 1024;
/** How long a file that is not there may take to be written anew by its owner, before it is gone. */
const MISSING_MS = 3_000;

/** An event that is to be stored. */
export interface Entry {
  readonly number: number;
  readonly event: AuditLogEvent;
  /** The number that this process has given it; `undefined` where another one did. */
  readonly numbered: Numbered | undefined;
  /** Where its line is; `undefined` where no file has it. */
  readonly place: Place | undefined;
  /** Of its line; 0 where no file has it. */
  readonly bytes: number;
}

/** Where the line of an event is that is not settled yet. */
interface Held extends Place {
  readonly length: number;
}

/**
 * The reading half: answers the events of the log in their order, each once and as it turned out. It reads as far as it is told that
 * the log goes, and holds back those that can still change, of which it remembers no more than the place.
 */
export class LogReader {
  /** From the first that is needed on. */
  private readonly segments: Segment[] = [];
  /** Where it reads: the index of the segment, and the position in it. */
  private index = 0;
  private position = 0;
  private finder = new DamageFinder();
  private readonly stored = new SequenceSet();
  /** How many lines of an event are not to be answered, since one to come takes their place. */
  private readonly superseded: Map<number, number>;
  private open = new Set<number>();
  private readonly held = new Map<number, Held>();
  /** Were held, and are settled now. */
  private settled: (Held & { readonly number: number })[] = [];
  /** Not to be answered when they are met: somebody waits for them, or they come by other ways. */
  private readonly passOver = new Set<number>();
  /** Nobody takes them, as long as the process lives. */
  private readonly kept = new Set<number>();
  private sequence = 0;
  private missingSince: number | undefined;

  /** @param onLoss called with each damaged place that it comes by */
  constructor(
    private readonly start: LogStart,
    private readonly onLoss: (loss: JournalLoss) => void,
  ) {
    for (const [from, to] of start.stored) this.stored.add(from, to);
    this.superseded = new Map(start.superseded);
  }

  /** Takes note of what is new. @returns the events that somebody waits for */
  advance({ segments, sequence, open, amended, withdrawn, wanted }: LogNews): Entry[] {
    this.sequence = sequence;
    for (const { number, size } of segments) {
      const known = this.segments.at(-1);
      if (known?.number === number) known.size = size;
      else this.segments.push(Segment.written(this.start.directory, number, this.start.uid, size));
    }
    this.open = new Set(open);
    for (const number of amended) {
      // One that is held is forgotten: its new line is met later.
      if (!this.held.delete(number)) this.superseded.set(number, (this.superseded.get(number) ?? 0) + 1);
    }
    for (const number of withdrawn) this.withdraw(number);
    const urgent = wanted.map((one) => this.fetch(one)).filter((entry) => entry !== undefined);
    for (const [number, place] of this.held) {
      if (this.open.has(number)) continue;
      this.held.delete(number);
      this.settled.push({ number, ...place });
    }
    this.forgetSegments();
    return urgent;
  }

  /** Has the event not be answered when its line is met. */
  pass(number: number): void {
    this.passOver.add(number);
  }

  /** Has the event not be answered again, whatever lines of it come. */
  keep(number: number): void {
    this.kept.add(number);
  }

  /** Whether there is something to read. */
  get hasMore(): boolean {
    const segment = this.segments[this.index];
    return this.settled.length > 0 || !this.isLast || (segment !== undefined && this.position < segment.size);
  }

  /** It waits for a file. */
  get isWaiting(): boolean {
    return this.missingSince !== undefined;
  }

  /** What is before it, this reader does not need any more. */
  get needed(): Place {
    let needed = this.place;
    for (const held of [...this.held.values(), ...this.settled]) {
      if (comparePlaces(held, needed) < 0) needed = held;
    }
    return needed;
  }

  /** Whether all that is before the place was answered, or is held. */
  isThrough(place: Place): boolean {
    return this.settled.length === 0 && comparePlaces(this.place, place) >= 0;
  }

  /**
   * Reads on until there are `wanted` events, or nothing is left to be read, or it took long enough for now.
   *
   * @throws the file system's error, where nothing was read before it: else the next call comes by it
   */
  read(wanted: number): Entry[] {
    const entries: Entry[] = [];
    try {
      this.readSettled(wanted, entries);
      this.readLog(wanted, entries);
    } catch (error) {
      if (entries.length === 0) throw error;
    }
    return entries;
  }

  close(): void {
    for (const segment of this.segments) segment.rest();
  }

  private get place(): Place {
    return { segment: this.segments[this.index]?.number ?? 0, position: this.position };
  }

  /** No line can follow in another segment. */
  private get isLast(): boolean {
    return this.index >= this.segments.length - 1;
  }

  private readSettled(wanted: number, entries: Entry[]): void {
    for (let [one] = this.settled; one && entries.length < wanted; [one] = this.settled) {
      const entry = this.lineAt(one);
      this.settled.shift();
      if (entry) entries.push(entry);
    }
  }

  private readLog(wanted: number, entries: Entry[]): void {
    let bytes = 0;
    for (
      let reads = 0;
      reads < READS_AT_ONCE && entries.length < wanted && bytes < BYTES_AT_ONCE;
      reads += 1
    ) {
      const segment = this.segments[this.index];
      if (!segment || (this.isLast && this.position >= segment.size)) return;
      const { position } = this;
      if (!this.readOn(segment, entries)) return;
      bytes += Math.max(0, this.position - position);
    }
  }

  /** @returns whether to go on */
  private readOn(segment: Segment, entries: Entry[]): boolean {
    const { position } = this;
    const { found, next } =
      position < segment.size ? segment.read(position, !this.isLast) : { found: [], next: position };
    if (next === position) return this.passEnd(segment);
    this.missingSince = undefined;
    for (const { line: whole, raw, position: at } of found) {
      const line = whole && this.finder.canBeNext(whole) ? whole : undefined;
      this.watchForLoss(segment, line, raw);
      if (line?.kind !== 'event' && line?.kind !== 'amend') continue;
      const entry = this.meet(line, { segment: segment.number, position: at, length: raw.length + 1 });
      if (entry) entries.push(entry);
    }
    this.position = next;
    if (this.isLast && next >= segment.size) this.endDamage();
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
    return true;
  }

  /** Whether what should be there may still come: its owner writes anew what somebody deletes. */
  private isMissing(segment: Segment): boolean {
    segment.rest();
    this.missingSince ??= performance.now();
    if (performance.now() - this.missingSince < MISSING_MS) return true;
    this.missingSince = undefined;
    // Somebody has cut it off.
    if (segment.number > this.start.lastRecovered) this.finder.note(segment, Buffer.alloc(0));
    return false;
  }

  private forgetSegments(): void {
    const { segment: needed } = this.needed;
    while (this.index > 0 && this.segments[0]!.number < needed) {
      this.segments.shift()!.rest();
      this.index -= 1;
    }
  }

  /** What was damaged before this process began, is told already. */
  private watchForLoss(segment: Segment, line: JournalLine | undefined, raw: Buffer): void {
    if (!line && segment.number > this.start.lastRecovered) this.finder.note(segment, raw);
    const loss = line && this.finder.take(line);
    if (loss) this.onLoss(loss);
  }

  /** All is read that is there. */
  private endDamage(): void {
    const { finder, sequence } = this;
    const loss = finder.source === this.start.source ? finder.end(sequence) : finder.end();
    if (loss) this.onLoss(loss);
  }

  /** A line of an event. @returns what is to be stored */
  private meet(line: JournalLine & { readonly content: AuditLogEvent }, place: Held): Entry | undefined {
    const { number } = line;
    const before = this.superseded.get(number);
    if (before !== undefined) {
      if (before > 1) this.superseded.set(number, before - 1);
      else this.superseded.delete(number);
      return undefined;
    }
    if (this.kept.has(number)) return undefined;
    if (this.passOver.delete(number) || this.stored.has(number)) return undefined;
    if (!this.open.has(number)) return this.entryOf(line, place);
    this.held.set(number, place);
    return undefined;
  }

  private entryOf(line: JournalLine & { readonly content: AuditLogEvent }, place: Held): Entry {
    const { number, reference, content: event } = line;
    const { source, sequence } = event.metadata;
    const { start, finder } = this;
    const isOwn =
      reference > 0
        ? finder.source === start.source && source === start.source
        : source === start.memorySource;
    const numbered = isOwn ? { source: String(source), sequence: Number(sequence) } : undefined;
    return { number, event, numbered, place, bytes: place.length };
  }

  /** The event that somebody waits for, which is not to be answered again when its line is met; `undefined` where it can't be read now. */
  private fetch(wanted: Wanted): Entry | undefined {
    try {
      const entry = this.lineAt(wanted);
      if (entry) this.withdraw(wanted.number, wanted);
      return entry;
    } catch {
      // Whoever reads on finds out why.
      return undefined;
    }
  }

  private withdraw(number: number, place: Place = this.held.get(number) ?? this.place): void {
    if (this.held.delete(number) || comparePlaces(place, this.place) < 0) return;
    this.passOver.add(number);
  }

  private lineAt({ number, segment: of, position, length }: Wanted): Entry | undefined {
    const segment = this.segments.find((one) => one.number === of);
    const line = segment?.lineAt(position, length);
    if (line?.number !== number || (line.kind !== 'event' && line.kind !== 'amend')) return undefined;
    return this.entryOf(line, { segment: of, position, length });
  }
}
