import type { SealingRepository } from '../store/sealing.repository.js';

/** Sources that a wide turn looks at, beside those that have a reason to be. */
const PORTION = 250;
/** Most sources that are remembered because something of them was sealed lately. */
const MOST_LIVELY = 500;
/** Turns without anything to seal after which a source is no longer one of them. */
const LIVELY_TURNS = 60;

/**
 * Whose turn it is to be sealed. Every turn looks at the sources that live, a wide one also at the next portion of all of them. So nobody
 * can keep the sealer from a source by making up others, and a turn costs the same however many there are.
 */
export class SourceQueue {
  private waiting: string[] = [];
  private after = '';
  private readonly lively = new Map<string, number>();
  private isAround = false;

  constructor(private readonly sealing: SealingRepository) {}

  /** Begins a round through all sources. */
  begin(): void {
    this.waiting = [];
    this.after = '';
    this.isAround = false;
  }

  /** All sources had their turn since the last {@link begin}. */
  get isDone(): boolean {
    return this.isEmpty && this.isAround;
  }

  get isEmpty(): boolean {
    return this.waiting.length === 0;
  }

  /** Queues up for the next turn. @param first sources that are looked at in any case */
  async fill(first: Iterable<string>, isWide: boolean): Promise<void> {
    const portion = isWide ? await this.sealing.sourcesAfter(this.after, PORTION) : [];
    if (isWide) {
      const isEnd = portion.length < PORTION;
      this.isAround ||= isEnd;
      this.after = isEnd ? '' : portion.at(-1)!;
    }
    this.waiting = [...new Set([...first, ...this.lively.keys(), ...portion])];
    for (const [source, turns] of this.lively) {
      if (turns <= 1) this.lively.delete(source);
      else this.lively.set(source, turns - 1);
    }
  }

  next(count: number): string[] {
    return this.waiting.splice(0, count);
  }

  /** They had no turn after all. */
  giveBack(sources: readonly string[]): void {
    this.waiting.unshift(...sources);
  }

  /** Something of the source is being sealed. */
  keepLooking(source: string): void {
    this.lively.delete(source);
    this.lively.set(source, LIVELY_TURNS);
    const [oldest] = this.lively.keys();
    if (this.lively.size > MOST_LIVELY) this.lively.delete(oldest!);
  }
}
