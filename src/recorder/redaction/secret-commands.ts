import type { SecretTest } from '../../event/flatten.js';
import { endOfLine, valueInText } from './value-in-text.js';
import type { Place } from './value-in-text.js';

/** `--password hunter2`, and the same in a list of texts: `["--password", "hunter2"]`. */
const ARGUMENT =
  /(?<![^\s"'`=(,[{])--?(?<key>[a-z][\w.-]*)(?:\s{1,8}|\\{0,8}["'`]\s{0,3},\s{0,3})(?![-\s])/gi;
/** `IDENTIFIED BY '…'`, as SQL gives a user a password. */
const IDENTIFIED =
  /\bidentified\s{1,8}(?:(?:with|via)\s{1,8}[^\s]{1,64}\s{1,8})?(?:by|as|using)\s{1,8}(?:password\s{0,8}\(?\s{0,8})?(?=\\{0,8}["'`])/gi;

/** The values of secret options in command lines within a text. Takes time in proportion to the text. */
export function secretArguments(text: string, isSecret: SecretTest): Place[] {
  return placesAfter(ARGUMENT, text, (at, { key }) => {
    if (!isSecret(key!)) return undefined;
    const [begin, end] = valueInText(text, at);
    // A list is none of a command line.
    return [begin, text[begin] === '{' || text[begin] === '[' ? endOfLine(text, begin) : end];
  });
}

/** The passwords of users whom a statement of SQL makes. Takes time in proportion to the text. */
export function identifiedBy(text: string): Place[] {
  return placesAfter(IDENTIFIED, text, (at) => valueInText(text, at));
}

/** What stands after each match that is not within the place before it. */
function placesAfter(
  pattern: RegExp,
  text: string,
  placeAt: (at: number, groups: Readonly<Record<string, string>>) => Place | undefined,
): Place[] {
  const places: Place[] = [];
  for (const { 0: found, index, groups = {} } of text.matchAll(pattern)) {
    const at = index + found.length;
    const place = at < (places.at(-1)?.[1] ?? 0) ? undefined : placeAt(at, groups);
    if (place) places.push(place);
  }
  return places;
}
