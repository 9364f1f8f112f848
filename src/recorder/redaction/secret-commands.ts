import type { Place } from './secret-key.js';
import { valueInText } from './value-in-text.js';

/** `IDENTIFIED BY '…'`, as SQL gives a user a password. */
const IDENTIFIED =
  /\bidentified\s{1,8}(?:(?:with|via)\s{1,8}[^\s]{1,64}\s{1,8})?(?:by|as|using)\s{1,8}(?:password\s{0,8}\(?\s{0,8})?(?=\\{0,8}["'`])/gi;
/** `-u user:password`, as curl takes it; also in a list of texts. */
const CURL_USER =
  /(?<![^\s"'`,[(])(?:-u|-U|--user|--proxy-user)(?:\s{0,8}=?\s{0,8}|\\{0,8}["'`]\s{0,3},\s{0,3})\\{0,8}["'`]?[^\s:"'`\\]{1,128}:(?=[^\s"'`])/g;
const WORD = /[^\s"'`\\]*/y;

/** The passwords of users whom a statement of SQL makes. Takes time in proportion to the text. */
export function identifiedBy(text: string): Place[] {
  return placesAfter(IDENTIFIED, text, (at) => valueInText(text, at));
}

/** The passwords that commands of curl have. Takes time in proportion to the text. */
export function curlPasswords(text: string): Place[] {
  return placesAfter(CURL_USER, text, (at) => {
    WORD.lastIndex = at;
    return [at, at + WORD.exec(text)![0].length];
  });
}

/** What stands after each match that is not a part of the place before it. */
function placesAfter(pattern: RegExp, text: string, placeAt: (at: number) => Place): Place[] {
  const places: Place[] = [];
  for (const { 0: found, index } of text.matchAll(pattern)) {
    if (index >= (places.at(-1)?.[1] ?? 0)) places.push(placeAt(index + found.length));
  }
  return places;
}
