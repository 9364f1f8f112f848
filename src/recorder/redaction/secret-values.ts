import { isNaming, isValueOfPair, nameIn } from '../../event/name-value-pair.js';
import { isDigestKey } from './secret-key.js';
import type { SecretTest } from '../../event/flatten.js';
import { endAt, isEnding, valueInText } from './value-in-text.js';
import type { Ending, Place } from './value-in-text.js';

/** What stands between a key and its value within a text; in SQL and in sentences, a space before a quote. */
const SEPARATOR = /[=:]|[ \t\u00a0](?=\\{0,8}["'`])/g;
/** The rest of a separator: `=>`, `:=`. */
const SIGN = /[=:>~]{0,2}/y;
/** The same, and what is before the value, which may stand on the next line. */
const TO_VALUE = /[=:>~]{0,2}[ \t\u00a0\u202f]*(?:\r?\n[ \t\u00a0\u202f]*)?/y;
/** A type between a name and its value: `password: String! = `. */
const TYPED = /:\s{0,3}[\w.<>[\]|?!]{1,64}\s{0,3}=\s{0,3}(?=\\{0,8}["'`])/y;
/** The lines below a key of YAML that are its value. */
const BLOCK = /[ \t]*(?:[|>][-+\d]{0,2}[ \t]*)?\r?\n(?:(?:[ \t]+|- )[^\n]*(?:\n|$))+/y;
/** The name that stands after the separator: of a pair, or of a part of a form. */
const NAME =
  /[=:>]{0,2}\s{0,3}\\{0,8}["'`]?(?<name>[\p{L}\p{N}_.$/[\]-]{1,64})(?:\\{0,8}["'`]|(?=[\s,;&}]|$))/uy;
/** What follows the name of a part of multipart/form-data (RFC 7578), up to its value. */
const TO_PART = /[^\r\n]{0,256}\r?\n(?:[\w-]{1,64}:[^\r\n]{0,256}\r?\n){0,4}\r?\n/y;
/** What these are is the rest of the line: several values, or words. */
const HEADER = /^(?:proxy-?authorization|authorization|set-?cookie2?|cookie2?)$/i;
const PHRASE = /phrase|mnemonic/i;
/** A key without quotes, before the place: letters and digits of any language, and `_.$-`. */
const BARE_KEY = /(?<=(?<key>[\w.$\u00a1-\uffff-]*))/y;
/** What may stand on a line of YAML or of a settings file before its key, before the place. */
const INDENT = /(?<=^[ \t>*-]{0,256}(?:export )?["']?)/my;
const NOTHING = /^(?:\[redacted(?: ….{4})?\]?|null|undefined|true|false)$/i;
/** How far behind its key a digest is looked for. */
const DIGEST_REACH = 320;

/**
 * The values of secret keys within a text: of `password=hunter2`, `{"token":"abc"}` and the same within a string of JSON, with its
 * quotes escaped; of `{"name":"password","value":"hunter2"}`, of forms, headers and settings. Of an object or a list under a secret
 * key everything to the end of the text is its value. Takes time in proportion to the text: what was searched for one key is not
 * searched for the next.
 */
export function secretValues(text: string, isSecret: SecretTest): Place[] {
  const places: Place[] = [];
  /** What a pair has is known in any order: its value may come before its name. */
  let [isSecretNamed, valueAt] = [false, -1];
  let from = 0;
  const hasLines = text.includes('\n');
  const hide = ([begin, end]: Place) => {
    if (end === begin || NOTHING.test(text.slice(begin, end))) return;
    places.push([begin, end]);
    from = Math.max(from, end);
    SEPARATOR.lastIndex = from;
  };

  SEPARATOR.lastIndex = 0;
  for (let match = SEPARATOR.exec(text); match; match = SEPARATOR.exec(text)) {
    const { index } = match;
    const segment = text.slice(from, index);
    const key = keyAtEnd(segment);
    const keyAt = from + key.begin;
    from = index + 1;
    if (/[}<]/.test(segment)) valueAt = -1;
    if (key.text === '') continue;
    if (isNaming(key.text)) {
      const name = nameAt(text, from);
      isSecretNamed = name !== undefined && isSecret(name.text);
      if (!isSecretNamed) continue;
      const part = partAt(text, name!.end);
      if (part) hide(part);
      else if (valueAt >= 0) hide(valueOf(text, valueAt));
      if (part || valueAt >= 0) [isSecretNamed, valueAt] = [false, -1];
    } else if (isSecretNamed && isValueOfPair(key.text)) {
      isSecretNamed = false;
      hide(valueOf(text, index));
    } else if (isSecret(key.text) || isSecretTogether(segment, key, isSecret)) {
      hide(valueOfKey(text, index, key.text, keyAt, hasLines));
    } else if (isDigestKey(key.text)) {
      const near = text.slice(index, index + DIGEST_REACH);
      const [begin, end] = valueOf(near, 0);
      if (isSecret(key.text, near.slice(begin, end))) hide([index + begin, index + end]);
    } else if (isValueOfPair(key.text)) valueAt = index;
  }
  return places;
}

interface Key {
  readonly text: string;
  readonly begin: number;
}

/** Whether a key without quotes is secret with the word before it, `seed phrase`, and not by one of them. */
function isSecretTogether(segment: string, { text, begin }: Key, isSecret: SecretTest): boolean {
  if (begin < 3 || segment[begin - 1] !== ' ') return false;
  const before = keyAtEnd(segment.slice(0, begin - 1));
  return before.text !== '' && !isSecret(before.text) && isSecret(before.text + text);
}

/** The key that a text ends with, in its quotes or without, and where it begins. */
function keyAtEnd(text: string): Key {
  let end = text.trimEnd().length;
  // Of `user[password]` in a form, and of `$user['password']`.
  if (text[end - 1] === ']') end -= 1;
  if (/["'`]/.test(text[end - 1] ?? '')) {
    const quote = text[end - 1]!;
    end -= 1;
    while (text[end - 1] === '\\') end -= 1;
    const begin = end > 0 ? text.lastIndexOf(quote, end - 1) + 1 : 0;
    return { text: text.slice(begin, end), begin };
  }
  BARE_KEY.lastIndex = end;
  const key = BARE_KEY.exec(text)!.groups!['key']!;
  return { text: key, begin: end - key.length };
}

/**
 * The place of the value of a secret key, which may be more than a word.
 *
 * @param hasLines whether the text has several
 */
function valueOfKey(text: string, separator: number, key: string, keyAt: number, hasLines: boolean): Place {
  const signed = endAt(SIGN, text, separator + 1)!;
  const isColon = text[separator] === ':';
  const block = isColon && hasLines ? endAt(BLOCK, text, signed) : undefined;
  if (block !== undefined) return [signed, block];
  const typed = isColon ? endAt(TYPED, text, separator) : undefined;
  // The type as well: it may be the value.
  if (typed !== undefined) return [signed, valueInText(text, typed)[1]];
  if (isColon && HEADER.test(key)) {
    const before = text[keyAt - 1] ?? '';
    // Up to the end of the line, or to the quote that stands before the header's name.
    return valueOf(text, separator, isEnding(before) ? before : '\n');
  }
  const isSetting = hasLines && /\s/.test(text.charAt(signed)) && endAt(INDENT, text, keyAt) !== undefined;
  return valueOf(text, separator, isSetting || PHRASE.test(key) ? '\n' : undefined);
}

function valueOf(text: string, separator: number, ending?: Ending): Place {
  return valueInText(text, endAt(TO_VALUE, text, separator + 1)!, ending);
}

function nameAt(text: string, at: number): { readonly text: string; readonly end: number } | undefined {
  NAME.lastIndex = at;
  const name = nameIn(NAME.exec(text)?.groups?.['name'] ?? '');
  return name === undefined ? undefined : { text: name, end: NAME.lastIndex };
}

/** The value of a part of a form whose name ends at the place. */
function partAt(text: string, at: number): Place | undefined {
  const begin = endAt(TO_PART, text, at);
  if (begin === undefined) return undefined;
  const end = text.indexOf('\n--', begin);
  return [begin, end < 0 ? text.length : end];
}
