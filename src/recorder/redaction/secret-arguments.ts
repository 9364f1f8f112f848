import type { SecretTest } from '../../event/flatten.js';
import type { Place } from './secret-key.js';
import { endOfLine, valueInText } from './value-in-text.js';

/** `--password hunter2`, and the same in a list of texts: `["--password", "hunter2"]`. */
const ARGUMENT =
  /(?<![^\s"'`=(,[{])--?(?<key>[a-z][\w.-]*)(?:\s{1,8}|\\{0,8}["'`]\s{0,3},\s{0,3})(?![-\s])/gi;

/** The values of secret options in command lines within a text. Takes time in proportion to the text. */
export function secretArguments(text: string, isSecret: SecretTest): Place[] {
  const places: Place[] = [];
  for (const match of text.matchAll(ARGUMENT)) {
    const at = match.index + match[0].length;
    if (at < (places.at(-1)?.[1] ?? 0) || !isSecret(match.groups!['key']!)) continue;
    const [begin, end] = valueInText(text, at);
    // A list is none of a command line.
    places.push([begin, text[begin] === '{' || text[begin] === '[' ? endOfLine(text, begin) : end]);
  }
  return places;
}
