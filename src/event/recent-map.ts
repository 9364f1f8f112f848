/**
 * A map that forgets: of the keys that were used, at least the newest half of `limit` are there, and never more than
 * `limit`. Each step takes the same time, however many keys an attacker sends.
 *
 * Keys are of two generations. What is used becomes young; when the young are half of the limit, they are the old ones
 * from then on, and those who were old before are gone.
 */
export class RecentMap<K, V> {
  private readonly half: number;
  private young = new Map<K, V>();
  private old = new Map<K, V>();

  constructor(limit: number) {
    this.half = Math.max(1, Math.floor(limit / 2));
  }

  get size(): number {
    return this.young.size + this.old.size;
  }

  /** Looks without counting as use. */
  peek(key: K): V | undefined {
    return this.young.get(key) ?? this.old.get(key);
  }

  get(key: K): V | undefined {
    const value = this.young.get(key);
    if (value !== undefined) return value;
    const kept = this.old.get(key);
    if (kept !== undefined) this.set(key, kept);
    return kept;
  }

  getOrMake(key: K, make: () => V): V {
    const known = this.get(key);
    if (known !== undefined) return known;
    const made = make();
    this.set(key, made);
    return made;
  }

  set(key: K, value: V): void {
    this.old.delete(key);
    if (this.young.size >= this.half && !this.young.has(key)) this.age();
    this.young.set(key, value);
  }

  /** Forgets every key that was not used since the last time. */
  age(): void {
    this.old = this.young;
    this.young = new Map();
  }

  *values(): Generator<V> {
    yield* this.old.values();
    yield* this.young.values();
  }
}
