import { createEventId } from '../event/event-id.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { numberOf } from '../store/event-row.js';
import { DamageFinder } from '../journal/damage.js';
import type { JournalLoss } from '../journal/damage.js';
import { Entry } from './entry.js';
import type { Intent } from './entry.js';
import type { EventJournal } from '../journal/event-journal.js';
import type { JournalLine, LineKind } from '../journal/journal-line.js';
import type { DroppedEvents } from '../journal/recovery.js';
import type { Segment } from '../journal/segment.js';

/** With a journal, no more released events than this are kept in memory: the rest is read back from the disk. */
const LIVE_EVENTS = 2_000;
/** About, in UTF-16 code units. */
const LIVE_SIZE = 8 * 1024 * 1024;
/** What is still open so many segments behind is written again, so that it does not keep them all. */
const CARRY_AFTER = 4;
/** A journal may hold much that is no event: so many reads of it, and then something else. */
const READS_AT_ONCE = 64;

/**
 * The events between application and database, in the order in which they were released. Without a journal they are in
 * memory alone. With one each is written there first; and of a backlog, as after an outage or a crash, memory holds
 * only the front, while the rest waits on the disk.
 */
export class EventQueue {
  /** Who numbers what only memory has: a journal that can't be written does not know these numbers after a crash. */
  private memorySource = createEventId(Date.now());
  private memorySequence = 0;
  private ready: Entry[] = [];
  private urgent: Entry[] = [];
  private readonly open = new Map<number, Entry>();
  private readonly intents = new Map<number, Intent>();
  private readonly inFlight = new Set<Entry>();
  private released = 0;
  /** In memory, open or not. */
  private inMemory = 0;
  private sizeInMemory = 0;
  private onDisk = 0;
  private journal: EventJournal | undefined;
  private waitsForJournal: boolean;
  private lastNumber = 0;
  /** Where the backlog on the disk goes on; `undefined` while everything is in memory. */
  private reader: { segment: Segment; position: number } | undefined;
  /** Lines that the reader is to pass over, by entry: later ones take their place, or memory has the event. */
  private passOver = new Map<number, number>();
  /** Intents of which the journal is yet to learn that they are settled. */
  private readonly unvoided = new Set<Intent>();
  /** Events that the database and its dead letters refuse, and the journal keeps. */
  private readonly kept: Entry[] = [];
  private carrying = false;
  private finder = new DamageFinder();

  /**
   * @param waitsForJournal nothing can be taken before `attach()`
   * @param onLoss the reader of the backlog found a damaged place
   */
  constructor(
    waitsForJournal: boolean,
    private readonly onLoss: (loss: JournalLoss) => void,
  ) {
    this.waitsForJournal = waitsForJournal;
  }

  /** Who numbers events, with the last number that each gave away. */
  get sources(): { readonly source: string; readonly sequence: number }[] {
    const { journal } = this;
    const all = [{ source: this.memorySource, sequence: this.memorySequence }];
    if (journal) all.unshift({ source: journal.source, sequence: journal.sequence });
    return all.filter(({ sequence }) => sequence > 0);
  }

  /** Goes on with a journal: what it has comes first, then what was entered before it was there. */
  attach(journal: EventJournal): void {
    const early = [...this.open.values(), ...this.ready, ...this.urgent];
    this.journal = journal;
    this.waitsForJournal = false;
    this.onDisk = journal.recovered.pending;
    this.passOver = journal.recovered.superseded;
    if (this.onDisk > 0) this.startReading(journal.segments[0]!, 0);
    const open = new Set(this.open.values());
    this.open.clear();
    for (const entry of early) {
      // The journal has given theirs away to others.
      entry.number = journal.nextNumber();
      if (open.has(entry)) this.open.set(entry.number, entry);
      this.takeIn(entry);
      if (!open.has(entry)) this.passOverUnread(entry);
    }
  }

  /** Takes over a request that an earlier process began, as interrupted. */
  adopt(number: number, event: AuditLogEvent): void {
    const segment = this.journal!.segments[0]!;
    segment.holds += 1;
    this.release(this.enter(event, { number, body: '{}', segment }));
  }

  /** Released, and not stored. */
  get pending(): number {
    return this.ready.length + this.urgent.length + this.inFlight.size + this.onDisk;
  }

  /** Whether there is something that `take()` would answer. */
  get hasWork(): boolean {
    return !this.waitsForJournal && (this.ready.length > 0 || this.urgent.length > 0 || this.isSpilled);
  }

  /** The order of the last one released or read back. */
  get lastOrder(): number {
    return this.released;
  }

  get hasUrgent(): boolean {
    return this.urgent.length > 0;
  }

  /** Whether a part of the backlog is on the disk alone. */
  get isSpilled(): boolean {
    return this.reader !== undefined;
  }

  get memory(): { readonly events: number; readonly size: number } {
    return { events: this.inMemory, size: this.sizeInMemory };
  }

  /** Since when the oldest of those in memory waits, which are the oldest of all. Unix epoch, milliseconds. */
  get oldestSince(): number | undefined {
    const [first = this.ready[0] ?? this.urgent[0]] = this.inFlight;
    return first?.since;
  }

  /** Whether nothing is left that a journal would have to keep. */
  get isSettled(): boolean {
    return this.pending === 0 && this.open.size === 0 && this.intents.size === 0 && this.kept.length === 0;
  }

  /** The number that an intent or an event got last. */
  get newestNumber(): number {
    return this.journal?.newestNumber ?? this.lastNumber;
  }

  /** Whether nothing is left that got its number before or with this one. */
  isSettledThrough(number: number): boolean {
    // What of it is on the disk alone is not known by its numbers.
    if (this.waitsForJournal || this.reader) return false;
    const left = [
      this.open.values(),
      this.ready,
      this.urgent,
      this.inFlight,
      this.kept,
      this.intents.values(),
    ];
    return left.every((entries) => ![...entries].some((entry) => entry.number <= number));
  }

  /** Gives a number to an event that there is no room for: whoever counts sees that it is missing. */
  skipSequence(): { readonly source: string; readonly sequence: number } {
    const { journal } = this;
    return journal && !journal.failure
      ? { source: journal.source, sequence: ++journal.sequence }
      : { source: this.memorySource, sequence: ++this.memorySequence };
  }

  /** Has the journal know of events that were dropped, and not reported yet. */
  noteDropped(dropped: DroppedEvents): void {
    // Of the numbers of memory's own source a journal knows nothing.
    if (dropped.source !== this.journal?.source) return;
    try {
      this.append('dropped', 0, this.journal.sequence, JSON.stringify(dropped));
    } catch {
      // Then memory knows it alone.
    }
  }

  /** Has the journal know that the damage in a segment is reported. */
  noteReported(loss: JournalLoss): void {
    try {
      this.append('damaged', loss.segment, 0, '{}');
    } catch {
      // Then it is reported again at the next start.
    }
  }

  /**
   * Notes in the journal that a request has begun; again, when more is known of it.
   *
   * @param body what is known of it, as JSON, which becomes its event should nothing more be heard of it
   * @throws the file system's error
   */
  begin(body: string, before?: Intent): Intent | undefined {
    const { journal } = this;
    if (!journal) return undefined;
    const number = before?.number ?? journal.nextNumber();
    const segment = this.append('intent', number, 0, body);
    segment.holds += 1;
    // Read now: beginning a new segment may have moved it.
    if (before) before.segment.holds -= 1;
    const intent = { number, body, segment };
    this.intents.set(number, intent);
    return intent;
  }

  /** The request is not to be recorded after all. */
  cancel(intent: Intent): void {
    this.intents.delete(intent.number);
    intent.segment.holds -= 1;
    try {
      this.append('void', intent.number, 0, '{}');
    } catch {
      // Should the process crash before it is written, an event will say that the request was interrupted.
      this.unvoided.add(intent);
    }
  }

  /**
   * Takes the event, numbers it, and writes it to the journal. Where that fails, memory has it alone until the journal
   * works again.
   */
  enter(event: AuditLogEvent, intent?: Intent): Entry {
    const number = intent?.number ?? this.journal?.nextNumber() ?? ++this.lastNumber;
    const entry = Entry.entered(event, number, intent);
    this.open.set(entry.number, entry);
    this.inMemory += 1;
    this.sizeInMemory += entry.size;
    if (!this.waitsForJournal) this.takeIn(entry);
    return entry;
  }

  /**
   * The event's answer has left: it may be delivered.
   *
   * @param amended the event as it turned out, where that differs
   */
  release(entry: Entry, amended?: AuditLogEvent): void {
    if (!this.open.delete(entry.number)) return;
    if (amended) this.amend(entry, amended);
    entry.since = Date.now();
    // While nothing is stored, not even those that somebody waits for may fill the memory.
    if (entry.committed && this.isUrgentFull) entry.urgent = false;
    if (entry.urgent || entry.unread === 0) {
      this.passOverUnread(entry);
      entry.order = ++this.released;
      (entry.urgent ? this.urgent : this.ready).push(entry);
      this.spillBeyondBounds();
      return;
    }
    // The reader will come by its last line.
    if (entry.unread > 1) this.passOver.set(entry.number, entry.unread - 1);
    this.letGo(entry);
    this.onDisk += 1;
  }

  /** The next events to store; they stay on their way until `settle()` or `giveBack()`. */
  take(limit: number): Entry[] {
    if (this.waitsForJournal) return [];
    if (this.ready.length < limit) this.readBacklog(limit);
    const batch = this.urgent.splice(0, limit);
    batch.push(...this.ready.splice(0, limit - batch.length));
    for (const entry of batch) this.inFlight.add(entry);
    return batch;
  }

  giveBack(batch: readonly Entry[]): void {
    for (const entry of batch) this.inFlight.delete(entry);
    this.ready = [...batch, ...this.ready];
  }

  /**
   * The database has these.
   *
   * @param forget `false` where nobody has them, so that the journal must keep them for the next start
   */
  settle(batch: readonly Entry[], forget = true): void {
    const numbers: number[] = [];
    for (const entry of batch) {
      this.inFlight.delete(entry);
      this.sizeInMemory -= entry.size;
      this.inMemory -= 1;
      if (entry.intent) this.cancel(entry.intent);
      if (!forget) {
        if (entry.segment) this.kept.push(entry);
        continue;
      }
      if (entry.segment) {
        entry.segment.holds -= 1;
        numbers.push(entry.number);
      }
    }
    if (forget) for (const entry of batch) entry.onStored?.();
    if (!this.journal || numbers.length === 0) return;
    try {
      this.append('stored', 0, 0, JSON.stringify(rangesOf(numbers)));
    } catch {
      // They are delivered again after a crash, and found to be there.
    }
    this.journal.sweep();
  }

  /** Writes to the journal what only memory has, after it failed and works again. */
  writeMissing(): void {
    if (!this.journal || this.journal.failure) return;
    if (!this.voidMissing()) return;
    for (const entry of this.open.values()) if (!entry.segment && !this.write(entry)) return;
    for (const entry of [...this.ready, ...this.urgent]) {
      if (!entry.segment && !this.writeReleased(entry)) return;
    }
  }

  private voidMissing(): boolean {
    for (const intent of this.unvoided) {
      // Where its segment is gone, so is the intent.
      if (this.journal!.segments.includes(intent.segment)) {
        try {
          this.append('void', intent.number, 0, '{}');
        } catch {
          return false;
        }
      }
      this.unvoided.delete(intent);
    }
    return true;
  }

  /** @throws the file system's error */
  private append(kind: LineKind, number: number, reference: number, body: string): Segment {
    const journal = this.journal!;
    if (journal.rotate()) {
      this.carryForward();
      journal.sweep();
    }
    return journal.append(kind, number, reference, body);
  }

  /** What is open far behind moves to the new segment, so that it does not keep all that lie between. */
  private carryForward(): void {
    const { journal } = this;
    // To carry may begin a new segment itself.
    if (!journal || this.carrying) return;
    this.carrying = true;
    const before = journal.active.number - CARRY_AFTER;
    try {
      for (const intent of this.intents.values()) {
        if (intent.segment.number > before) continue;
        const segment = this.append('intent', intent.number, 0, intent.body);
        intent.segment.holds -= 1;
        intent.segment = segment;
        segment.holds += 1;
      }
      for (const entry of [...this.open.values(), ...this.kept]) {
        if (entry.segment && entry.segment.number <= before) this.writeLine(entry, 'amend');
      }
      for (const entry of this.kept) this.passOverUnread(entry);
    } catch {
      // They stay where they are, and are no reason not to try the line that is next.
      journal.retryNow();
    } finally {
      this.carrying = false;
    }
  }

  /** Nothing is delivered any more: what is in memory alone is lost. Answers how many that are. */
  discard(): number {
    const lost = [...this.inFlight, ...this.ready, ...this.urgent, ...this.open.values()].filter(
      ({ segment }) => !segment,
    ).length;
    this.ready = [];
    this.urgent = [];
    this.open.clear();
    this.inFlight.clear();
    this.inMemory = this.sizeInMemory = this.onDisk = 0;
    return lost;
  }

  private get isUrgentFull(): boolean {
    return this.urgent.length >= LIVE_EVENTS || this.sizeInMemory >= LIVE_SIZE;
  }

  /** Numbers it and writes it; the journal's own number is given away with its line, or not at all. */
  private takeIn(entry: Entry): void {
    const { journal } = this;
    const { metadata } = entry.event;
    if (journal) {
      const { source } = journal;
      const sequence = journal.sequence + 1;
      metadata['source'] = source;
      metadata['sequence'] = sequence;
      entry.numbered = { source, sequence };
      if (this.write(entry)) return;
    }
    metadata['source'] = this.memorySource;
    metadata['sequence'] = ++this.memorySequence;
    entry.numbered = { source: this.memorySource, sequence: this.memorySequence };
  }

  private write(entry: Entry): boolean {
    if (!this.journal) return false;
    try {
      this.writeLine(entry, 'event');
    } catch {
      return false;
    }
    if (entry.intent) {
      this.intents.delete(entry.number);
      entry.intent.segment.holds -= 1;
      entry.intent = undefined;
    }
    return true;
  }

  /** Writes an event that memory keeps: the reader is not to bring it a second time. */
  private writeReleased(entry: Entry): boolean {
    const written = this.write(entry);
    this.passOverUnread(entry);
    return written;
  }

  private passOverUnread(entry: Entry): void {
    if (entry.unread > 0) {
      this.passOver.set(entry.number, (this.passOver.get(entry.number) ?? 0) + entry.unread);
    }
    entry.unread = 0;
  }

  private amend(entry: Entry, event: AuditLogEvent): void {
    const { source, sequence } = entry.event.metadata;
    if (source !== undefined) Object.assign(event.metadata, { source, sequence });
    this.sizeInMemory -= entry.size;
    entry.event = event;
    this.sizeInMemory += entry.size;
    if (!entry.segment) return;
    try {
      this.writeLine(entry, 'amend');
    } catch {
      // The journal has it as it was; memory delivers it as it is, whatever the reader comes by.
      entry.urgent = true;
    }
  }

  /** Writes the event; to amend it takes the place of the line before. @throws the file system's error */
  private writeLine(entry: Entry, kind: 'event' | 'amend'): void {
    const { event, number } = entry;
    const { source, sequence } = event.metadata;
    const reference = source === this.journal!.source ? Number(sequence) : 0;
    const text = JSON.stringify(event);
    const segment = this.append(kind, number, reference, text);
    entry.text = text;
    segment.holds += 1;
    // Read now: beginning a new segment may have moved it.
    if (entry.segment) entry.segment.holds -= 1;
    entry.segment = segment;
    if (this.reader) entry.unread += 1;
  }

  /** From here on the disk has the backlog. */
  private spillBeyondBounds(): void {
    if (!this.journal || this.reader || this.journal.failure) return;
    if (this.ready.length < LIVE_EVENTS && this.sizeInMemory < LIVE_SIZE) return;
    this.startReading(this.journal.active, this.journal.active.size);
  }

  private startReading(segment: Segment, position: number): void {
    this.readFrom(segment, position);
    const { source, sequence, newestNumber } = this.journal!;
    this.finder = position === 0 ? new DamageFinder() : new DamageFinder(source, sequence, newestNumber);
  }

  private readFrom(segment: Segment, position: number): void {
    this.reader = { segment, position };
    this.journal!.firstNeeded = segment.number;
  }

  /** Reads on until there are `wanted` events, or nothing is left to be read, or it took long enough for now. */
  private readBacklog(wanted: number): void {
    const hasSpace = () => this.ready.length === 0 || this.sizeInMemory < LIVE_SIZE;
    for (let reads = 0; reads < READS_AT_ONCE; reads += 1) {
      if (!this.reader || this.ready.length >= wanted || !hasSpace()) return;
      const { segment, position } = this.reader;
      const journal = this.journal!;
      const { found, next: end } =
        position < segment.size
          ? segment.read(position, segment !== journal.active)
          : { found: [], next: position };
      // All read; or a torn end, after which nothing can be read before it is closed off.
      if (end === position) {
        // Somebody has cut it off.
        if (position < segment.size && segment !== journal.active) this.finder.note(segment, Buffer.alloc(0));
        const next = journal.segments[journal.segments.indexOf(segment) + 1];
        if (next) this.readFrom(next, 0);
        else this.endBacklog();
        journal.noteRead(segment);
        journal.sweep();
        continue;
      }
      for (const { line: whole, raw } of found) {
        const line = whole && this.finder.canBeNext(whole) ? whole : undefined;
        this.watchForLoss(segment, line, raw);
        if (line?.kind === 'event' || line?.kind === 'amend') this.meet(segment, line);
      }
      this.reader.position = end;
    }
  }

  /** What was damaged before this process began, it has reported already. */
  private watchForLoss(segment: Segment, line: JournalLine | undefined, raw: Buffer): void {
    const { finder } = this;
    const isOwn = segment.number > (this.journal?.recovered.lastSegment ?? 0);
    if (!line && isOwn) finder.note(segment, raw);
    const loss = line && finder.take(line);
    if (loss) this.onLoss(loss);
  }

  private endBacklog(): void {
    const { finder } = this;
    const { source, sequence } = this.journal!;
    const loss = finder.source === source ? finder.end(sequence) : finder.end();
    if (loss) this.onLoss(loss);
    this.reader = undefined;
    this.journal!.firstNeeded = Infinity;
    this.passOver.clear();
    this.onDisk = 0;
    for (const entry of this.open.values()) entry.unread = 0;
  }

  /** The reader comes by a line of an event. */
  private meet(segment: Segment, { number, reference: sequence, text }: JournalLine): void {
    const open = this.open.get(number);
    if (open) {
      open.unread = Math.max(0, open.unread - 1);
      return;
    }
    const toPass = this.passOver.get(number);
    if (toPass !== undefined) {
      if (toPass > 1) this.passOver.set(number, toPass - 1);
      else this.passOver.delete(number);
      return;
    }
    if (this.journal!.recovered.stored.has(number)) return;
    const entry = Entry.read(text, number);
    entry.segment = segment;
    entry.order = ++this.released;
    const { source } = this.journal!;
    if (sequence > 0 && this.finder.source === source) entry.numbered = { source, sequence };
    else if (sequence === 0) {
      const [named, number] = numberOf(entry.event);
      if (named === this.memorySource) entry.numbered = { source: named, sequence: number! };
    }
    segment.holds += 1;
    this.ready.push(entry);
    this.inMemory += 1;
    this.sizeInMemory += entry.size;
    // There may be more lines than were written.
    this.onDisk = Math.max(0, this.onDisk - 1);
  }

  /** Memory forgets an event that the disk has. */
  private letGo(entry: Entry): void {
    if (entry.segment) entry.segment.holds -= 1;
    this.inMemory -= 1;
    this.sizeInMemory -= entry.size;
  }
}

/** `[1, 2, 3, 7]` → `[[1, 3], [7, 7]]`, in any order. */
function rangesOf(numbers: number[]): [number, number][] {
  const ranges: [number, number][] = [];
  for (const number of numbers.sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last && last[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges;
}
