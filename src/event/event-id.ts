import { createHash, randomInt } from 'node:crypto';
import { v7 } from 'uuid';

// Seeded with the top bit clear, so that it does not wrap in the life of a process (RFC 9562, section 6.2).
let sequence = randomInt(2 ** 31);

/**
 * A UUIDv7 (RFC 9562, section 5.7) for an action that began at `timestamp`.
 *
 * Ids made by one process within the same millisecond sort in the order in which they were made: the 32 bits after
 * the millisecond are a counter (RFC 9562, section 6.2, method 1), the rest is random.
 *
 * @param timestamp Unix epoch, milliseconds, 0 to 2^48 - 1
 */
export function createEventId(timestamp: number): string {
  sequence = (sequence + 1) >>> 0;
  return v7({ msecs: timestamp, seq: sequence });
}

/**
 * A UUIDv7 whose random part is derived from `seed`: whoever has the same time and seed makes the same id.
 *
 * @param timestamp Unix epoch, milliseconds, 0 to 2^48 - 1
 */
export function derivedEventId(timestamp: number, seed: string): string {
  return v7({ msecs: timestamp, random: createHash('sha256').update(seed).digest().subarray(0, 16) });
}

/** The millisecond that an id was made from (RFC 9562, section 5.7). */
export function timestampOf(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

/** The smallest possible id of the given millisecond; every id made at or after it sorts at or after this. */
export function firstIdOf(timestamp: number): string {
  const hex = Math.max(0, Math.trunc(timestamp)).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-0000-0000-000000000000`;
}

const CANONICAL_UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether `value` is a UUID in its canonical lower-case form, the only form in which ids are stored. */
export function isEventId(value: unknown): value is string {
  return typeof value === 'string' && CANONICAL_UUID.test(value);
}
