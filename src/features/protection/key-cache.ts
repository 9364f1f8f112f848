/** Unwrapped keys, so many and for so long; then their bytes are zero. */
export class KeyCache {
  private readonly keys = new Map<string, { readonly key: Buffer; readonly end: NodeJS.Timeout }>();

  constructor(
    private readonly most: number,
    private readonly lifetimeMs: number,
  ) {}

  /** @returns the key, which may be zero in the next turn */
  get(id: string): Buffer | undefined {
    const found = this.keys.get(id);
    if (!found) return undefined;
    // Those that were asked for last stay longest.
    this.keys.delete(id);
    this.keys.set(id, found);
    return found.key;
  }

  /** The cache zeroes the key when it ends. */
  set(id: string, key: Buffer): void {
    this.delete(id);
    this.keys.set(id, { key, end: setTimeout(() => this.delete(id), this.lifetimeMs).unref() });
    const [oldest] = this.keys.keys();
    if (this.keys.size > this.most) this.delete(oldest!);
  }

  delete(id: string): void {
    const found = this.keys.get(id);
    found?.key.fill(0);
    clearTimeout(found?.end);
    this.keys.delete(id);
  }

  clear(): void {
    for (const id of this.keys.keys()) this.delete(id);
  }
}
