import type { LineKind } from './journal-line.js';

interface Lines {
  readonly firstSegment: number;
  readonly newestNumber: number;
  nextNumber(): number;
  append(kind: LineKind, number: number, reference: number, body: string): { readonly segment: number };
}

/** A request that has begun, as the journal knows it. */
export interface Intent {
  readonly number: number;
  /** What is known of it so far, as JSON. */
  readonly body: string;
  /** The number of the segment that has its line. */
  segment: number;
}

/**
 * The requests that have begun and have no event yet. The journal keeps the segments that have their lines: should the process be
 * killed, each of them becomes an event at the next start.
 */
export class Intents {
  private readonly open = new Map<number, Intent>();
  /** They have ended, and the journal could not be told. */
  private readonly unvoided = new Set<Intent>();

  constructor(private readonly journal: Lines) {}

  get count(): number {
    return this.open.size;
  }

  /** The first segment that has a line of one; Infinity where none has. */
  get oldestSegment(): number {
    let oldest = Infinity;
    for (const { segment } of this.open.values()) oldest = Math.min(oldest, segment);
    return oldest;
  }

  /** Whether one is left that got its number before or with this one. */
  hasThrough(number: number): boolean {
    return hasThrough(this.open, number);
  }

  /**
   * Notes that a request has begun; again, when more is known of it.
   *
   * @param body what is known of it, as JSON, which becomes its event should nothing more be heard of it
   * @throws the file system's error; then what was known before still is
   */
  begin(body: string, before?: Intent): Intent {
    const number = before?.number ?? this.journal.newestNumber + 1;
    const { segment } = this.journal.append('intent', number, 0, body);
    // Not before it is written: numbers that nobody has are ranges to remember.
    if (!before) this.journal.nextNumber();
    const intent = { number, body, segment };
    this.open.set(number, intent);
    return intent;
  }

  /** Takes over one that an earlier process has begun. */
  adopt(number: number, body: string): Intent {
    const intent = { number, body, segment: this.journal.firstSegment };
    this.open.set(number, intent);
    return intent;
  }

  /** The journal has the request's event. */
  fulfil({ number }: Intent): void {
    this.open.delete(number);
  }

  /** There will be no event of it in the journal. */
  void(intent: Intent): void {
    this.open.delete(intent.number);
    try {
      this.journal.append('void', intent.number, 0, '{}');
    } catch {
      // Should the process be killed before it is written, an event will say that the request was interrupted.
      this.unvoided.add(intent);
    }
  }

  /** Tells the journal what it could not be told before. @throws the file system's error */
  voidMissing(): void {
    for (const intent of this.unvoided) {
      // Where its segment is gone, so is the intent.
      if (intent.segment >= this.journal.firstSegment) {
        this.journal.append('void', intent.number, 0, '{}');
      }
      this.unvoided.delete(intent);
    }
  }

  /** Writes those of old segments again, so that they do not keep all that lie between. @throws the file system's error */
  carry(throughSegment: number): void {
    for (const intent of this.open.values()) {
      if (intent.segment > throughSegment) continue;
      intent.segment = this.journal.append('intent', intent.number, 0, intent.body).segment;
    }
  }
}

/** Whether one of those that are kept by their numbers got its own before or with this one. */
export function hasThrough(byNumber: ReadonlyMap<number, unknown>, number: number): boolean {
  for (const one of byNumber.keys()) if (one <= number) return true;
  return false;
}
