import type { Place } from './value-in-text.js';

/** What people write between the groups of a long number: a space, also one that does not break, or a hyphen. */
const SEPARATOR = String.raw`[ \u00a0\u202f-]`;
const SEPARATORS = new RegExp(SEPARATOR, 'g');

/** Where this does not match, there is no card. */
export const CARD_HINT = new RegExp(String.raw`\d(?:${SEPARATOR}?\d){12}`);
/** Digits, also in groups. A run that goes on in letters is of an id, such as a UUID. */
const DIGITS = new RegExp(String.raw`(?<![0-9a-f.-])\d(?:${SEPARATOR}?\d){12,}(?!\w|[.-]\w)`, 'gi');
/** What an issuer's numbers begin with, and how long they are (ISO/IEC 7812). */
const ISSUERS: readonly (readonly [begins: RegExp, ...lengths: number[]])[] = [
  [/^4/, 13, 16, 19],
  [/^(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, 16],
  [/^3[47]/, 15],
  [/^(?:30[0-5]|309|36|38|39)/, 14, 16],
  [/^(?:6011|64[4-9]|65)/, 16, 19],
  [/^35(?:2[89]|[3-8])/, 16, 19],
  [/^62/, 16, 17, 18, 19],
  [/^(?:50|5[6-9]|6[37])/, 13, 14, 15, 16, 17, 18, 19],
];
const PREFIX = 4;
/** The lengths of the cards that begin with these four digits. */
const knownLengths = new Map<string, readonly number[]>();

/** In each run of digits every group, or several, that is a card: what stands beside it may be numbers as well. */
export function cardsIn(text: string): Place[] {
  const places: Place[] = [];
  for (const { 0: run, index } of text.matchAll(DIGITS)) {
    for (const { index: begin } of run.matchAll(/(?<!\d)\d/g)) {
      const end = endOfCard(run, begin);
      if (end !== undefined) places.push([index + begin, index + end]);
    }
  }
  return places;
}

/** Where the card ends that begins there with a group, if one does. */
function endOfCard(run: string, begin: number): number | undefined {
  const lengths = lengthsOf(
    run
      .slice(begin, begin + 2 * PREFIX)
      .replaceAll(SEPARATORS, '')
      .slice(0, PREFIX),
  );
  const longest = lengths.at(-1) ?? 0;
  let count = 0;
  // Luhn's sum, in which the last digit is not doubled (ISO/IEC 7812-1, annex B), and what it would be with that doubled.
  let [sum, other] = [0, 0];
  for (let at = begin; at < run.length && count < longest; at += 1) {
    const digit = digitAt(run, at);
    if (digit === undefined) continue;
    [sum, other] = [other + digit, sum + (digit > 4 ? digit * 2 - 9 : digit * 2)];
    count += 1;
    if (sum % 10 === 0 && lengths.includes(count) && digitAt(run, at + 1) === undefined) return at + 1;
  }
  return undefined;
}

function digitAt(text: string, at: number): number | undefined {
  const digit = text.charCodeAt(at) - 48;
  return digit >= 0 && digit <= 9 ? digit : undefined;
}

function lengthsOf(prefix: string): readonly number[] {
  let lengths = knownLengths.get(prefix);
  if (!lengths) {
    lengths = ISSUERS.flatMap(([begins, ...some]) => (begins.test(prefix) ? some : []));
    knownLengths.set(prefix, lengths);
  }
  return lengths;
}

/** IBANs by their country's length (ISO 13616, SWIFT's registry). */
const LENGTHS = Object.entries({
  15: 'NO',
  16: 'BE',
  18: 'DK|FI|FO|GL|NL',
  19: 'MK|SI',
  20: 'AT|BA|EE|KZ|LT|LU|XK',
  21: 'CH|HR|LI|LV',
  22: 'BG|BH|CR|DE|GB|GE|IE|ME|RS|VA',
  23: 'AE|GI|IL|IQ|TL',
  24: 'AD|CZ|ES|MD|PK|RO|SA|SE|SK|TN|VG',
  25: 'PT|ST',
  26: 'IS|TR',
  27: 'FR|GR|IT|MC|MR|SM',
  28: 'AL|AZ|BY|CY|DO|GT|HU|LB|PL|SV',
  29: 'BR|EG|PS|QA|UA',
  30: 'JO|KW|MU',
  31: 'MT|SC',
  32: 'LC',
}).map(([length, countries]) => `(?:${countries})\\d\\d(?:${SEPARATOR}?[A-Z0-9]){${Number(length) - 4}}`);
const IBAN = new RegExp(String.raw`\b(?=(?<iban>${LENGTHS.join('|')})(?![A-Z0-9]))[A-Z]{2}\d\d`, 'gi');

/** IBANs, by the length of their country and their check digits; what follows one may be more of the sentence. */
export function ibansIn(text: string): Place[] {
  return Array.from(text.matchAll(IBAN), ({ index, groups }): Place => [
    index,
    index + groups!['iban']!.length,
  ]).filter(([begin, end]) => isIban(text.slice(begin, end)));
}

/** ISO 7064, MOD 97-10, with the first four characters moved to the end. */
function isIban(written: string): boolean {
  const text = written.replaceAll(SEPARATORS, '');
  // A digest or an object id in hexadecimal.
  if (/^[a-f]{2}\d{2}[0-9a-f]*[a-f]/.test(text)) return false;
  // A random id in base64 has letters of both cases, and no space. The country may be `De`, the bank's code `West`.
  const isMixed = /[a-z]/.test(text.slice(4)) && /[A-Z]/.test(text.slice(4));
  if (isMixed && !/\s/.test(written)) return false;
  let rest = 0;
  for (const letter of text.slice(4) + text.slice(0, 4)) {
    const value = Number.parseInt(letter, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}
