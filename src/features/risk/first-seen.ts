/** Most values that are remembered of each kind and user. */
export const VALUES_REMEMBERED = 32;

/**
 * When each of a user's addresses, or devices, was first seen: the 32 that were used last. The values themselves are
 * not kept, only a hash of each; two that share one count as the same, which an attacker gains nothing from: whoever
 * can choose the text of a known value can send the value itself.
 */
export class FirstSeen {
  private readonly times = new Map<number, number>();

  /** Unix epoch, milliseconds; `undefined` where the value is not remembered. */
  of(value: string): number | undefined {
    return this.times.get(hashOf(value));
  }

  /** The value was used; the earliest time counts. */
  note(value: string, at: number): void {
    const hash = hashOf(value);
    const first = Math.min(at, this.times.get(hash) ?? at);
    this.times.delete(hash);
    this.times.set(hash, first);
    if (this.times.size > VALUES_REMEMBERED) this.times.delete(this.times.keys().next().value!);
  }

  get size(): number {
    return this.times.size;
  }
}

/** 52 bits of a multiplicative hash. */
function hashOf(text: string): number {
  let [low, high] = [0x9e3779b9, 0x85ebca6b];
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ unit, 0x5bd1e995);
    high ^= high >>> 15;
  }
  return (high >>> 12) * 2 ** 32 + ((low ^ (low >>> 13)) >>> 0);
}
