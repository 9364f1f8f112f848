import { cutText } from './safe-text.js';

/** How many are named. */
const MAX_NAMED = 3;
/** Characters of a name that are shown. */
const LONGEST_NAME = 64;

/**
 * What of an object has no name that is known; in time in proportion to their number.
 *
 * @returns the first of them, and the reason of an error, `it has no property "a", "b"`
 */
export function unknownProperties(given: object, known: ReadonlySet<string>) {
  const unknown = Object.keys(given).filter((name) => !known.has(name));
  if (unknown.length === 0) return undefined;
  const names = unknown.slice(0, MAX_NAMED).map((name) => cutText(name, LONGEST_NAME));
  const more = unknown.length > names.length ? ` and ${unknown.length - names.length} more` : '';
  return {
    first: names[0]!,
    reason: `it has no property ${names.map((name) => `"${name}"`).join(', ')}${more}`,
  };
}
