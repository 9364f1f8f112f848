/** Unwrapped keys, so many and for so long; then their bytes are zero. */
export class KeyCache {
  private readonly keys = new Map<string, { readonly key: Buffer; readonly until: number }>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly most: number,
    private readonly lifetimeMs: number,
  ) {}

  /** @returns the key, which may be zero in the next turn */
  get(id: string): Buffer | undefined {
    const found = this.keys.get(id);
    if (!found || found.until <= performance.now()) return undefined;
    // Those that were asked for last stay longest.
    this.keys.delete(id);
    this.keys.set(id, found);
    return found.key;
  }

  /** The cache zeroes the key when it ends. */
  set(id: string, key: Buffer): void {
    this.delete(id);
    this.keys.set(id, { key, until: performance.now() + this.lifetimeMs });
    const [oldest] = this.keys.keys();
    if (this.keys.size > this.most) this.delete(oldest!);
    this.timer ??= setTimeout(() => this.expire(), this.lifetimeMs).unref();
  }

  delete(id: string): void {
    this.keys.get(id)?.key.fill(0);
    this.keys.delete(id);
  }

  clear(): void {
    for (const id of this.keys.keys()) this.delete(id);
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private expire(): void {
    const now = performance.now();
    let next = Infinity;
    for (const [id, { until }] of this.keys) {
      if (until <= now) this.delete(id);
      else next = Math.min(next, until - now);
    }
    this.timer = next === Infinity ? undefined : setTimeout(() => this.expire(), next).unref();
  }
}
