/** Where something is in a text: `[begin, end)`. */
export type Place = readonly [begin: number, end: number];

/** With what may stand before it in a language: `b'…'` of Python, `@"…"` of C#, `String("…")`. */
const QUOTED = /(?<before>(?:br|rb|[bfnrue@$]|[\w.]{1,32}\(\s{0,2})?)(?<quote>\\{0,8}(?:"""|'''|["'`]))/iy;
/** An object or a list begins; what was redacted before is none. */
const PARTS = /\{|\[(?!redacted\b)/y;
/** A bracket ends a value, unless a letter follows. */
const BARE = /(?:[^\s&;,"'<>|)}\]]|[)}\]](?=[\w$!@#%^*+?]))+/y;
/** What ends a value of several words: its line, or before that a quote which was open before. */
const ENDINGS = {
  '\n': /[\r\n]|\\[rn]/g,
  '"': /[\r\n"]|\\[rn]/g,
  "'": /[\r\n']|\\[rn]/g,
  '`': /[\r\n`]|\\[rn]/g,
} as const;

export type Ending = keyof typeof ENDINGS;

export function isEnding(text: string): text is Ending {
  return Object.hasOwn(ENDINGS, text);
}

/**
 * Where the value ends that begins at the place, and where its quotes, if it has any, let it begin. Of an object or a list
 * everything to the end of the text.
 *
 * @param ending of a value of several words without quotes
 */
export function valueInText(text: string, at: number, ending?: Ending): Place {
  QUOTED.lastIndex = at;
  const quoted = QUOTED.exec(text)?.groups;
  if (quoted) {
    const { before = '', quote = '' } = quoted;
    const inner = at + before.length + quote.length;
    return [before === '' ? inner : at, endOfQuoted(text, inner, quote)];
  }
  if (endAt(PARTS, text, at) !== undefined) return [at, text.length];
  if (ending) return [at, endOfLine(text, at, ending)];
  const begin = text[at] === '<' && text[at + 1] !== '/' ? at + 1 : at;
  return [begin, endAt(BARE, text, begin) ?? begin];
}

/** The end of what a sticky pattern finds at the place, where it finds something. */
export function endAt(sticky: RegExp, text: string, at: number): number | undefined {
  sticky.lastIndex = at;
  return sticky.test(text) ? sticky.lastIndex : undefined;
}

export function endOfLine(text: string, from: number, ending: Ending = '\n'): number {
  const pattern = ENDINGS[ending];
  pattern.lastIndex = from;
  return pattern.exec(text)?.index ?? text.length;
}

/** The next same quote that is not escaped once more, nor doubled. */
function endOfQuoted(text: string, begin: number, quote: string): number {
  for (let end = text.indexOf(quote, begin); end >= 0; end = text.indexOf(quote, end + quote.length)) {
    if (text[end - 1] === '\\') continue;
    if (end === begin || !text.startsWith(quote, end + quote.length)) return end;
    end += quote.length;
  }
  return text.length;
}
