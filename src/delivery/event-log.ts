import { createEventId } from '../event/event-id.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { SequenceSet } from '../event/sequence-set.js';
import { comparePlaces } from '../journal/segment.js';
import type { Place } from '../journal/segment.js';
import type { EventJournal, Written } from '../journal/event-journal.js';
import type { Intent } from '../journal/intents.js';
import type { JournalLoss } from '../journal/damage.js';
import { recover } from '../journal/recovery.js';
import type { DroppedEvents, Recovered } from '../journal/recovery.js';
import { sizeOf } from '../store/event-size.js';
import type {
  LogNews,
  LogStart,
  Numbered,
  Progress,
  UnwrittenEvent,
  SkippedNumbers,
  Wanted,
} from './messages.js';

/** An answer that has not left when its event is so many segments, or milliseconds, old no longer keeps it from being stored. */
const OPEN_SEGMENTS = 4;
const OPEN_MS = 30_000;
/** So many unwritten events are with the reader at a time. */
const UNWRITTEN_AT_ONCE = 500;

/** An event that was entered: hand it back to `Delivery.release` when its answer has left. */
export class Ticket {
  /** Where its line is; `undefined` while only memory has it. */
  written: Written | undefined = undefined;
  numbered: Numbered | undefined = undefined;
  /** Somebody waits for it: it was handed over before its answer left, and can't be amended any more. */
  committed = false;
  /** Where the journal has it as it was, while memory alone has it as it turned out. */
  outdated: Place | undefined = undefined;
  /** It is settled: it may be stored, and can't be amended any more. */
  released = false;
  /** Called once the database has it. */
  onStored: (() => void) | undefined = undefined;
  /** What it takes of the room in memory, about, in UTF-16 code units; 0 where a file has it. */
  size = 0;
  readonly since = performance.now();

  constructor(
    public event: AuditLogEvent,
    /** The journal's, which its intent has as well. */
    public number: number,
    /** What its line takes the place of in the journal. */
    public intent: Intent | undefined,
  ) {}
}

export type { Intent };

/** Where a mark is set: see {@link EventLog.mark}. */
export interface LogMark {
  readonly number: number;
  readonly place: Place;
}

/**
 * The writing half: has each event written to the journal, where there is one that works, and keeps it in memory otherwise. Of
 * what the journal has it remembers only the events that can still change; what is to be read there, it tells as {@link LogNews}.
 */
export class EventLog {
  private journal: EventJournal | undefined;
  private lastNumber = 0;
  /** Who numbers what only memory has: a journal that can't be written does not know these numbers after a crash. */
  private readonly memorySource = createEventId(Date.now());
  private memorySequence = 0;
  /** Events that can still change, the journal has them or not. */
  private readonly open = new Map<number, Ticket>();
  /** Released events that no file has, by number, with those that are with the reader. */
  private readonly unwritten = new Map<number, Ticket>();
  private readonly withReader = new Set<number>();
  private eventsInMemory = 0;
  private sizeInMemory = 0;
  /** Those that somebody waits for. */
  private readonly awaited = new Map<number, Ticket>();
  private turn = 0;
  private toldSegment = 0;
  private amended: number[] = [];
  private withdrawn: number[] = [];
  private wanted: Wanted[] = [];
  private rewritten: number[] = [];
  private skipped: SkippedNumbers[] = [];
  /** Released events of the log: of which the reader knows, and does not know yet. */
  private told = 0;
  private untold = 0;
  private oldest: number | undefined;
  /** Events that neither the database nor its dead letters take: the log keeps them for the next start. */
  private readonly kept = new Map<number, Ticket>();
  /** Whether there is something that is to be told at once. */
  isUrgent = false;
  private needed: Place = { segment: 0, position: 0 };
  /** Where the last line of an event ends, or what an earlier process left. */
  private end: Place = { segment: 0, position: 0 };

  /** @param waitsForJournal nothing is numbered, nor told, before {@link attach} */
  constructor(private waitsForJournal: boolean) {}

  /** Goes on with a journal: what it has comes first, then what was entered before it was there. */
  attach(journal: EventJournal): void {
    this.journal = journal;
    this.waitsForJournal = false;
    this.told = journal.recovered.pending;
    this.end = { segment: journal.active.number, position: journal.active.size };
    const open = [...this.open.values()];
    const released = [...this.unwritten.values()];
    const awaited = [...this.awaited.values()];
    for (const all of [this.open, this.unwritten, this.awaited]) all.clear();
    // The journal has given their numbers away to others.
    for (const ticket of [...open, ...released]) ticket.number = journal.nextNumber();
    for (const ticket of open) {
      this.open.set(ticket.number, ticket);
      if (!this.write(ticket, 'event')) this.numberInMemory(ticket);
    }
    for (const ticket of released) {
      this.unwritten.set(ticket.number, ticket);
      if (!this.writeUnwritten(ticket)) this.numberInMemory(ticket);
    }
    for (const ticket of awaited) this.await(ticket);
  }

  /** The log as its reader finds it when the process begins. */
  begin(): LogStart {
    return this.startOf(this.journal!.recovered);
  }

  /**
   * The log as another reader finds it, since the one before is gone. What was told to that one is not told again: it is in the
   * log, and found there.
   */
  async beginAgain(): Promise<LogStart | undefined> {
    const { journal } = this;
    this.withReader.clear();
    if (!journal) return undefined;
    for (const told of [this.amended, this.withdrawn, this.wanted, this.rewritten]) told.length = 0;
    const { number: segment, size: position } = journal.active;
    const others = [...this.open.values()].filter(({ written }) => written).length + this.untold;
    const recovered = await recover(journal.segments, () => undefined, { segment, position });
    this.told = Math.max(0, recovered.pending - others);
    for (const { number, outdated } of this.unwritten.values()) if (outdated) this.withdrawn.push(number);
    for (const ticket of this.awaited.values()) this.await(ticket);
    return this.startOf(recovered);
  }

  private startOf(recovered: Recovered): LogStart {
    const { directory, uid, source, sequence } = this.journal!;
    this.toldSegment = 0;
    return {
      directory,
      uid,
      source,
      sequence,
      memorySource: this.memorySource,
      lastRecovered: recovered.lastSegment,
      stored: recovered.stored.ranges,
      superseded: [...recovered.superseded],
    };
  }

  /** Who numbers events, with the last number that each gave away. */
  get sources(): { readonly source: string; readonly sequence: number }[] {
    const all = [{ source: this.memorySource, sequence: this.memorySequence }];
    if (this.journal) all.unshift({ source: this.journal.source, sequence: this.journal.sequence });
    return all.filter(({ sequence }) => sequence > 0);
  }

  /** Released, and not stored. */
  get pending(): number {
    return this.told + this.untold + this.unwritten.size;
  }

  /** Of those, how many the reader does not know of. */
  get news(): number {
    const canBeTold = Math.min(this.unwritten.size, UNWRITTEN_AT_ONCE) - this.withReader.size;
    return this.untold + (this.waitsForJournal ? 0 : Math.max(0, canBeTold));
  }

  /** Whether one of those that only memory has is left that got its number before or with this one. */
  hasUnwrittenThrough(number: number): boolean {
    for (const unwritten of this.unwritten.keys()) if (unwritten <= number) return true;
    return false;
  }

  /** What only memory has; the size is about, in UTF-16 code units. */
  get memory(): { readonly events: number; readonly size: number } {
    return { events: this.eventsInMemory, size: this.sizeInMemory };
  }

  /** When the oldest of those that are pending began. Unix epoch, milliseconds. */
  get oldestSince(): number | undefined {
    if (this.pending === 0) return undefined;
    const [first] = this.unwritten.values();
    const oldest = this.told + this.untold > 0 ? this.oldest : undefined;
    return Math.min(oldest ?? Infinity, first?.event.timestamp ?? Infinity);
  }

  /** Whether nothing is left that a journal would have to keep. */
  get isSettled(): boolean {
    return this.pending === 0 && this.open.size === 0 && !this.journal?.intents.count && this.kept.size === 0;
  }

  /** All that got its number, or was written, until now: for {@link isSettledThrough}. */
  mark(): LogMark {
    return { number: this.journal?.newestNumber ?? this.lastNumber, place: this.end };
  }

  /** Whether nothing is left to be stored of what was there at the mark. */
  isSettledThrough({ number, place }: LogMark): boolean {
    const { journal } = this;
    if (this.waitsForJournal || this.kept.size > 0) return false;
    const isLeft = (numbers: Iterable<number>) => [...numbers].some((left) => left <= number);
    if (isLeft(this.open.keys()) || isLeft(this.unwritten.keys())) return false;
    return !journal || (!journal.intents.hasThrough(number) && comparePlaces(this.needed, place) >= 0);
  }

  /** Gives a number to an event that there is no room for: whoever counts sees that it is missing. */
  skipSequence(): Numbered {
    const { journal } = this;
    const numbered =
      journal && !journal.failure
        ? { source: journal.source, sequence: ++journal.sequence }
        : { source: this.memorySource, sequence: ++this.memorySequence };
    const { source, sequence } = numbered;
    const last = this.skipped.at(-1);
    if (last?.source === source && last.to === sequence - 1) last.to = sequence;
    else this.skipped.push({ source, from: sequence, to: sequence });
    return numbered;
  }

  /** Has the journal know of events that were dropped, and not reported yet. */
  noteDropped(dropped: DroppedEvents): void {
    // Of the numbers of memory's own source a journal knows nothing.
    if (dropped.source !== this.journal?.source) return;
    try {
      this.journal.append('dropped', 0, this.journal.sequence, JSON.stringify(dropped));
    } catch {
      // Then memory knows it alone.
    }
  }

  /** Has the journal know that the damage in a segment is reported. */
  noteReported(loss: JournalLoss): void {
    try {
      this.journal?.append('damaged', loss.segment, 0, '{}');
    } catch {
      // Then it is reported again at the next start.
    }
  }

  /** Takes over a request that an earlier process began, as interrupted. */
  adopt(number: number, event: AuditLogEvent): void {
    this.release(this.enter(event, this.journal!.intents.adopt(number)));
  }

  /**
   * Takes the event, numbers it, and writes it to the journal. Where that fails, memory has it alone until the journal
   * works again.
   */
  enter(event: AuditLogEvent, intent?: Intent): Ticket {
    const number = intent?.number ?? this.journal?.nextNumber() ?? ++this.lastNumber;
    const ticket = new Ticket(event, number, intent);
    this.open.set(number, ticket);
    if (!this.waitsForJournal && this.write(ticket, 'event')) return ticket;
    if (!this.waitsForJournal) this.numberInMemory(ticket);
    this.holdInMemory(ticket);
    return ticket;
  }

  /**
   * The event's answer has left: it may be stored.
   *
   * @param amended the event as it turned out, where that differs
   * @returns `false` where it was released already, so that nothing can be amended
   */
  release(ticket: Ticket, amended?: AuditLogEvent): boolean {
    if (ticket.released) return false;
    ticket.released = true;
    this.open.delete(ticket.number);
    if (amended)
      ticket.event = Object.assign(amended, { metadata: { ...amended.metadata, ...ticket.numbered } });
    const isInLog = ticket.written !== undefined;
    if (isInLog && (!amended || this.write(ticket, 'amend'))) {
      if (amended) this.amended.push(ticket.number);
      this.noteReleased(ticket);
      return true;
    }
    // The journal has it as it was: it is stored from memory, as it is.
    if (isInLog) this.withdrawn.push(ticket.number);
    ticket.outdated = ticket.written;
    ticket.written = undefined;
    this.holdInMemory(ticket);
    this.unwritten.set(ticket.number, ticket);
    return true;
  }

  /** As {@link release}, for an event that somebody waits for. */
  commit(ticket: Ticket, onStored: () => void): void {
    ticket.committed = true;
    ticket.onStored = onStored;
    this.release(ticket);
    this.await(ticket);
  }

  /** What the reader does not know yet. */
  tell(): LogNews {
    const { journal } = this;
    const segments = journal?.segments.filter(({ number }) => number >= this.toldSegment) ?? [];
    this.toldSegment = journal?.active.number ?? 0;
    this.told += this.untold;
    this.untold = 0;
    this.isUrgent = false;
    this.turn += 1;
    return {
      turn: this.turn,
      segments: segments.map(({ number, size }) => ({ number, size })),
      sequence: journal?.sequence ?? 0,
      open: [...this.open.values()].filter(({ written }) => written).map(({ number }) => number),
      amended: this.amended.splice(0),
      withdrawn: this.withdrawn.splice(0),
      wanted: this.wanted.splice(0),
      unwritten: this.unwrittenNews(),
      written: this.rewritten.splice(0),
      skipped: this.skipped.splice(0),
    };
  }

  /** The reader has come further. */
  take(progress: Progress): void {
    const { journal, unwritten, awaited } = this;
    const { settled, settledUnwritten, kept, lost, needed } = progress;
    this.oldest = progress.oldest;
    this.told =
      progress.isIdle && progress.turn === this.turn
        ? 0
        : Math.max(0, this.told - settled.length - kept.length);
    for (const number of [...settledUnwritten, ...lost]) {
      this.withReader.delete(number);
      const ticket = unwritten.get(number);
      unwritten.delete(number);
      if (ticket) this.freeMemory(ticket);
      if (ticket?.intent) this.journal?.intents.void(ticket.intent);
    }
    for (const number of [...settled, ...settledUnwritten]) {
      awaited.get(number)?.onStored?.();
      awaited.delete(number);
    }
    for (const { number, event } of kept) {
      const { source, sequence } = event.metadata as unknown as Numbered;
      this.kept.set(
        number,
        Object.assign(new Ticket(event, number, undefined), { numbered: { source, sequence } }),
      );
    }
    if (!journal) return;
    if (settled.length > 0) {
      try {
        const stored = new SequenceSet();
        for (const number of settled) stored.add(number);
        journal.append('stored', 0, 0, JSON.stringify(stored.ranges));
      } catch {
        // They are stored again after a crash, and found to be there.
      }
    }
    this.needed = this.neededBy(needed);
    journal.sweep(this.needed);
  }

  /** Writes to the journal what only memory has, after it failed and works again. */
  writeMissing(): void {
    const { journal } = this;
    if (!journal || journal.failure) return;
    try {
      journal.intents.voidMissing();
    } catch {
      return;
    }
    for (const ticket of this.open.values()) {
      if (!ticket.written && !this.write(ticket, 'event')) return;
    }
    for (const ticket of this.unwritten.values()) {
      if (!this.writeUnwritten(ticket)) return;
    }
  }

  /** Events whose answers take too long to leave are stored as they are: what changes later is told by another event. */
  releaseOld(): void {
    const { journal } = this;
    if (!journal) return;
    const now = performance.now();
    for (const ticket of this.open.values()) {
      const { written, since } = ticket;
      const isFar = written && written.segment <= journal.active.number - OPEN_SEGMENTS;
      if (isFar || (written && now - since > OPEN_MS)) this.release(ticket);
    }
  }

  /** Nothing is delivered any more: what only memory has is lost. Answers how many that are. */
  discard(): number {
    const isLost = ({ written }: Ticket) => !written;
    const lost = this.unwritten.size + [...this.open.values()].filter(isLost).length;
    this.open.clear();
    this.unwritten.clear();
    this.awaited.clear();
    this.told = this.untold = this.eventsInMemory = this.sizeInMemory = 0;
    return lost;
  }

  /** What is before it in the journal is stored. @param read what is before it, the reader does not need */
  private neededBy(read: Place): Place {
    let needed = { ...read, segment: Math.min(read.segment, this.keptFrom()) };
    for (const { outdated } of this.unwritten.values()) {
      if (outdated && comparePlaces(outdated, needed) < 0) needed = outdated;
    }
    return needed;
  }

  /** Numbers it and writes it; the journal's own number is given away with its line, or not at all. */
  private write(ticket: Ticket, kind: 'event' | 'amend'): boolean {
    const { journal } = this;
    if (!journal) return false;
    const { event, number } = ticket;
    const numbered = ticket.numbered ?? { source: journal.source, sequence: journal.sequence + 1 };
    Object.assign(event.metadata, numbered);
    const reference = numbered.source === journal.source ? numbered.sequence : 0;
    try {
      const written = journal.append(kind, number, reference, JSON.stringify(event));
      ticket.written = written;
      this.end = { segment: written.segment, position: written.position + written.length };
    } catch {
      return false;
    }
    ticket.numbered = numbered;
    this.freeMemory(ticket);
    if (ticket.intent) journal.intents.fulfil(ticket.intent);
    ticket.intent = undefined;
    return true;
  }

  private await(ticket: Ticket): void {
    const { number, written } = ticket;
    this.awaited.set(number, ticket);
    this.isUrgent = true;
    if (written) this.wanted.push({ number, ...written });
  }

  private writeUnwritten(ticket: Ticket): boolean {
    if (!this.write(ticket, ticket.outdated ? 'amend' : 'event')) return false;
    this.unwritten.delete(ticket.number);
    if (this.withReader.delete(ticket.number)) this.rewritten.push(ticket.number);
    this.noteReleased(ticket);
    return true;
  }

  private noteReleased({ event }: Ticket): void {
    this.untold += 1;
    this.oldest ??= event.timestamp;
  }

  private numberInMemory(ticket: Ticket): void {
    ticket.numbered ??= { source: this.memorySource, sequence: ++this.memorySequence };
    Object.assign(ticket.event.metadata, ticket.numbered);
  }

  private holdInMemory(ticket: Ticket): void {
    this.freeMemory(ticket);
    ticket.size = sizeOf(ticket.event);
    this.eventsInMemory += 1;
    this.sizeInMemory += ticket.size;
  }

  private freeMemory(ticket: Ticket): void {
    if (ticket.size === 0) return;
    this.eventsInMemory -= 1;
    this.sizeInMemory -= ticket.size;
    ticket.size = 0;
  }

  private unwrittenNews(): UnwrittenEvent[] {
    const news: UnwrittenEvent[] = [];
    if (this.waitsForJournal) return news;
    for (const { number, event, numbered } of this.unwritten.values()) {
      if (this.withReader.size === UNWRITTEN_AT_ONCE) break;
      if (this.withReader.has(number)) continue;
      this.withReader.add(number);
      news.push({ number, event, numbered });
    }
    return news;
  }

  /** What is kept moves to the end of the log, so that it does not keep all segments since. @returns the first that is needed for it */
  private keptFrom(): number {
    let first = Infinity;
    for (const ticket of this.kept.values()) {
      const isFar = (ticket.written?.segment ?? 0) <= this.journal!.active.number - OPEN_SEGMENTS;
      if (isFar) this.write(ticket, 'amend');
      first = Math.min(first, ticket.written?.segment ?? 0);
    }
    return first;
  }
}
