// What the parts of an event may be, for events that come from where somebody else may have written.
import type { AuditFacts, AuditValue } from './audit-log-event.js';

/** The last millisecond that a UUIDv7 can hold. */
export const LAST_TIME = 2 ** 48 - 1;

export function isText(value: unknown): value is string {
  return typeof value === 'string';
}

/** Whether the value is a text without lone surrogates: none is left in what the library has recorded. */
export function isWellFormed(value: unknown): value is string {
  return isText(value) && value.isWellFormed();
}

export function isTexts(value: unknown, isRight = isText): value is string[] {
  return Array.isArray(value) && value.every((text) => isRight(text));
}

/** Whether the value is a whole number from `first` to `last`. */
export function isWithin(last: number, first = 0): (value: unknown) => value is number {
  return (value): value is number =>
    Number.isInteger(value) && Number(value) >= first && Number(value) <= last;
}

export function isOneOf<T extends string>(words: readonly T[]): (value: unknown) => value is T {
  return (value): value is T => words.includes(value as T);
}

/** Whether the value is as `details` and `metadata` are: flat, and no number in it infinite, which JSON can say as `1e999`. */
export function isFacts(value: unknown, isRight = isText): value is AuditFacts {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const facts = value as Readonly<Record<string, unknown>>;
  return Object.keys(facts).every((key) => isRight(key) && isFact(facts[key], isRight));
}

function isFact(value: unknown, isRight: typeof isText): value is AuditValue {
  if (Array.isArray(value)) return isTexts(value, isRight) || value.every(Number.isFinite);
  return typeof value === 'boolean' || Number.isFinite(value) || isRight(value);
}
