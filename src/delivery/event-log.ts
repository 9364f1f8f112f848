import { createEventId } from '../event/event-id.js';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { rangesOf, SequenceSet } from '../event/sequence-set.js';
import type { NumberRange, NumberRanges, SourceNumber } from '../event/sequence-set.js';
import { BEGINNING, comparePlaces, earlier } from '../journal/segment.js';
import type { Place } from '../journal/segment.js';
import type { EventJournal } from '../journal/event-journal.js';
import { hasThrough } from '../journal/intents.js';
import type { Intent } from '../journal/intents.js';
import type { JournalLoss } from '../journal/damage.js';
import type { BegunRequest, DroppedNumbers, LineKind } from '../journal/journal-line.js';
import { sizeOf } from '../store/event-size.js';
import type { LogNews, LogStart, Progress, Refusal, ToldEvent } from './messages.js';
import { Ticket } from './ticket.js';

/** After so many segments or milliseconds an event is stored, even if its answer has not left. */
const OPEN_SEGMENTS = 4;
const OPEN_MS = 30_000;
/** Events that nobody took and that are tried again at a time. */
const MOST_TRIES = 500;
/** A `settled` line is written at the latest for so many bytes of lines. */
const UNSETTLED_BYTES = 512 * 1024;
/** The reader has so many events at a time that it was sent, at most, beside those that somebody waits for. */
export const SENT_AT_ONCE = 500;

/** See {@link EventLog.mark}. */
export interface LogMark {
  readonly number: number;
  readonly place: Place;
}

/**
 * The writing half. It writes each event to the journal, and keeps it in memory where there is no journal or it can't be written. Of
 * what the journal has, it remembers only the events that can still change. What the log itself can't say, the reader is told as
 * {@link LogNews}.
 */
export class EventLog {
  /** Set by {@link attach}. */
  journal: EventJournal | undefined;
  private lastNumber = 0;
  /** Who numbers what only memory has: a journal that can't be written does not know these numbers after a crash. */
  private readonly memoryNumbers = { source: createEventId(Date.now()), sequence: 0 };
  /** Events that can still change, the journal has them or not. */
  private readonly open = new Map<number, Ticket>();
  /** Released events that no file has, or that somebody waits for: they are sent to the reader. */
  private readonly outbox = new Map<number, Ticket>();
  /** Those that it has. */
  private readonly sent = new Map<number, Ticket>();
  /** Whether somebody waits for one in the outbox. */
  isUrgent = false;
  /** What earlier processes left is kept: the database does not know yet what became of them. */
  keepsAll = false;
  /** What only memory has; the size is about, in UTF-16 code units. */
  readonly memory = { events: 0, size: 0 };
  /** Counts the news. */
  turn = 0;
  private toldSegment = 0;
  /** Released events of which no `settled` line tells yet, and the bytes of lines since the last one. */
  private settled: number[] = [];
  private unsettledBytes = 0;
  private readonly skipped: NumberRange[] = [];
  /** How many released events that the reader reads in the log are not stored, and how many of these it does not know. */
  private waiting = 0;
  private untold = 0;
  /** All that was released until then is stored: `performance.now()`. */
  private storedUntil = performance.now();
  /** What there was later, and when: once it is stored as well, so is all until then. */
  private later: { readonly mark: LogMark; readonly at: number } | undefined;
  /** Of events that the database has, and of requests that are not recorded: whoever reads the log passes over these numbers. */
  private done = new SequenceSet();
  /** Events of the log that neither the database nor its dead letters take; released while they are tried again. */
  private readonly kept = new Map<number, Ticket>();
  /** How far the reader has come. */
  private reached: Pick<Progress, 'needed' | 'through'> = { needed: BEGINNING, through: BEGINNING };
  /** Where the last line ends that the reader needs, or what an earlier process left. */
  private end = BEGINNING;

  /** @param waitsForJournal nothing is numbered, nor told, before {@link attach} */
  constructor(private waitsForJournal: boolean) {}

  /** Goes on with a journal: what it has comes first, then what was entered before it was there. */
  attach(journal: EventJournal): void {
    this.journal = journal;
    this.waitsForJournal = false;
    this.waiting = journal.recovered.pending;
    this.done = new SequenceSet(journal.recovered.stored);
    this.end = { segment: journal.active.number, position: journal.active.size };
    const early = [...this.open.values(), ...this.outbox.values()];
    this.open.clear();
    this.outbox.clear();
    for (const ticket of early) {
      // The journal has given its number away to another.
      ticket.number = journal.nextNumber();
      if (!this.write(ticket, 'event')) this.numberInMemory(ticket);
      if (!ticket.released) this.open.set(ticket.number, ticket);
      else this.handOver(ticket);
    }
  }

  /** For a loop that knows nothing: the first one, or the next after its thread has died. */
  begin(): LogStart {
    const { journal } = this;
    const released = [...this.sent.values(), ...this.outbox.values()];
    this.sent.clear();
    this.outbox.clear();
    for (const ticket of released) this.handOver(ticket);
    this.toldSegment = 0;
    this.reached = { needed: BEGINNING, through: BEGINNING };
    const { sources } = this;
    if (!journal) return { sources };
    const { lock, source, recovered } = journal;
    const log = {
      directory: lock.directory,
      uid: lock.uid,
      source,
      memorySource: this.memoryNumbers.source,
      lastRecovered: recovered.lastSegment,
      done: this.done.ranges,
    };
    return { sources, log };
  }

  /** Each with the last number that it gave away. */
  get sources(): SourceNumber[] {
    const all = this.journal ? [this.journal, this.memoryNumbers] : [this.memoryNumbers];
    return all.filter(({ sequence }) => sequence > 0).map(({ source, sequence }) => ({ source, sequence }));
  }

  /** Released, and not stored. */
  get pending(): number {
    return this.waiting + this.inMemory;
  }

  /** Released events that no file has, or that somebody waits for. */
  get inMemory(): number {
    return this.outbox.size + this.sent.size;
  }

  /** Of those that are pending, how many the reader can be told of. */
  get news(): number {
    return this.untold + Math.max(0, Math.min(this.outbox.size, SENT_AT_ONCE - this.sent.size));
  }

  /** Milliseconds that the oldest of those that are pending has waited here, at most; 0 where there is none. */
  get oldestMs(): number {
    return this.pending === 0 ? 0 : Math.ceil(performance.now() - this.storedUntil);
  }

  /** Whether nothing is left that a journal would have to keep. */
  get isSettled(): boolean {
    return this.pending === 0 && this.open.size === 0 && !this.journal?.intents.count && this.kept.size === 0;
  }

  /** All that got its number, or was written, until now: for {@link isStoredThrough} and {@link isSettledThrough}. */
  mark(): LogMark {
    return { number: this.journal?.newestNumber ?? this.lastNumber, place: this.end };
  }

  /** Whether all is stored that was released, and told, at the mark. */
  isStoredThrough({ number, place }: LogMark): boolean {
    if (hasThrough(this.outbox, number) || hasThrough(this.sent, number)) return false;
    return !this.journal || comparePlaces(this.reached.through, place) >= 0;
  }

  /** Whether nothing is left to be stored of what was there at the mark, also of what could still change then. */
  isSettledThrough({ number, place }: LogMark): boolean {
    const { journal } = this;
    if (this.waitsForJournal) return false;
    if ([this.open, this.outbox, this.sent, this.kept].some((tickets) => hasThrough(tickets, number)))
      return false;
    return !journal || (!journal.intents.hasThrough(number) && comparePlaces(this.needed, place) >= 0);
  }

  /** Gives a number to an event that there is no room for: whoever counts sees that it is missing. */
  skipSequence(): SourceNumber {
    const { journal } = this;
    const { source, sequence } = nextOf(journal && !journal.failure ? journal : this.memoryNumbers);
    const last = this.skipped.at(-1);
    const goesOn = last?.source === source && last.to === sequence - 1;
    if (goesOn) this.skipped.pop();
    this.skipped.push({ source, from: goesOn ? last.from : sequence, to: sequence });
    return { source, sequence };
  }

  /** Has the journal know of events that were dropped, and not reported yet. */
  noteDropped(dropped: DroppedNumbers): void {
    // Of the numbers of memory's own source a journal knows nothing. Without the line, memory knows it alone.
    if (dropped.source === this.journal?.source) this.writeLine('dropped', dropped, 0, this.journal.sequence);
  }

  /** Has the journal know that all drops are reported. */
  noteDropsReported(): void {
    if (!this.journal?.sequence) return;
    const { source, sequence } = this.journal;
    this.noteDropped({ source, count: 0, firstSequence: sequence, lastSequence: sequence });
  }

  /** Has the journal know that the damage in a segment is reported; else it is reported again at the next start. */
  noteReported({ place }: JournalLoss): void {
    this.writeLine('damaged', {}, place.segment);
  }

  /** Takes over a request that an earlier process began. @param event as which it is recorded, since it was interrupted */
  adopt(number: number, begun: BegunRequest, event: AuditLogEvent): void {
    this.release(this.enter(event, this.journal!.intents.adopt(number, JSON.stringify(begun))));
  }

  /** There will be no event of the request. */
  cancel(intent: Intent): void {
    this.journal?.intents.void(intent);
    this.done.add(intent.number);
  }

  /** Takes the event, numbers it, and writes it to the journal. Where that fails, it is tried once more on release. */
  enter(event: AuditLogEvent, intent?: Intent): Ticket {
    const number = intent?.number ?? this.journal?.nextNumber() ?? ++this.lastNumber;
    const ticket = new Ticket(event, number, intent);
    this.open.set(number, ticket);
    if (!this.waitsForJournal && this.write(ticket, 'event')) return ticket;
    if (!this.waitsForJournal) this.numberInMemory(ticket);
    ticket.size = sizeOf(event);
    this.memory.events += 1;
    this.memory.size += ticket.size;
    return ticket;
  }

  /**
   * The event's answer has left: it may be stored.
   *
   * @param amended the event as it turned out, where that differs
   * @returns `false` where it can't be amended: it was released already, or the journal has it and does not take the amendment
   */
  release(ticket: Ticket, amended?: AuditLogEvent): boolean {
    if (ticket.released) return false;
    if (this.pending === 0) this.storedUntil = performance.now();
    ticket.released = true;
    this.open.delete(ticket.number);
    const { event, written } = ticket;
    if (amended)
      ticket.event = Object.assign(amended, { metadata: { ...amended.metadata, ...ticket.numbered } });
    const isWritten = (written && !amended) || this.write(ticket, written ? 'amend' : 'event');
    if (written && !isWritten) ticket.event = event;
    this.handOver(ticket, written !== undefined && amended !== undefined && isWritten);
    return !written || isWritten;
  }

  commit(ticket: Ticket, onStored: () => void): void {
    ticket.onStored = onStored;
    this.release(ticket);
  }

  /** What the reader does not know yet. @param hurry somebody waits */
  tell(hurry = false): LogNews {
    const { journal } = this;
    const settled = this.writeSettled();
    const segments = journal?.segments.filter(({ number }) => number >= this.toldSegment) ?? [];
    this.toldSegment = journal?.active.number ?? 0;
    this.untold = 0;
    this.turn += 1;
    return {
      turn: this.turn,
      segments: segments.map(({ number, size }) => ({ number, size })),
      sources: this.sources,
      settled,
      events: this.send(),
      skipped: this.skipped.splice(0),
      isMisplaced: journal?.blocked ?? false,
      hurry,
    };
  }

  /** The reader has come further. */
  noteProgress(progress: Progress): void {
    const { journal } = this;
    this.reached = { needed: progress.needed, through: progress.through };
    const inLog: number[] = [];
    for (const number of progress.settled) {
      this.sent.get(number)?.onStored?.();
      if (this.leaveReader(number)) inLog.push(number);
      this.done.add(number);
      this.kept.delete(number);
    }
    for (const { isDead, ...refusal } of progress.refused) if (!isDead) this.keep(refusal);
    if (progress.isIdle && progress.turn === this.turn) this.waiting = this.untold;
    this.noteTime();
    if (!journal) return;
    // Where the journal can't be told, they are stored again after a crash, and found to be there.
    if (inLog.length > 0) this.writeLine('stored', rangesOf(inLog));
    journal.sweep(this.needed);
  }

  private noteTime(): void {
    const { later } = this;
    if (later && !this.isStoredThrough(later.mark)) return;
    if (later) this.storedUntil = Math.max(this.storedUntil, later.at);
    this.later = { mark: this.mark(), at: performance.now() };
  }

  /** What is before it in the log, nobody needs any more. */
  private get needed(): Place {
    if (this.keepsAll) return BEGINNING;
    let { needed } = this.reached;
    for (const tickets of [this.outbox, this.sent, this.kept])
      for (const { written } of tickets.values()) needed = earlier(needed, written);
    return needed;
  }

  /** Writes to the journal what only memory has, after it failed and works again. */
  writeMissing(): void {
    // The reader passes over lines of events that it was sent.
    for (const tickets of [this.open, this.sent, this.outbox]) {
      for (const ticket of tickets.values()) {
        if (ticket.written) continue;
        if (!this.write(ticket, 'event')) return;
        if (this.outbox.delete(ticket.number)) this.handOver(ticket);
      }
    }
  }

  /** Whether the log keeps the event, which nobody takes. */
  keeps(number: number): boolean {
    return this.kept.has(number);
  }

  /**
   * Events whose answers take too long to leave are stored as they are: what changes later is told by another event. Those that nobody
   * took are tried again. They are written once more for that, so that they do not keep all segments since.
   */
  releaseOld(): void {
    const { journal } = this;
    if (!journal) return;
    const oldSegment = journal.active.number - OPEN_SEGMENTS;
    const oldSince = performance.now() - OPEN_MS;
    const isOld = ({ written, since, released }: Ticket) =>
      written && !released && (written.segment <= oldSegment || since < oldSince);
    for (const ticket of this.open.values()) if (isOld(ticket)) this.release(ticket);
    let tries = 0;
    for (const ticket of this.kept.values()) {
      if (!isOld(ticket)) continue;
      if (tries === MOST_TRIES || !this.write(ticket, 'amend')) return;
      tries += 1;
      if (this.pending === 0) this.storedUntil = performance.now();
      ticket.released = true;
      this.handOver(ticket, true);
    }
  }

  /** Nothing is delivered any more: what only memory has is lost. Answers how many that are. */
  discard(): number {
    const all = [this.open, this.outbox, this.sent];
    const lost = all.flatMap((tickets) => [...tickets.values()]).filter(({ written }) => !written).length;
    for (const tickets of all) tickets.clear();
    this.waiting = this.untold = this.memory.events = this.memory.size = 0;
    return lost;
  }

  /** Nobody takes the event. Where only memory has it, it is lost. */
  private keep({ number, event, place }: Omit<Refusal, 'isDead'>): void {
    const written = this.sent.get(number)?.written ?? place;
    this.leaveReader(number);
    if (!written) return;
    const ticket = new Ticket(event, number, undefined);
    const { source, sequence } = event.metadata as unknown as SourceNumber;
    ticket.numbered = { source, sequence };
    ticket.written = written;
    this.kept.set(number, ticket);
  }

  /**
   * It may be stored: the reader finds it in the log, or is sent it.
   *
   * @param isTold an `amend` line says that it is settled
   */
  private handOver(ticket: Ticket, isTold = false): void {
    const { number, written, onStored } = ticket;
    if (!written || onStored) {
      this.outbox.set(number, ticket);
      this.isUrgent ||= onStored !== undefined;
      return;
    }
    if (!isTold) this.settled.push(number);
    // The reader keeps what is not settled.
    if (this.unsettledBytes > UNSETTLED_BYTES) this.writeSettled();
    this.waiting += 1;
    this.untold += 1;
  }

  /** Numbers it and writes it; the journal's own number is given away with its line, or not at all. */
  private write(ticket: Ticket, kind: 'event' | 'amend'): boolean {
    const { journal } = this;
    if (!journal) return false;
    const { event, number } = ticket;
    const numbered = ticket.numbered ?? { source: journal.source, sequence: journal.sequence + 1 };
    Object.assign(event.metadata, numbered);
    const reference = numbered.source === journal.source ? numbered.sequence : 0;
    const written = this.writeLine(kind, event, number, reference);
    if (!written) return false;
    ticket.written = written;
    ticket.numbered = numbered;
    this.freeMemory(ticket);
    if (ticket.intent) journal.intents.fulfil(ticket.intent);
    ticket.intent = undefined;
    return true;
  }

  /** @returns `undefined` where the journal does not take it */
  private writeLine(kind: LineKind, body: unknown, number = 0, reference = 0): Place | undefined {
    const { journal } = this;
    try {
      const written = journal?.append(kind, number, reference, JSON.stringify(body));
      if (written && NEEDED.has(kind)) {
        this.end = { segment: written.segment, position: journal!.active.size };
        this.unsettledBytes += this.end.position - written.position;
      }
      return written;
    } catch {
      return undefined;
    }
  }

  /** @returns those that the log could not be told of */
  private writeSettled(): NumberRanges {
    if (this.settled.length === 0) return [];
    this.unsettledBytes = 0;
    const ranges = rangesOf(this.settled);
    if (!this.writeLine('settled', ranges)) return ranges;
    this.settled = [];
    return [];
  }

  /** The reader is done with the event. @returns whether the log has a line of it */
  private leaveReader(number: number): boolean {
    const open = this.open.get(number);
    if (open) {
      // Beside damage, which may have said that it is settled. What its answer changes later is told by another event.
      open.released = true;
      this.open.delete(number);
      return true;
    }
    const ticket = this.sent.get(number);
    if (!ticket) {
      // A reader that has begun again meets what was answered before, too.
      const isCounted = !this.done.has(number) && this.kept.get(number)?.released !== false;
      if (isCounted) this.waiting = Math.max(0, this.waiting - 1);
      return true;
    }
    this.sent.delete(number);
    this.freeMemory(ticket);
    if (ticket.intent) this.journal?.intents.void(ticket.intent);
    return ticket.written !== undefined;
  }

  private numberInMemory(ticket: Ticket): void {
    ticket.numbered ??= nextOf(this.memoryNumbers);
    Object.assign(ticket.event.metadata, ticket.numbered);
  }

  private freeMemory(ticket: Ticket): void {
    if (ticket.size === 0) return;
    this.memory.events -= 1;
    this.memory.size -= ticket.size;
    ticket.size = 0;
  }

  /** Those that somebody waits for, and of the others no more than the reader is to have. */
  private send(): ToldEvent[] {
    const news: ToldEvent[] = [];
    for (const [number, ticket] of this.outbox) {
      const { event, numbered, onStored } = ticket;
      if (!onStored && this.sent.size >= SENT_AT_ONCE) {
        if (this.isUrgent) continue;
        break;
      }
      this.outbox.delete(number);
      this.sent.set(number, ticket);
      news.push({ number, event, numbered, isUrgent: onStored !== undefined });
    }
    this.isUrgent = false;
    return news;
  }
}

/** Lines that tell the reader something of events. */
const NEEDED: ReadonlySet<LineKind> = new Set<LineKind>(['event', 'settled', 'amend']);

/** Gives away the next number. */
function nextOf(numbers: { readonly source: string; sequence: number }): SourceNumber {
  numbers.sequence += 1;
  return { source: numbers.source, sequence: numbers.sequence };
}
