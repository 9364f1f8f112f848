import type { AuditLogEvent } from '../event/audit-log-event.js';
import { firstIdOf } from '../event/event-id.js';
import { eventLeafHash } from '../ledger/canonical-event.js';
import { leafHashOf } from '../store/event-leaf.js';
import { whyNoEvent } from '../store/event-row.js';
import type { NumberedRow } from '../store/event-row.js';
import type { SealingRepository, SourcePlace } from '../store/sealing.repository.js';
import type { SourceRepository } from '../store/source.repository.js';

/** A leaf that is to be added. */
export interface NewLeaf {
  readonly eventId: string;
  readonly hash: Buffer;
  readonly source: string | null;
  readonly sequence: number | null;
  readonly through: number | null;
}

/** Numbers of a source that no event came for in time, both ends included. */
export interface RecordedGap {
  readonly source: string;
  readonly from: number;
  readonly to: number;
}

/** What is next for the log, in its order. */
export interface Collected {
  readonly leaves: readonly NewLeaf[];
  /** Events that tell of gaps, to be stored with their leaves. */
  readonly gapEvents: readonly AuditLogEvent[];
}

/** What the process itself knows. */
export interface OwnSource {
  readonly source: string;
  /** The last that was given away: a higher one in the database is forged. */
  readonly sequence: number;
}

export interface CollectorOptions {
  readonly gapTimeoutMs: number;
  /** The event that tells of a gap. */
  readonly describeGap: (gap: RecordedGap) => AuditLogEvent | Promise<AuditLogEvent>;
  readonly ownSources: () => readonly OwnSource[];
  /** Told of each row that is no event and so does not get into the log. */
  readonly passedOver?: (id: string) => void;
}

/** Events without a number come by the caller's transaction, seldom later than so long after their id was made. */
const UNNUMBERED_PATIENCE_MS = 3_600_000;
/** How often those are looked for that came later still. */
const SWEEP_INTERVAL_MS = 3_600_000;
/** Pages of rows of one listing that are looked at in one pass; the next goes on from there. */
const MAX_PAGES = 10;
/** A source that waits is noted so often within the time of a gap. */
const MARKS_PER_TIMEOUT = 30;

/** What was known at a time: which numbers up to there were missing, are missing since then at the latest. */
interface Mark {
  readonly known: number;
  readonly at: number;
}

/** Finds what is stored and not in the log yet: each source's events in the order of their numbers, without holes. */
export class Collector {
  /** Of each source in which a number is missing, oldest first. */
  private readonly marks = new Map<string, Mark[]>();
  private sweptAt = -Infinity;
  /** Where to go on the next time: of sources, and of other listings, whose first rows were no events. */
  private readonly places = new Map<string, SourcePlace>();
  private readonly resumed = new Map<string, string>();

  constructor(
    private readonly sealing: SealingRepository,
    private readonly sources: SourceRepository,
    private readonly options: CollectorOptions,
  ) {}

  /**
   * At most `limit` leaves; fewer only where there are no more.
   *
   * @param size leaves of the log
   */
  async next(limit: number, size: number): Promise<Collected> {
    const batch = new Batch(limit);
    await this.numbered(batch, size);
    if (!batch.isFull) {
      const late = (after: string) => this.sealing.lateEvents(after, batch.limit, size);
      await this.fill(batch, 'late', '', late);
    }
    if (!batch.isFull) await this.unnumbered(batch, size);
    return batch;
  }

  private async numbered(batch: Batch, size: number): Promise<void> {
    // First what was given away, then what is stored of it.
    const own = new Map(this.options.ownSources().map(({ source, sequence }) => [source, sequence]));
    const progress = new Map((await this.sealing.progress(size)).map((one) => [one.source, one]));
    const notes = await this.sources.notes();
    const waiting = new Set<string>();
    for (const source of new Set([...progress.keys(), ...notes.keys()])) {
      if (batch.isFull) return;
      const note = notes.get(source);
      const hasEnded = note?.['kind'] === 'closed' || note?.['kind'] === 'abandoned';
      const end = hasEnded ? Number(note['sequence']) : undefined;
      const { stored = 0 } = progress.get(source) ?? {};
      // Progress is of sources that have events; of one that has lost all of them the log knows as well.
      const sealed = progress.get(source)?.sealed ?? (end ? await this.sealing.sealedOf(source, size) : 0);
      if (Math.max(stored, end ?? 0) <= sealed) continue;
      const last = Math.min(end ?? Infinity, own.get(source) ?? Infinity);
      const known = Math.min(Math.max(stored, end ?? 0), last);
      if (await this.ofSource(batch, { source, sealed, known, last, end })) waiting.add(source);
    }
    for (const source of this.marks.keys()) if (!waiting.has(source)) this.marks.delete(source);
  }

  /** @returns whether a number is missing that may still come */
  private async ofSource(batch: Batch, { source, sealed, known, last, end }: Outlook): Promise<boolean> {
    let next = sealed + 1;
    let place: SourcePlace = this.places.get(source) ?? { sequence: next, id: '' };
    this.places.delete(source);
    for (let pages = 0; pages < MAX_PAGES; pages += 1) {
      const rows = await this.sealing.eventsAfter(source, place, batch.limit);
      let isEnd = rows.length < batch.limit;
      for (const row of rows) {
        const sequence = Number(row.sequence);
        if (sequence > last) {
          isEnd = true;
          break;
        }
        // A number that is there twice: the other one is no event of the source's.
        if (sequence < next || !this.isEvent(row)) continue;
        const gap = { source, from: next, to: sequence - 1 };
        if (sequence > next && !(await this.isOver(batch, gap, known))) return true;
        if (batch.isFull) return true;
        batch.add(row);
        next = sequence + 1;
      }
      if (isEnd) {
        if (end === undefined || next > end || batch.isFull) return false;
        return !(await this.isOver(batch, { source, from: next, to: end }, known));
      }
      if (batch.isFull) return false;
      const { sequence, id } = rows.at(-1)!;
      place = { sequence: Number(sequence), id: id as string };
    }
    // Nothing but rows that are no events: they must not hold up what is behind them.
    this.places.set(source, place);
    return true;
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
    let after = this.resumed.get(listing) ?? from;
    this.resumed.delete(listing);
    for (let pages = 0; pages < MAX_PAGES; pages += 1) {
      const rows = await page(after);
      for (const row of rows) if (!batch.isFull && this.isEvent(row)) batch.add(row);
      if (batch.isFull) return false;
      if (rows.length < batch.limit) return true;
      after = rows.at(-1)!.id as string;
    }
    this.resumed.set(listing, after);
    return false;
  }

  /** Whether it is an event that this library can have written: nothing else gets into the log. */
  private isEvent(row: NumberedRow): boolean {
    if (whyNoEvent(row) === undefined) return true;
    this.options.passedOver?.(String(row.id));
    return false;
  }

  /** Whether the gap's time is over: then an event tells of it. All gaps of a source have their time at once. */
  private async isOver(batch: Batch, gap: RecordedGap, known: number): Promise<boolean> {
    const { gapTimeoutMs, describeGap } = this.options;
    const now = performance.now();
    const marks = this.marks.get(gap.source) ?? [];
    this.marks.set(gap.source, marks);
    const reach = Math.max(known, gap.to);
    const last = marks.at(-1);
    if (!last || (last.known < reach && now - last.at >= gapTimeoutMs / MARKS_PER_TIMEOUT)) {
      marks.push({ known: reach, at: now });
    }
    const isDue = (mark: Mark | undefined) => mark !== undefined && now - mark.at >= gapTimeoutMs;
    while (isDue(marks[1])) marks.shift();
    if (!isDue(marks[0]) || marks[0]!.known < gap.to) return false;
    batch.addGap(gap, await describeGap(gap));
    return true;
  }

  private async unnumbered(batch: Batch, size: number): Promise<void> {
    const now = performance.now();
    const sweeps = now - this.sweptAt > SWEEP_INTERVAL_MS;
    const after = sweeps ? '' : firstIdOf(Date.now() - UNNUMBERED_PATIENCE_MS);
    const page = (behind: string) => this.sealing.unnumberedEvents(behind, batch.limit, size);
    const isDone = await this.fill(batch, 'unnumbered', after, page);
    if (sweeps && isDone) this.sweptAt = now;
  }
}

/** What is known of a source. */
interface Outlook {
  readonly source: string;
  /** The highest number that the log accounts for. */
  readonly sealed: number;
  /** The highest number that was seen, or that the source has ended with. */
  readonly known: number;
  /** The highest number that can be an event's. */
  readonly last: number;
  /** The number of the source's last event, where it has ended. */
  readonly end: number | undefined;
}

class Batch implements Collected {
  readonly leaves: NewLeaf[] = [];
  readonly gapEvents: AuditLogEvent[] = [];

  constructor(readonly limit: number) {}

  get room(): number {
    return Math.max(0, this.limit - this.leaves.length);
  }

  get isFull(): boolean {
    return this.room === 0;
  }

  add(row: NumberedRow): void {
    const sequence = row.sequence === null ? null : Number(row.sequence);
    this.leaves.push({
      eventId: String(row.id),
      hash: leafHashOf(row),
      source: row.source,
      sequence,
      through: sequence,
    });
  }

  addGap({ source, from, to }: RecordedGap, event: AuditLogEvent): void {
    this.gapEvents.push(event);
    this.leaves.push({
      eventId: event.id,
      hash: eventLeafHash(event),
      source,
      sequence: from,
      through: to,
    });
  }
}
