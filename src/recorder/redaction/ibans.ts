import { BETWEEN_GROUPS, withoutSeparators } from './number-groups.js';
import type { Place } from './secret-key.js';

/** The length of an IBAN by its country (ISO 13616, SWIFT's registry). */
const IBAN_LENGTHS: Readonly<Record<string, number>> = Object.fromEntries(
  Object.entries({
    15: 'NO',
    16: 'BE',
    18: 'DK FI FO GL NL',
    19: 'MK SI',
    20: 'AT BA EE KZ LT LU XK',
    21: 'CH HR LI LV',
    22: 'BG BH CR DE GB GE IE ME RS VA',
    23: 'AE GI IL IQ TL',
    24: 'AD CZ ES MD PK RO SA SE SK TN VG',
    25: 'PT ST',
    26: 'IS TR',
    27: 'FR GR IT MC MR SM',
    28: 'AL AZ BY CY DO GT HU LB PL SV',
    29: 'BR EG PS QA UA',
    30: 'JO KW MU',
    31: 'MT SC',
    32: 'LC',
  }).flatMap(([length, countries]) => countries.split(' ').map((country) => [country, Number(length)])),
);

/** Longest IBAN, with a space or a hyphen after every character. */
const IBAN_REACH = 2 * 34;

/** IBANs, by the length of their country and their check digits. */
export function ibansIn(text: string): Place[] {
  const places: Place[] = [];
  for (const { index } of text.matchAll(/\b[A-Z]{2}\d{2}/gi)) {
    if (index < (places.at(-1)?.[1] ?? 0)) continue;
    const length = lengthOfIban(text, index);
    if (length !== undefined) places.push([index, index + length]);
  }
  return places;
}

const byLength = new Map<number, RegExp>();

function ofLength(length: number): RegExp {
  const known = byLength.get(length);
  if (known) return known;
  const pattern = new RegExp(`^(?:[A-Z0-9]${BETWEEN_GROUPS}?){${length - 1}}[A-Z0-9](?![A-Z0-9])`, 'i');
  byLength.set(length, pattern);
  return pattern;
}

/** How long the IBAN is that begins there; what follows it may be more of the sentence. */
function lengthOfIban(text: string, at: number): number | undefined {
  const length = IBAN_LENGTHS[text.slice(at, at + 2).toUpperCase()];
  if (length === undefined) return undefined;
  const iban = ofLength(length).exec(text.slice(at, at + IBAN_REACH))?.[0];
  if (iban === undefined) return undefined;
  const compact = withoutSeparators(iban);
  // A digest or an object id in hexadecimal.
  if (/^[a-f]{2}\d{2}[0-9a-f]*[a-f]/.test(compact)) return undefined;
  return mod97(compact.toUpperCase()) === 1 ? iban.length : undefined;
}

/** ISO 7064, MOD 97-10, with the first four characters moved to the end. */
function mod97(iban: string): number {
  let rest = 0;
  for (let index = 0; index < iban.length; index += 1) {
    const code = iban.charCodeAt((index + 4) % iban.length);
    const value = code < 58 ? code - 48 : code - 55;
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest;
}
