import { within } from '../store/within.js';
import type { DeliveryOptions } from './delivery-options.js';
import type { EventLog } from './event-log.js';

const MEGABYTE = 1024 * 1024;
/** Of the room for events: what is left is for those of requests that were admitted already. */
export const ADMISSION_SHARE = 0.95;

/** The room for events that are not stored: on the disk, or in memory where there is no journal or it can't be written. */
export class Room {
  private readonly waiting = new Set<() => void>();
  private passing: NodeJS.Immediate | undefined;

  constructor(
    private readonly options: Required<DeliveryOptions>,
    private readonly log: EventLog,
  ) {}

  /** Whether there is room for one more event; `share` of it all, where some is to be left. */
  has(share = 1): boolean {
    const { maxJournalMegabytes, maxBuffered, maxBufferedMegabytes } = this.options;
    const { journal, memory } = this.log;
    if (journal && !journal.failure) return journal.bytes < maxJournalMegabytes * share * MEGABYTE;
    return memory.events < maxBuffered * share && memory.size < maxBufferedMegabytes * share * MEGABYTE;
  }

  /** See `Delivery.room()`. */
  wait(): Promise<void> | undefined {
    if (this.options.overflow !== 'wait' || this.has()) return undefined;
    let noteRoom!: () => void;
    const room = new Promise<void>((resolve) => (noteRoom = resolve));
    this.waiting.add(noteRoom);
    return within(this.options.overflowTimeoutMs, room).then(() => void this.waiting.delete(noteRoom));
  }

  /** As long as there is room, those who wait go on, one after another: each takes its room before the next is asked. */
  releaseNext(): void {
    const [noteRoom] = this.waiting;
    if (this.passing || !noteRoom || !this.has()) return;
    this.waiting.delete(noteRoom);
    noteRoom();
    this.passing = setImmediate(() => {
      this.passing = undefined;
      this.releaseNext();
    });
  }

  /** There will never be any. */
  releaseWaiting(): void {
    for (const noteRoom of this.waiting) noteRoom();
    this.waiting.clear();
  }
}
