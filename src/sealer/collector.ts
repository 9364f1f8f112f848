import type { AuditLogEvent } from '../event/audit-log-event.js';
import { firstIdOf } from '../event/event-id.js';
import { eventLeafHash } from '../ledger/canonical-event.js';
import { leafHashOf } from '../store/event-leaf.js';
import type { NumberedRow } from '../store/ledger.repository.js';
import type { SealingRepository } from '../store/sealing.repository.js';
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
  readonly describeGap: (gap: RecordedGap) => AuditLogEvent;
  readonly ownSources: () => readonly OwnSource[];
}

/** Events without a number come by the caller's transaction, seldom later than so long after their id was made. */
const UNNUMBERED_PATIENCE_MS = 3_600_000;
/** How often those are looked for that came later still. */
const SWEEP_INTERVAL_MS = 3_600_000;

/** Finds what is stored and not in the log yet: each source's events in the order of their numbers, without holes. */
export class Collector {
  /** When a gap was first seen, by its source and first number. */
  private readonly gaps = new Map<string, number>();
  private sweptAt = -Infinity;

  constructor(
    private readonly sealing: SealingRepository,
    private readonly sources: SourceRepository,
    private readonly options: CollectorOptions,
  ) {}

  /** At most `limit` leaves; fewer only where there are no more. */
  async next(limit: number): Promise<Collected> {
    const batch = new Batch(limit);
    await this.numbered(batch);
    if (!batch.isFull) for (const row of await this.sealing.lateEvents(batch.room)) batch.add(row);
    if (!batch.isFull) await this.unnumbered(batch);
    return batch;
  }

  private async numbered(batch: Batch): Promise<void> {
    // First what was given away, then what is stored of it.
    const own = new Map(this.options.ownSources().map(({ source, sequence }) => [source, sequence]));
    const progress = new Map((await this.sealing.progress()).map((one) => [one.source, one]));
    const notes = await this.sources.notes();
    const seen = new Set<string>();
    for (const source of new Set([...progress.keys(), ...notes.keys()])) {
      if (batch.isFull) return;
      const { stored = 0, sealed = 0 } = progress.get(source) ?? {};
      const note = notes.get(source);
      const hasEnded = note?.['kind'] === 'closed' || note?.['kind'] === 'abandoned';
      const end = hasEnded ? Number(note['sequence']) : undefined;
      if (Math.max(stored, end ?? 0) <= sealed) continue;
      const last = Math.min(end ?? Infinity, own.get(source) ?? Infinity);
      const gap = await this.ofSource(batch, source, sealed, last, end);
      if (gap !== undefined) seen.add(gap);
    }
    for (const gap of this.gaps.keys()) if (!seen.has(gap)) this.gaps.delete(gap);
  }

  /**
   * @param last the highest number that can be an event's
   * @param end the number of the source's last event, where it has ended
   * @returns the gap that it waits for
   */
  private async ofSource(
    batch: Batch,
    source: string,
    sealed: number,
    last: number,
    end: number | undefined,
  ): Promise<string | undefined> {
    const room = batch.room;
    const rows = await this.sealing.eventsAfter(source, sealed, room);
    let next = sealed + 1;
    for (const row of rows) {
      const sequence = Number(row.sequence);
      if (sequence > last) break;
      // A number that is there twice: the other one is no event of the source's.
      if (sequence < next) continue;
      if (sequence > next && !this.isOver(batch, { source, from: next, to: sequence - 1 })) {
        return keyOf(source, next);
      }
      if (batch.isFull) return undefined;
      batch.add(row);
      next = sequence + 1;
    }
    if (rows.length < room && end !== undefined && next <= end && !batch.isFull) {
      if (!this.isOver(batch, { source, from: next, to: end })) return keyOf(source, next);
    }
    return undefined;
  }

  /** Whether the gap's time is over: then an event tells of it. */
  private isOver(batch: Batch, gap: RecordedGap): boolean {
    const key = keyOf(gap.source, gap.from);
    const now = performance.now();
    const since = this.gaps.get(key) ?? now;
    this.gaps.set(key, since);
    if (now - since < this.options.gapTimeoutMs) return false;
    batch.addGap(gap, this.options.describeGap(gap));
    return true;
  }

  private async unnumbered(batch: Batch): Promise<void> {
    const now = performance.now();
    const sweeps = now - this.sweptAt > SWEEP_INTERVAL_MS;
    const after = sweeps ? '' : firstIdOf(Date.now() - UNNUMBERED_PATIENCE_MS);
    for (const row of await this.sealing.unnumberedEvents(after, batch.room)) batch.add(row);
    if (sweeps && !batch.isFull) this.sweptAt = now;
  }
}

class Batch implements Collected {
  readonly leaves: NewLeaf[] = [];
  readonly gapEvents: AuditLogEvent[] = [];

  constructor(private readonly limit: number) {}

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

function keyOf(source: string, from: number): string {
  return `${source}/${from}`;
}
