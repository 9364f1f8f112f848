/** What is recognised in a text, wherever it stands. `docs/privacy.md` has the same list. */
export const PATTERN_NAMES = [
  'authorization',
  'jwt',
  'privateKey',
  'cloudKey',
  'url',
  'card',
  'iban',
  'email',
  'phone',
] as const;

export type PatternName = (typeof PATTERN_NAMES)[number];

/** These are looked for only if asked for: they are no secrets everywhere. */
export const ASKED_FOR: ReadonlySet<PatternName> = new Set(['email', 'phone']);

/** Where something is in a text: `[begin, end)`. */
type Place = readonly [begin: number, end: number];

/** Finds one kind of secret. Each takes time in proportion to the text: no repetition is open in two ways at once. */
export interface Recogniser {
  /** Cheap: where it finds nothing, there is nothing. */
  readonly hint: RegExp;
  /** The places of secrets, in their order, none within another. */
  readonly find: (text: string) => readonly Place[];
}

/** @param secret the part of what was found that is secret; all of it where there is no such group */
function matches(found: RegExp): Recogniser['find'] {
  const pattern = new RegExp(found.source, `${found.flags}dg`);
  return (text) =>
    Array.from(text.matchAll(pattern), ({ indices }) => indices!.groups?.['secret'] ?? indices![0]!);
}

export const RECOGNISERS: Readonly<Record<PatternName, Recogniser>> = {
  // RFC 9110, section 11.6.2: a scheme and its credentials.
  authorization: {
    hint: /\b(?:bearer|basic|digest|negotiate|apikey|token)\s/i,
    find: matches(/\b(?:bearer|basic|digest|negotiate|apikey|token)\s{1,4}(?<secret>[\w.~+/=-]{8,})/i),
  },
  // RFC 7519 and 7516: base64url of {" begins with eyJ.
  jwt: {
    hint: /eyJ/,
    find: matches(/\beyJ[\w-]{6,}(?:\.[\w-]*){1,4}/),
  },
  // RFC 7468, and OpenSSH's own.
  privateKey: {
    hint: /-----BEGIN/,
    find: matches(
      /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[^-]*(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?/,
    ),
  },
  cloudKey: {
    hint: /A[KS]IA|AIza|gh[pousr]_|github_pat_|xox[abeprs]-|[rs]k_(?:live|test)_|npm_|glpat-|SG\.|sk-|ya29\.|AccountKey=|sig=/,
    find: matches(
      new RegExp(
        [
          '\\bA[KS]IA[A-Z0-9]{16}\\b',
          '\\bAIza[\\w-]{35}',
          '\\bgh[pousr]_[A-Za-z0-9]{30,}',
          '\\bgithub_pat_\\w{30,}',
          '\\bxox[abeprs]-[A-Za-z0-9-]{10,}',
          '\\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}',
          '\\bnpm_[A-Za-z0-9]{36}',
          '\\bglpat-[\\w-]{20,}',
          '\\bSG\\.[\\w-]{16,}\\.[\\w-]{16,}',
          '\\bsk-[\\w-]{20,}',
          '\\bya29\\.[\\w-]{20,}',
          '\\b(?:AccountKey|sig)=(?<secret>[A-Za-z0-9%+/=_-]{20,})',
        ].join('|'),
      ),
    ),
  },
  // RFC 3986, section 3.2.1: the password of `user:password@host`.
  url: {
    hint: /:\/\/[^\s/@]*@/,
    find: matches(/:\/\/[^\s/:@]{0,128}:(?<secret>[^\s/@]{1,256})@/),
  },
  card: {
    hint: /\d(?:[ -]?\d){12}/,
    find: cardsIn,
  },
  iban: {
    hint: /[A-Z]{2}\d{2}/i,
    find: ibansIn,
  },
  email: {
    hint: /@/,
    find: matches(/[\w.+%-]{1,64}@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}\b/),
  },
  phone: {
    hint: /\d{3}/,
    find: matches(/(?<![\w.])(?:\+|0)\d(?:[ ()/-]{0,2}\d){6,13}(?!\w|\.\d)/),
  },
};

const MOST_CARD_DIGITS = 19;

/**
 * In each run of digits every part between separators that is a card: what stands beside it may be numbers as well. A run that goes
 * on in letters is of an id, such as a UUID.
 */
function cardsIn(text: string): Place[] {
  const places: Place[] = [];
  for (const run of text.matchAll(/(?<![0-9a-f.,-])\d(?:[ -]?\d){12,}(?!\w|[.,-]\w)/gi)) {
    const groups = Array.from(run[0].matchAll(/\d+/g), ({ 0: digits, index }) => ({
      digits,
      begin: run.index + index,
      end: run.index + index + digits.length,
    }));
    for (let first = 0; first < groups.length; first += 1) {
      const last = lastOfCard(groups.slice(first, first + MOST_CARD_DIGITS).map(({ digits }) => digits));
      if (last === undefined) continue;
      places.push([groups[first]!.begin, groups[first + last]!.end]);
      first += last;
    }
  }
  return places;
}

/** Up to which of the groups, from the first on, they are a card. */
function lastOfCard(groups: readonly string[]): number | undefined {
  let digits = '';
  for (const [index, group] of groups.entries()) {
    digits += group;
    if (digits.length > MOST_CARD_DIGITS) return undefined;
    if (isCard(digits)) return index;
  }
  return undefined;
}

/** ISO/IEC 7812: an issuer's first digits, a length that it gives out, and the check digit (Luhn). */
function isCard(digits: string): boolean {
  return (
    ISSUERS.some(({ begins, lengths }) => begins.test(digits) && lengths.includes(digits.length)) &&
    luhn(digits)
  );
}

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

function luhn(digits: string): boolean {
  let sum = 0;
  for (let index = 0; index < digits.length; index += 1) {
    let digit = digits.charCodeAt(digits.length - 1 - index) - 48;
    if (index % 2 === 1) digit = digit > 4 ? digit * 2 - 9 : digit * 2;
    sum += digit;
  }
  return sum % 10 === 0;
}

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

/** Longest IBAN, with a space after every character. */
const IBAN_REACH = 2 * 34;

function ibansIn(text: string): Place[] {
  const places: Place[] = [];
  for (const { index } of text.matchAll(/\b[A-Z]{2}\d{2}/gi)) {
    if (index < (places.at(-1)?.[1] ?? 0)) continue;
    const length = lengthOfIban(text.slice(index, index + IBAN_REACH));
    if (length !== undefined) places.push([index, index + length]);
  }
  return places;
}

const byLength = new Map<number, RegExp>();

function ofLength(length: number): RegExp {
  const known = byLength.get(length);
  if (known) return known;
  const pattern = new RegExp(`^(?:[A-Z0-9] ?){${length - 1}}[A-Z0-9](?![A-Z0-9])`, 'i');
  byLength.set(length, pattern);
  return pattern;
}

/** How long the IBAN is that the text begins with; what follows it may be more of the sentence. */
function lengthOfIban(text: string): number | undefined {
  const length = IBAN_LENGTHS[text.slice(0, 2).toUpperCase()];
  if (length === undefined) return undefined;
  const iban = ofLength(length).exec(text)?.[0];
  if (iban === undefined) return undefined;
  const compact = iban.replaceAll(' ', '');
  // A digest or an object id in hexadecimal.
  if (/^[a-f]{2}\d{2}[0-9a-f]*[a-f]/.test(compact)) return undefined;
  return mod97(compact.toUpperCase()) === 1 ? iban.length : undefined;
}

/** ISO 7064, MOD 97-10, with the first four characters moved to the end. */
function mod97(iban: string): number {
  let rest = 0;
  for (const char of iban.slice(4) + iban.slice(0, 4)) {
    const value = Number.parseInt(char, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest;
}
