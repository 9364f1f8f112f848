/** Those who wait until everything that was there when they came is stored. */
export class Flushes {
  private readonly waiting = new Set<{
    /** How many are still to be settled; `undefined` while nobody knows in which order. */
    left: number | undefined;
    /** Those with a higher order came later. */
    upTo: number;
    resolve: () => void;
    reject: (error: Error) => void;
  }>();

  /**
   * @param count how many events are pending; `undefined` while some of them have no order yet
   * @param upTo the highest order of any of them
   */
  add(count: number | undefined, upTo: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.add({ left: count, upTo, resolve, reject });
    });
  }

  settle(entries: readonly { readonly order: number }[]): void {
    for (const flush of this.waiting) {
      if (flush.left === undefined) continue;
      for (const { order } of entries) if (order <= flush.upTo) flush.left -= 1;
      if (flush.left > 0) continue;
      this.waiting.delete(flush);
      flush.resolve();
    }
  }

  /** All that is pending has an order: whoever waits, waits for those that are pending now. */
  startCounting(pending: number, upTo: number): void {
    for (const flush of this.waiting) {
      if (flush.left === undefined) Object.assign(flush, { left: pending, upTo });
    }
  }

  /** Nothing is pending. */
  finish(): void {
    for (const { resolve } of this.waiting) resolve();
    this.waiting.clear();
  }

  fail(error: Error): void {
    for (const { reject } of this.waiting) reject(error);
    this.waiting.clear();
  }
}
