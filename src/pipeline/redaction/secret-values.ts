/** The shortest sign of a value under a name within a text. */
const SEPARATOR = /[=:]/g;
const KEY = /(?<key>[\p{L}\p{N}_.$-]{2,64})(?<quote>\\{0,8}["'])?\s{0,3}$/u;
/** How far before the separator a key may begin. */
const KEY_REACH = 80;
const QUOTE = /\\{0,8}["']/y;
const BARE = /[^\s&;,"'<>|)}\]]+/y;
const NOTHING = /^(?:null|undefined|true|false|\[redacted.*)$/i;

/**
 * Replaces the values of secret keys within a text: `password=hunter2`, `{"token":"abc"}` and the same within a string of JSON,
 * with its quotes escaped. Of an object or a list under a secret key everything to the end of the text is its value. Takes time
 * in proportion to the text.
 *
 * @param replace by what
 */
export function redactNamedValues(
  text: string,
  isSecret: (key: string) => boolean,
  replace: (value: string) => string,
): string {
  let safe = '';
  let done = 0;
  SEPARATOR.lastIndex = 0;
  for (let match = SEPARATOR.exec(text); match; match = SEPARATOR.exec(text)) {
    const { index } = match;
    const before = KEY.exec(text.slice(Math.max(done, index - KEY_REACH), index));
    const key = before?.groups?.['key'];
    if (key === undefined || !isSecret(key)) continue;
    const [begin, end] = valueAt(text, index + 1);
    const value = text.slice(begin, end);
    if (value === '' || NOTHING.test(value)) continue;
    safe += text.slice(done, begin) + replace(value);
    done = end;
    SEPARATOR.lastIndex = end;
  }
  return done === 0 ? text : safe + text.slice(done);
}

/** Where the value that follows a separator begins and ends, its quotes left out. */
function valueAt(text: string, from: number): [begin: number, end: number] {
  let begin = from;
  while (begin < from + 3 && /\s/.test(text[begin] ?? '')) begin += 1;
  QUOTE.lastIndex = begin;
  const quote = QUOTE.exec(text)?.[0];
  if (quote !== undefined) {
    begin += quote.length;
    return [begin, endOfQuoted(text, begin, quote)];
  }
  if (text[begin] === '{' || text[begin] === '[') return [begin, text.length];
  BARE.lastIndex = begin;
  return [begin, begin + (BARE.exec(text)?.[0].length ?? 0)];
}

/** The next same quote that is not escaped once more. */
function endOfQuoted(text: string, begin: number, quote: string): number {
  for (let end = text.indexOf(quote, begin); end >= 0; end = text.indexOf(quote, end + quote.length)) {
    if (text[end - 1] !== '\\') return end;
  }
  return text.length;
}
