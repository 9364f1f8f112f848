import { BETWEEN_GROUPS, withoutSeparators } from './number-groups.js';
import type { Place } from './secret-key.js';

/** Digits, also in groups. A run that goes on in letters is of an id, such as a UUID. */
const RUN = new RegExp(String.raw`(?<![0-9a-f.,-])\d(?:${BETWEEN_GROUPS}?\d){12,}(?!\w|[.,-]\w)`, 'gi');
const GROUPED = new RegExp(BETWEEN_GROUPS);
const [LEAST_DIGITS, MOST_DIGITS] = [13, 19];

/** What an issuer's numbers begin with, and how long they are (ISO/IEC 7812). */
const ISSUERS: readonly { readonly begins: RegExp; readonly lengths: readonly number[] }[] = [
  { begins: /^4/, lengths: [13, 16, 19] },
  { begins: /^(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, lengths: [16] },
  { begins: /^3[47]/, lengths: [15] },
  { begins: /^(?:30[0-5]|309|36|38|39)/, lengths: [14, 16] },
  { begins: /^(?:6011|64[4-9]|65)/, lengths: [16, 19] },
  { begins: /^35(?:2[89]|[3-8])/, lengths: [16, 19] },
  { begins: /^62/, lengths: [16, 17, 18, 19] },
  { begins: /^(?:50|5[6-9]|6[37])/, lengths: [13, 14, 15, 16, 17, 18, 19] },
];
const PREFIX = 4;
/** The lengths of the cards that begin with these four digits, as bits: made once, since digits are many. */
const LENGTHS = Uint32Array.from({ length: 10 ** PREFIX }, (_, prefix) => {
  const digits = String(prefix).padStart(PREFIX, '0');
  const lengths = ISSUERS.flatMap(({ begins, lengths: some }) => (begins.test(digits) ? some : []));
  return lengths.reduce((bits, length) => bits | (1 << length), 0);
});

/**
 * In each run of digits every part between separators that is a card: what stands beside it may be numbers as well. Looks at
 * each digit a few times, however many cards could begin before it.
 */
export function cardsIn(text: string): Place[] {
  const places: Place[] = [];
  for (const { 0: run, index } of text.matchAll(RUN)) {
    // Of digits alone a card is all of them.
    if (run.length <= MOST_DIGITS || GROUPED.test(run)) places.push(...cardsInRun(run, index));
  }
  return places;
}

function cardsInRun(run: string, offset: number): Place[] {
  const { digits, at, begins } = digitsOf(run);
  const sums = checkSums(digits);
  const places: Place[] = [];
  for (let first = 0; first + LEAST_DIGITS <= digits.length; first += 1) {
    if (!begins[first]) continue;
    const lengths = LENGTHS[Number(digits.slice(first, first + PREFIX))]!;
    for (let length = LEAST_DIGITS; length <= MOST_DIGITS && first + length <= digits.length; length += 1) {
      const end = first + length;
      const isWhole = end === digits.length || begins[end];
      if (!isWhole || (lengths & (1 << length)) === 0 || !isChecked(sums, first, end)) continue;
      places.push([offset + at[first]!, offset + at[end - 1]! + 1]);
      first = end - 1;
      break;
    }
  }
  return places;
}

interface Digits {
  readonly digits: string;
  /** The place of each in the run. */
  readonly at: readonly number[];
  /** Whether a separator is before it. */
  readonly begins: readonly boolean[];
}

function digitsOf(run: string): Digits {
  const at: number[] = [];
  const begins: boolean[] = [];
  for (let index = 0; index < run.length; index += 1) {
    if (!isDigit(run, index)) continue;
    at.push(index);
    begins.push(index === 0 || !isDigit(run, index - 1));
  }
  return { digits: withoutSeparators(run), at, begins };
}

function isDigit(run: string, index: number): boolean {
  const code = run.charCodeAt(index);
  return code >= 48 && code <= 57;
}

/**
 * Luhn's sums up to each digit: with every other digit doubled, once the odd ones and once the even ones. So the sum of any part is a
 * difference of two.
 */
function checkSums(digits: string): readonly [odd: Uint32Array, even: Uint32Array] {
  const sums = [new Uint32Array(digits.length + 1), new Uint32Array(digits.length + 1)] as const;
  for (let index = 0; index < digits.length; index += 1) {
    const digit = digits.charCodeAt(index) - 48;
    const doubled = digit > 4 ? digit * 2 - 9 : digit * 2;
    sums[0][index + 1] = sums[0][index]! + (index % 2 === 1 ? doubled : digit);
    sums[1][index + 1] = sums[1][index]! + (index % 2 === 0 ? doubled : digit);
  }
  return sums;
}

/** The last digit is not doubled (ISO/IEC 7812-1, annex B). */
function isChecked(sums: readonly [Uint32Array, Uint32Array], first: number, end: number): boolean {
  const sum = sums[end % 2 === 1 ? 0 : 1];
  return (sum[end]! - sum[first]!) % 10 === 0;
}
