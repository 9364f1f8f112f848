import { safeText } from '../event/safe-text.js';

/** Of one user; more are not looked at. */
const MOST_ROLES = 32;
const LONGEST_ROLE = 128;

/**
 * Names of roles from what applications keep them in: a text, a list of texts, or of objects with a `name`. Each once,
 * at most 32.
 *
 * @returns `undefined` for what is none of these
 */
export function rolesOf(value: unknown): readonly string[] | undefined {
  if (typeof value === 'string') return value === '' ? [] : [safeText(value, LONGEST_ROLE)];
  const isList = Array.isArray(value) || value instanceof Set;
  if (!isList) return undefined;
  const names = new Set<string>();
  for (const item of value as Iterable<unknown>) {
    const name: unknown =
      typeof item === 'object' && item !== null ? (item as { readonly name?: unknown }).name : item;
    if (typeof name === 'string' && name !== '') names.add(safeText(name, LONGEST_ROLE));
    if (names.size === MOST_ROLES) break;
  }
  return [...names];
}
