import type { Place } from './places.js';

/** What people write between the groups of a long number: a space, also one that does not break, or a hyphen. */
const SEPARATOR = String.raw`[ \u00a0\u202f-]`;
const SEPARATORS = new RegExp(SEPARATOR, 'g');

/** Where this does not match, there is no card. */
export const CARD_HINT = new RegExp(String.raw`\d(?:${SEPARATOR}?\d){12}`);
/** Digits, also in groups. A run that goes on in letters is of an id, such as a UUID. */
const DIGITS = new RegExp(String.raw`(?<![0-9a-f.,-])\d(?:${SEPARATOR}?\d){12,}(?!\w|[.,-]\w)`, 'gi');
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

/**
 * In each run of digits every part between separators that is a card: what stands beside it may be numbers as well. Looks at
 * each digit a few times, however many cards could begin before it.
 */
export function cardsIn(text: string): Place[] {
  const places: Place[] = [];
  for (const { 0: run, index } of text.matchAll(DIGITS)) {
    const digits = run.replaceAll(SEPARATORS, '');
    /** Where each group begins in the text, by its place among the digits. */
    const groups = new Map<number, number>();
    /** Where each group ends, likewise. */
    const ends = new Map<number, number>();
    let count = 0;
    for (const { 0: group, index: at } of run.matchAll(/\d+/g)) {
      groups.set(count, index + at);
      count += group.length;
      ends.set(count, index + at + group.length);
    }
    let done = 0;
    for (const [first, begin] of groups) {
      const isCard = (length: number) => ends.has(first + length) && isChecked(digits, first, first + length);
      const length = first < done ? undefined : lengthsOf(digits.slice(first, first + PREFIX)).find(isCard);
      if (length === undefined) continue;
      done = first + length;
      places.push([begin, ends.get(done)!]);
    }
  }
  return places;
}

function lengthsOf(prefix: string): readonly number[] {
  let lengths = knownLengths.get(prefix);
  if (!lengths) {
    lengths = ISSUERS.flatMap(([begins, ...some]) => (begins.test(prefix) ? some : []));
    knownLengths.set(prefix, lengths);
  }
  return lengths;
}

/** Luhn's sum of every other digit doubled, the last one not (ISO/IEC 7812-1, annex B). */
function isChecked(digits: string, begin: number, end: number): boolean {
  let sum = 0;
  for (let place = begin; place < end; place += 1) {
    const digit = digits.charCodeAt(place) - 48;
    const added = (end - place) % 2 === 1 ? digit : digit * 2;
    sum += added > 9 ? added - 9 : added;
  }
  return sum % 10 === 0;
}

/** IBANs by their country's length (ISO 13616, SWIFT's registry). */
const IBAN = new RegExp(
  Object.entries({
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
  })
    .map(([length, countries]) => `\\b(?:${countries})\\d\\d(?:${SEPARATOR}?[A-Z0-9]){${Number(length) - 4}}`)
    .map((iban) => `${iban}(?![A-Z0-9])`)
    .join('|'),
  'gi',
);

/** IBANs, by the length of their country and their check digits; what follows one may be more of the sentence. */
export function ibansIn(text: string): Place[] {
  const places: Place[] = [];
  IBAN.lastIndex = 0;
  for (let found = IBAN.exec(text); found; found = IBAN.exec(text)) {
    if (isIban(found[0].replaceAll(SEPARATORS, ''))) places.push([found.index, IBAN.lastIndex]);
    else IBAN.lastIndex = found.index + 1;
  }
  return places;
}

/** ISO 7064, MOD 97-10, with the first four characters moved to the end. */
function isIban(text: string): boolean {
  // A digest or an object id in hexadecimal.
  if (/^[a-f]{2}\d{2}[0-9a-f]*[a-f]/.test(text)) return false;
  const digits = Array.from(text.slice(4) + text.slice(0, 4), (letter) => Number.parseInt(letter, 36));
  return BigInt(digits.join('')) % 97n === 1n;
}
