import { setImmediate as turn } from 'node:timers/promises';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { firstIdOf } from '../event/event-id.js';
import type { NumberRange, SourceNumber } from '../event/sequence-set.js';
import { eventLeafHash } from '../ledger/canonical-event.js';
import type { NumberOwner } from './issued-numbers.js';
import { leafHashOf } from '../store/event-leaf.js';
import { whyNoEvent } from '../store/event-row.js';
import type { NumberedRow, RowNumber } from '../store/event-row.js';
import type { StoredLeaf } from '../store/audit.entities.js';
import type { SealingRepository, SourcePlace, SourceProgress } from '../store/sealing.repository.js';
import { isEnd, isTrusted, readNote } from '../store/source-note.js';
import type { StatementTrust } from '../store/statement-signer.js';
import type { SourceRepository } from '../store/source.repository.js';
import { SourceQueue } from './source-queue.js';
import { TrustedNotes } from './trusted-notes.js';

export interface CollectorOptions {
  readonly gapTimeoutMs: number;
  /** The event that tells of numbers that no event came for in time. */
  readonly describeGap: (gap: NumberRange) => AuditLogEvent | Promise<AuditLogEvent>;
  /** The last number that each source of this process has given away: a higher one in the database is forged. */
  readonly localSources: () => readonly SourceNumber[];
  /** Which event has each of these numbers of a source of this process. */
  readonly ownersOf: (
    source: string,
    sequences: readonly number[],
  ) => readonly NumberOwner[] | Promise<readonly NumberOwner[]>;
  /** Told of each row that is no event and so does not get into the log. */
  readonly passedOver: (id: string) => void;
  /** Whose notes of sources are believed. */
  readonly trust: () => Promise<StatementTrust>;
  /** A note says of a source of this process what is not so. */
  readonly warn: (message: string) => void;
}

/** Sources that one statement looks up. */
const SOURCES_AT_ONCE = 100;
/** Gaps whose numbers one statement looks for. */
const GAPS_AT_ONCE = 100;
/** Events whose sources each wide turn looks at. */
const NEWEST_EVENTS = 200;
const [MINUTE_MS, HOUR_MS] = [60_000, 3_600_000];
/**
 * How often it looks how far back for events without a number: they come by the caller's transaction, mostly soon after their id was made.
 */
const LOOKS = [
  { everyMs: HOUR_MS, backMs: Infinity },
  { everyMs: MINUTE_MS, backMs: HOUR_MS },
  { everyMs: 0, backMs: MINUTE_MS },
];
/** Pages of rows of one listing that are looked at in one pass; the next goes on from there. */
const MAX_PAGES = 10;
/** Listings of the rows with numbers of some gaps begin so; after it comes the leaf of the first gap. */
const GAPS_FROM = 'gaps from leaf ';
/** How long a row with a number of this process may wait until the process knows that it has stored the event. */
const STORING_MS = 2_000;
/** Marks that are made of a source while the time of a gap runs. */
const MARKS_PER_TIMEOUT = 30;

/** The highest number that was known at a time. What is missing below it has been missing at least since then. */
interface Mark {
  readonly known: number;
  readonly at: number;
}

/**
 * Finds what is stored and not in the log yet: each source's events in the order of their numbers, without holes.
 *
 * Where there are keys, what notes say of a source counts only with a signature. A hole in the numbers of any other source, or beyond what
 * they say that it has come to, is not recorded: what comes after it waits, and holds up nobody else. Of its own numbers a process seals
 * only the events that it has given them to.
 */
export class Collector {
  /** Of each source in which a number is missing; the oldest first. */
  private readonly marks = new Map<string, Mark[]>();
  private readonly queue: SourceQueue;
  private readonly notes: TrustedNotes;
  /** The queue and the notes have been read to their end. */
  private isLast = false;
  /** The turn has found rows with numbers of this process that are not in the log: some may not be known as stored yet. */
  private hasLocal = false;
  /** The newest note of each source of this process, where this process can't have written it. */
  private readonly strange = new Map<string, string>();
  /** The leaves of gaps that have all of their numbers by now. */
  private readonly closed = new Set<number>();
  /** When it did each of {@link LOOKS} the last time. */
  private readonly lookedAt = LOOKS.map(() => -Infinity);
  /** Where to go on the next time in listings whose first rows were no events. */
  private readonly resumed = new Map<string, SourcePlace>();

  constructor(
    private readonly sealing: SealingRepository,
    private readonly sources: SourceRepository,
    private readonly options: CollectorOptions,
  ) {
    this.queue = new SourceQueue(sealing);
    this.notes = new TrustedNotes(sources);
  }

  /** Begins a round: {@link isDone} tells when everything was looked at. */
  begin(): void {
    this.queue.begin();
    this.notes.begin();
    this.isLast = false;
    // A round looks back an hour at least.
    this.lookedAt.fill(-Infinity, 1);
    this.closed.clear();
  }

  /** Whether nothing was left to be added of any source, since the last {@link begin}. */
  get isDone(): boolean {
    return this.isLast && this.queue.isDone;
  }

  /** Whether a number may still come, or there are rows that were not looked at yet. */
  get isWaiting(): boolean {
    return this.hasLocal || this.marks.size + this.resumed.size > 0;
  }

  /**
   * At most `limit` leaves; fewer only where those sources whose turn it is have no more.
   *
   * @param size leaves of the log
   * @param isWide whether to look further than at the sources that are known to live, and for what came late
   */
  async next(limit: number, size: number, isWide: boolean): Promise<Batch> {
    const batch = new Batch(limit, size);
    this.hasLocal = false;
    await this.numbered(batch, size, isWide);
    if (isWide && !batch.isFull) await this.late(batch, size);
    const now = performance.now();
    const due = LOOKS.findIndex(({ everyMs }, index) => now - this.lookedAt[index]! >= everyMs);
    const from = due === 0 ? '' : firstIdOf(Date.now() - LOOKS[due]!.backMs);
    const unnumbered = (after: string) => this.sealing.unnumberedEvents(after, limit, size);
    // Who looks further back has seen what is nearer as well.
    if (await this.fill(batch, 'unnumbered', from, unnumbered)) this.lookedAt.fill(now, due);
    return batch;
  }

  /** Adds events of numbers that the log has recorded as lost. A gap that is closed is not looked at again before the next round. */
  private async late(batch: Batch, size: number): Promise<void> {
    const gaps = await this.sealing.gapsBefore(size);
    const firsts = gaps.filter((_, at) => at % GAPS_AT_ONCE === 0);
    const listings = firsts.map(({ leafIndex }) => `${GAPS_FROM}${leafIndex}`);
    // Where other gaps begin a listing by now, nobody goes on with it.
    for (const listing of this.resumed.keys()) {
      if (listing.startsWith(GAPS_FROM) && !listings.includes(listing)) this.resumed.delete(listing);
    }
    for (const [index, listing] of listings.entries()) {
      const all = gaps.slice(index * GAPS_AT_ONCE, (index + 1) * GAPS_AT_ONCE);
      const some = all.filter(({ leafIndex }) => !this.closed.has(leafIndex));
      if (some.length === 0) continue;
      let isEmpty = !this.resumed.has(listing);
      const isDone = await this.fill(batch, listing, '', async (after) => {
        const rows = await this.sealing.lateEvents(some, after, batch.limit, size);
        isEmpty &&= rows.length === 0;
        return rows;
      });
      if (!isDone || !isEmpty) continue;
      // What is there of them is in the log.
      const missing = await this.sealing.countMissing(some);
      for (const [index, gap] of some.entries()) if (missing[index] === 0) this.closed.add(gap.leafIndex);
    }
  }

  private async numbered(batch: Batch, size: number, isWide: boolean): Promise<void> {
    // First what was given away, then what is stored of it.
    const local = new Map(this.options.localSources().map(({ source, sequence }) => [source, sequence]));
    const trust = await this.options.trust();
    const hasKeys = trust.verifiers.length > 0;
    if (hasKeys && isWide) await this.notes.readOn(trust);
    if (this.queue.isEmpty) {
      for (const source of local.keys()) await this.checkNotes(source, trust);
      const newest = isWide ? await this.sealing.newestSources(NEWEST_EVENTS) : [];
      // Whoever makes up sources can't sign a note of them: those that are noted don't wait for the others.
      const noted = isWide ? [...this.notes.live, ...this.notes.ended] : [];
      await this.queue.fill([...local.keys(), ...noted, ...newest], isWide);
      // Unless the batch fills up: then somebody has more.
      this.isLast = !hasKeys || this.notes.isComplete;
    }
    while (!batch.isFull && !this.queue.isEmpty) {
      const all = await this.sealing.progressOf(this.queue.next(SOURCES_AT_ONCE), size);
      for (const [index, progress] of all.entries()) {
        if (batch.isFull) {
          this.queue.giveBack(all.slice(index).map(({ source }) => source));
          break;
        }
        if (local.has(progress.source) && progress.stored > progress.sealed) this.hasLocal = true;
        const before = batch.leaves.length;
        const outlook = this.outlook(progress, local.get(progress.source), hasKeys);
        const isWaiting = await this.ofSource(batch, outlook);
        if (!isWaiting) this.marks.delete(progress.source);
        if (batch.leaves.length > before) this.queue.keepLooking(progress.source);
      }
      // SQLite answers at once: whatever else the process has to do is not kept waiting.
      await turn();
    }
    if (batch.isFull) this.isLast = false;
  }

  /** What is known of the source, by what counts. */
  private outlook(progress: SourceProgress, local: number | undefined, hasKeys: boolean): Outlook {
    const { source, stored, sealed } = progress;
    // What others say of a source of this process counts for nothing: it goes on.
    const note = local === undefined ? this.notes.of(source) : undefined;
    const end = note && isEnd(note) ? note.reached : undefined;
    if (end !== undefined && end <= sealed) this.notes.ended.delete(source);
    // One that was found dead may have given away more than its journal tells.
    const last = local ?? (note?.kind === 'closed' ? note.reached : Infinity);
    // Without keys anybody's note does.
    const claimed = progress.isNoted && !hasKeys ? Infinity : 0;
    return {
      ...progress,
      known: Math.min(Math.max(stored, end ?? 0), last),
      last,
      end,
      isLocal: local !== undefined,
      vouched: local ?? note?.reached ?? claimed,
    };
  }

  /** @returns whether a number is missing that may still come, or not all was looked at */
  private async ofSource(batch: Batch, outlook: Outlook): Promise<boolean> {
    const { source, sealed, known, last, end } = outlook;
    const at = { next: sealed + 1, isStoring: false };
    const first = Math.min(outlook.next ?? Infinity, last + 1);
    // Nothing is read as long as it waits.
    if (first > at.next && first <= known && !(await this.passes(batch, outlook, at, first - 1))) return true;
    const listing = `source ${source}`;
    const rows = this.rows(batch, listing, { sequence: at.next, id: '' }, (place) =>
      this.ofSourceAfter(outlook, place, batch.limit),
    );
    if (first > known) this.resumed.delete(listing);
    else {
      for await (const found of rows) {
        const sequence = Number(found.row.sequence);
        if (sequence > last) break;
        // A number that is there twice: the other one is no event of the source's.
        const leaf = sequence < at.next ? undefined : this.leafOf(found);
        at.isStoring ||= leaf !== undefined && found.claim === 'early';
        if (!leaf || found.claim === 'early') continue;
        if (sequence > at.next && !(await this.passes(batch, outlook, at, sequence - 1))) return true;
        if (batch.isFull) return true;
        batch.add(found.row, leaf);
        at.next = sequence + 1;
        at.isStoring = false;
      }
    }
    if (batch.isFull || this.resumed.has(listing)) return true;
    return end !== undefined && at.next <= end && !(await this.passes(batch, outlook, at, end));
  }

  /**
   * Goes on past missing numbers, as far as somebody who counts says that they were given away, and their time is over: then an event tells
   * of them. All gaps of a source have their time at once.
   *
   * @returns whether through `to`
   */
  private async passes(batch: Batch, outlook: Outlook, at: Progress, to: number): Promise<boolean> {
    const { source, known, vouched } = outlook;
    const gap = { source, from: at.next, to: Math.min(to, vouched) };
    if (gap.to < gap.from) return false;
    const gapTimeoutMs = Math.max(this.options.gapTimeoutMs, at.isStoring ? STORING_MS : 0);
    const now = performance.now();
    const marks = this.marks.get(source) ?? [];
    this.marks.set(source, marks);
    const reach = Math.max(Math.min(known, vouched), gap.to);
    const last = marks.at(-1);
    if (!last || (last.known < reach && now - last.at >= gapTimeoutMs / MARKS_PER_TIMEOUT)) {
      marks.push({ known: reach, at: now });
    }
    const isDue = (mark: Mark | undefined) => mark !== undefined && now - mark.at >= gapTimeoutMs;
    while (isDue(marks[1])) marks.shift();
    if (!isDue(marks[0]) || marks[0]!.known < gap.to) return false;
    batch.addGap(gap, await this.options.describeGap(gap));
    at.next = gap.to + 1;
    return gap.to === to;
  }

  /**
   * The rows of a listing, as long as the batch has room. Where there are too many that are no events, what comes after them must not wait
   * for them: the next time it goes on from there.
   */
  private async *rows(
    batch: Batch,
    listing: string,
    from: SourcePlace,
    page: (place: SourcePlace) => Promise<readonly Found[]>,
  ): AsyncGenerator<Found, void> {
    let place = this.resumed.get(listing) ?? from;
    this.resumed.delete(listing);
    for (let pages = 0; pages < MAX_PAGES; pages += 1) {
      const rows = batch.isFull ? [] : await page(place);
      for (const found of rows) {
        if (batch.isFull) return;
        yield found;
      }
      if (rows.length < batch.limit) return;
      const { sequence, id } = rows.at(-1)!.row;
      place = { sequence: Number(sequence), id: String(id) };
    }
    this.resumed.set(listing, place);
  }

  /**
   * The next rows of the source. What this process has stored is sealed as it was sent, whatever the row says by now: of such rows
   * nothing is read but the number.
   */
  private async ofSourceAfter(
    { source, isLocal }: Outlook,
    place: SourcePlace,
    limit: number,
  ): Promise<readonly Found[]> {
    if (isLocal) {
      const found = await this.claimed(await this.sealing.numbersAfter(source, place, limit));
      if (found.every(({ claim = 'early' }) => claim !== 'early')) return found;
    }
    return this.claimed(await this.sealing.eventsAfter(source, place, limit));
  }

  /** The rows, with what is known of those that have numbers of this process. */
  private async claimed(rows: readonly (RowNumber | NumberedRow)[]): Promise<readonly Found[]> {
    const found: Found[] = rows.map((row) => ({ row }));
    for (const { source } of this.options.localSources()) {
      const local = found.filter(({ row }) => row.source === source);
      if (local.length === 0) continue;
      const sequences = local.map(({ row }) => Number(row.sequence));
      const owners = await this.options.ownersOf(source, sequences);
      for (const [index, one] of local.entries()) {
        const owner = owners[index];
        if (owner === undefined) one.claim = 'early';
        else if (owner !== null && owner.id !== one.row.id) one.claim = 'forged';
        else if (owner?.leaf !== undefined) one.claim = Buffer.from(owner.leaf, 'base64');
      }
    }
    return found;
  }

  /**
   * Adds the events among the rows of a listing, in the order of ids.
   *
   * @returns whether all of them were looked at
   */
  private async fill(
    batch: Batch,
    listing: string,
    from: string,
    page: (after: string) => Promise<NumberedRow[]>,
  ): Promise<boolean> {
    const rows = this.rows(batch, listing, { sequence: 0, id: from }, async ({ id }) =>
      this.claimed(await page(id)),
    );
    for await (const found of rows) {
      const leaf = this.leafOf(found);
      if (leaf && found.claim !== 'early') batch.add(found.row, leaf);
    }
    return !batch.isFull && !this.resumed.has(listing);
  }

  /** The hash of the row's leaf. Nothing gets into the log but events that this library can have written: of others there is none. */
  private leafOf({ row, claim }: Found): Buffer | undefined {
    if (claim instanceof Buffer) return claim;
    if (claim !== 'forged' && 'metadata' in row && whyNoEvent(row) === undefined) return leafHashOf(row);
    this.options.passedOver(String(row.id));
    return undefined;
  }

  /** Warns where somebody else has written the newest note of a source of this process. */
  private async checkNotes(source: string, trust: StatementTrust): Promise<void> {
    const row = await this.sources.newestNote(source);
    const note = row && readNote(row);
    const id = String(row?.['id']);
    const isStrange = row !== undefined && (!note || (isEnd(note) && !isTrusted(note, trust)));
    // What a process says of itself at its end is there before the sealer hears of the end: so not at first sight.
    const isSeenAgain = this.strange.get(source) === id;
    if (isStrange) this.strange.set(source, id);
    if (!isStrange || !isSeenAgain) return;
    this.options.warn(
      `A row of audit_sources says that the source ${source}, which is of this process, has ended, or can't be read. The row is not by this process and counts for nothing here. Find out who wrote it; verify() of the audit tells of it until it is deleted.`,
    );
  }
}

/** What is known of a source. */
interface Outlook extends SourceProgress {
  /** The highest number that was seen, or that the source has ended with. */
  readonly known: number;
  /** The highest number that can be an event's. */
  readonly last: number;
  /** The number of the source's last event, where it has ended. */
  readonly end: number | undefined;
  /** It is of this process. */
  readonly isLocal: boolean;
  /** Up to which number it is known to have come; 0 where nothing that counts says so. A loss beyond it is not recorded: anybody can make a hole. */
  readonly vouched: number;
}

/** How far a source is looked through. */
interface Progress {
  next: number;
  /** A row of this process is there whose number is not known to be stored yet. */
  isStoring: boolean;
}

/** A row, all of it where nothing is known of it. */
interface Found {
  readonly row: RowNumber | NumberedRow;
  /** The number is that of another event, or of none that is stored yet; else the hash of the event's leaf as it was stored. */
  claim?: 'forged' | 'early' | Buffer;
}

/** What is next for the log, in its order. */
class Batch {
  readonly leaves: StoredLeaf[] = [];
  /** Events that tell of gaps, to be stored with their leaves. */
  readonly gapEvents: AuditLogEvent[] = [];

  /** @param size leaves of the log before */
  constructor(
    readonly limit: number,
    private readonly size: number,
  ) {}

  get isFull(): boolean {
    return this.leaves.length >= this.limit;
  }

  add({ id, source, ...row }: RowNumber, hash: Buffer): void {
    const sequence = row.sequence === null ? null : Number(row.sequence);
    this.addLeaf(hash, { eventId: String(id), source, sequence, through: sequence });
  }

  addGap({ source, from, to }: NumberRange, event: AuditLogEvent): void {
    this.gapEvents.push(event);
    this.addLeaf(eventLeafHash(event), { eventId: event.id, source, sequence: from, through: to });
  }

  private addLeaf(hash: Buffer, leaf: Omit<StoredLeaf, 'leafIndex' | 'leafHash'>): void {
    const leafIndex = this.size + this.leaves.length;
    this.leaves.push({ leafIndex, ...leaf, leafHash: hash.toString('base64') });
  }
}
